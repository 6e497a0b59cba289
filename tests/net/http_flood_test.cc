// Clients who take more than their share: floods of connections, requests that never end, bodies by
// the drop. Each test has a decent client beside them, who is served, and ends well again.

#include "net/block_on.h"
#include "net/http_server.h"
#include "net/timer.h"
#include "raw_peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/post.hpp>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_in;

constexpr std::string_view hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

class Flood : public testing::Test {
  protected:
    ~Flood() override {
        boost::asio::post(loop_, [this] { loop_.stop(); });
        thread_.join();
        EXPECT_TRUE(block_on(loop_, server_->drain(Deadline::after(5s))).has_value());
    }
    static Task<HttpResponse> answer(HttpRequest request) {
        if (request.path == "/slow") CO_TRY_VOID(co_await sleep_for(1s));
        HttpResponse response;
        response.body = request.body;
        co_return response;
    }
    void serve(HttpServerOptions options) {
        auto created = HttpServer::create(loop_, std::move(options), answer);
        ASSERT_TRUE(created.has_value());
        server_ = std::move(*created);
        server_->start();
        thread_ = std::thread([this] { loop_.run(); });
    }
    HttpServerStats stats() {
        std::promise<HttpServerStats> answer;
        boost::asio::post(loop_, [&] { answer.set_value(server_->stats()); });
        return answer.get_future().get();
    }
    RawSocket connect(std::string_view from = "127.0.0.1") {
        return RawSocket::connect(server_->port(), from);
    }
    /// Status of an answer on a new connection; 0 when it was closed without one.
    int ask(std::string_view from = "127.0.0.1") {
        RawSocket socket = connect(from);
        socket.send(hello);
        return status_in(socket.receive_response());
    }
    /// A client as an SDK is: keeps its connection, and comes back when that was closed.
    /// How many of `requests` were not answered with 200 within three tries.
    int decent_client(int requests, std::string_view from = "127.0.0.1") {
        RawSocket kept;
        int failed = 0;
        for (int i = 0; i < requests; ++i) {
            int status = 0;
            for (int tries = 0; tries < 3 && status != 200; ++tries) {
                if (!kept.valid()) kept = connect(from);
                const bool sent = kept.send(hello);
                status = sent ? status_in(kept.receive_response()) : 0;
                if (status != 200) kept = RawSocket();
            }
            if (status != 200) ++failed;
            std::this_thread::sleep_for(5ms);
        }
        return failed;
    }
    void expect_recovered() {
        for (int i = 0; i < 500 && stats().connections > 0; ++i) std::this_thread::sleep_for(10ms);
        EXPECT_EQ(stats().connections, 0u);
        EXPECT_EQ(ask(), 200);
    }

    Loop loop_{1};
    std::unique_ptr<HttpServer> server_;
    std::thread thread_;
};

TEST_F(Flood, OfSilentConnectionsLeavesADecentClientServed) {
    serve({.max_connections = 50});
    std::atomic<bool> over = false;
    std::atomic<int> opened = 0;
    std::thread flood([&] {
        std::deque<RawSocket> silent;
        while (!over) {
            silent.push_back(connect());
            ++opened;
            if (silent.size() > 400) silent.pop_front();
        }
    });
    while (opened < 100) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(decent_client(100), 0);
    over = true;
    flood.join();
    const HttpServerStats after = stats();
    EXPECT_GT(opened, 500);
    EXPECT_GT(after.evicted, 100u);
    EXPECT_GT(after.accept_pauses, 0u);
    EXPECT_LE(after.connections, 50u + 1) << "one may be on its way out";
    expect_recovered();
}

TEST_F(Flood, OfRequestsThatNeverEndLeavesADecentClientServed) {
    serve({.max_connections = 40, .head_timeout = 2s});
    std::vector<RawSocket> dripping;
    for (int i = 0; i < 200; ++i) {
        dripping.push_back(connect());
        dripping.back().send(i % 2 == 0
                                 ? "GET /x HTTP/1.1\r\nHos"
                                 : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1");
    }
    EXPECT_EQ(decent_client(50), 0);
    for (RawSocket& socket : dripping) socket.send("x");
    EXPECT_EQ(decent_client(50), 0);
    EXPECT_GE(stats().evicted, 160u);
    dripping.clear();
    expect_recovered();
}

TEST_F(Flood, OfOneAddressIsItsOwnBusiness) {
    serve({.max_connections = 1000, .connections_per_network = 10});
    std::vector<RawSocket> busy;
    for (int i = 0; i < 10; ++i) {
        busy.push_back(connect("127.0.0.2"));
        busy.back().send(slow);
    }
    while (stats().requests_running < 10) std::this_thread::sleep_for(1ms);
    RawSocket eleventh = connect("127.0.0.2");
    const std::string refused = eleventh.receive_response();
    EXPECT_EQ(status_in(refused), 429);
    EXPECT_NE(refused.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(refused.find("rate_limit"), std::string::npos);
    EXPECT_EQ(ask("127.0.0.3"), 200) << "others are not meant";
    for (RawSocket& socket : busy) EXPECT_EQ(status_in(socket.receive_response()), 200);
    EXPECT_EQ(ask("127.0.0.2"), 200) << "takes the place of an idle one of its own";
    EXPECT_TRUE(busy.front().closed());
    EXPECT_FALSE(busy.back().closed(50));
    EXPECT_EQ(stats().over_network_limit, 1u);
    busy.clear();
    expect_recovered();
}

TEST_F(Flood, ARequestThatIsServedIsNeverGivenUp) {
    serve({.max_connections = 5});
    std::vector<RawSocket> busy;
    for (int i = 0; i < 5; ++i) {
        busy.push_back(connect());
        busy.back().send(slow);
    }
    while (stats().requests_running < 5) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(ask(), 503);
    EXPECT_EQ(ask(), 503);
    for (RawSocket& socket : busy) EXPECT_EQ(status_in(socket.receive_response()), 200);
    EXPECT_EQ(stats().over_limit, 2u);
    busy.clear();
    expect_recovered();
}

TEST_F(Flood, ABodyByTheDropIsGivenUpAndASlowOneIsNot) {
    serve({.body_timeout = 20s, .body_grace = 1s, .body_rate_min = 10'000});
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
    auto feed = [this](std::string framing, std::string piece, int pieces, Duration pause) {
        RawSocket socket = connect();
        socket.send(framing);
        for (int i = 0; i < pieces && socket.send(piece); ++i) std::this_thread::sleep_for(pause);
        return status_in(socket.receive_response());
    };
    const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(feed(head + "Content-Length: 1000\r\n\r\n", "x", 100, 10ms), 408);
    EXPECT_EQ(feed(chunked, "1\r\nx\r\n", 100, 10ms), 408);
    const std::string piece(1000, 'x'); // 16,000 bytes a second, for longer than the grace
    EXPECT_EQ(feed(head + "Content-Length: 20000\r\n\r\n", piece, 20, 60ms), 200);
    EXPECT_EQ(feed(chunked, "3E8\r\n" + piece + "\r\n", 20, 60ms), 408) << "it has no end";
    EXPECT_EQ(stats().timeouts, 3u);
    expect_recovered();
}

TEST_F(Flood, WhoConnectsAndSaysNothingIsNotWaitedForAsLongAsAnOldCustomer) {
    serve({.head_timeout = 100ms, .idle_timeout = 60s});
    RawSocket customer = connect();
    customer.send(hello);
    ASSERT_EQ(status_in(customer.receive_response()), 200);
    RawSocket stranger = connect();
    EXPECT_TRUE(stranger.closed(2000));
    EXPECT_FALSE(customer.closed(50));
}

} // namespace
} // namespace holdfast::net
