#include "net/http_server.h"
#include "net/block_on.h"
#include "net/timer.h"
#include "raw_peer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_in;

constexpr std::size_t big_bytes = 16'000'000; // more than the kernel buffers
constexpr std::string_view hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// Echoes what it was asked; some paths misbehave.
Task<HttpResponse> echo(HttpRequest request) {
    HttpResponse response;
    if (request.path == "/slow") CO_TRY_VOID(co_await sleep_for(300ms));
    if (request.path == "/throw") throw std::runtime_error("on purpose");
    if (request.path == "/conflict")
        co_return fail(ErrorClass::Conflict, "in_use", "It is in use.");
    if (request.path == "/bug") co_return fail(ErrorClass::Bug, "oops", "table users_17 is gone");
    if (request.path == "/empty") response.status = 204;
    if (request.path == "/big") response.body.assign(big_bytes, 'x');
    response.headers.add("Content-Type", "text/plain");
    response.headers.add("Connection", "nonsense"); // the server's own business
    if (response.body.empty()) {
        response.body = request.method + " " + request.path + "?" + request.query + " " +
                        request.peer + " [" + request.body + "]";
    }
    co_return response;
}

/// A server on a loop and thread of its own.
class Server {
  public:
    explicit Server(HttpServerOptions options = {}) {
        auto created = HttpServer::create(loop_, std::move(options), echo);
        CHECK_MSG(created.has_value(), created ? "" : to_string(created.error()));
        server_ = std::move(*created);
        server_->start();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Server() {
        if (thread_.joinable()) drain(5s);
    }

    /// Drains and ends the loop; how long that took.
    Duration drain(Duration patience) {
        MonoTime start = MonotonicClock::now();
        boost::asio::post(loop_, [this] { loop_.stop(); });
        thread_.join();
        drained = block_on(loop_, server_->drain(Deadline::after(patience)));
        return MonotonicClock::now() - start;
    }
    /// What `look` says about the server, asked on its thread.
    template <class F> auto ask(F look) {
        std::promise<decltype(look(*server_))> answer;
        boost::asio::post(loop_, [&] { answer.set_value(look(*server_)); });
        return answer.get_future().get();
    }
    HttpServerStats stats() {
        return ask([](HttpServer& s) { return s.stats(); });
    }
    RawSocket connect() { return RawSocket::connect(server_->port()); }
    /// The status of the answer to these bytes, and whether the connection was closed after it.
    std::pair<int, bool> status(std::string_view bytes) {
        RawSocket socket = connect();
        socket.send(bytes);
        int got = status_in(socket.receive_response());
        return {got, socket.closed(200)};
    }

    Result<void> drained;

  private:
    Loop loop_{1};
    std::unique_ptr<HttpServer> server_;
    std::thread thread_;
};

TEST(HttpServer, AnswersAndKeepsTheConnection) {
    Server server;
    RawSocket socket = server.connect();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(
            socket.send("POST /a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        std::string answer = socket.receive_response();
        EXPECT_EQ(status_in(answer), 200);
        EXPECT_TRUE(answer.ends_with("\r\n\r\nPOST /a/b?c=d 127.0.0.1 [hello]")) << answer;
        EXPECT_EQ(answer.find("Connection:"), std::string::npos);
        EXPECT_NE(answer.find("\r\nDate: "), std::string::npos);
        EXPECT_NE(answer.find(" GMT\r\n"), std::string::npos);
    }
    EXPECT_EQ(server.stats().requests, 3u);
    EXPECT_EQ(server.stats().accepted, 1u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    Server server;
    RawSocket socket = server.connect();
    std::string bytes;
    constexpr int count = 100;
    for (int i = 0; i < count; ++i) {
        std::string path = i == 3 ? "/slow" : "/" + std::to_string(i);
        bytes += "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
    }
    ASSERT_TRUE(socket.send(bytes));
    for (int i = 0; i < count; ++i) {
        std::string path = i == 3 ? "/slow" : "/" + std::to_string(i);
        std::string answer = socket.receive_response();
        ASSERT_NE(answer.find("GET " + path + "?"), std::string::npos) << i << ": " << answer;
    }
}

TEST(HttpServer, TakesRequestsInPiecesOfAnySize) {
    Server server;
    std::string bytes =
        "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
    for (std::size_t step : {1, 7, 50}) {
        RawSocket socket = server.connect();
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            ASSERT_TRUE(socket.send(std::string_view(bytes).substr(at, step)));
        }
        EXPECT_TRUE(socket.receive_response().ends_with("[hello world]"));
    }
}

TEST(HttpServer, HeadAndNoContentHaveNoBody) {
    Server server;
    RawSocket socket = server.connect();
    ASSERT_TRUE(socket.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"));
    std::string head = socket.receive("\r\n\r\n");
    EXPECT_NE(head.find("Content-Length: 21\r\n"), std::string::npos) << head;
    ASSERT_TRUE(socket.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"));
    std::string empty = socket.receive("\r\n\r\n");
    EXPECT_EQ(status_in(empty), 204) << "a body of HEAD would be here: " << empty;
    EXPECT_EQ(empty.find("Content-Length"), std::string::npos);
    ASSERT_TRUE(socket.send(hello));
    EXPECT_EQ(status_in(socket.receive_response()), 200);
}

TEST(HttpServer, OldVersionClosesUnlessAskedNotTo) {
    Server server;
    EXPECT_EQ(server.status("GET / HTTP/1.0\r\n\r\n"), std::pair(200, true));
    EXPECT_EQ(server.status("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              std::pair(200, true));
    RawSocket socket = server.connect();
    ASSERT_TRUE(socket.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_NE(socket.receive_response().find("Connection: keep-alive\r\n"), std::string::npos);
    EXPECT_FALSE(socket.closed(100));
}

TEST(HttpServer, ContinuesWhenAsked) {
    Server server;
    RawSocket socket = server.connect();
    ASSERT_TRUE(socket.send(
        "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    EXPECT_EQ(socket.receive("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(socket.send("ok"));
    EXPECT_TRUE(socket.receive_response().ends_with("[ok]"));
}

TEST(HttpServer, RefusesWithTheRightStatusAndCloses) {
    HttpServerOptions options;
    options.limits = {
        .head_bytes = 4096, .target_bytes = 1024, .header_count = 20, .body_bytes = 100};
    Server server(std::move(options));
    std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    auto refused = [](int status) { return std::pair(status, true); };
    EXPECT_EQ(server.status("GET / HTTP/1.1\r\n\r\n"), refused(400));
    EXPECT_EQ(server.status(post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
              refused(400));
    EXPECT_EQ(server.status(post + "Content-Type: a/b\r\n\r\n"), refused(411));
    EXPECT_EQ(server.status(post + "\r\namount=100"), refused(411)) << "a body without a length";
    EXPECT_EQ(server.status(post + "Content-Length: 101\r\n\r\n"), refused(413));
    EXPECT_EQ(server.status(post + "Content-Length: 9999999\r\n\r\n" + std::string(500'000, 'x')),
              refused(413))
        << "the answer must survive unread input";
    EXPECT_EQ(server.status(post + "Transfer-Encoding: chunked\r\n\r\n65\r\n"), refused(413));
    EXPECT_EQ(server.status(post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), refused(400));
    EXPECT_EQ(server.status("GET /" + std::string(5000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
              refused(414));
    EXPECT_EQ(server.status(post + "X: " + std::string(5000, 'x')), refused(431));
    EXPECT_EQ(server.status("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), refused(505));
    EXPECT_EQ(server.status(hello), std::pair(200, false)) << "and it goes on";
    EXPECT_EQ(server.stats().refused_requests, 11u);
}

TEST(HttpServer, NothingAfterARefusedRequestIsServed) {
    Server server;
    RawSocket socket = server.connect();
    ASSERT_TRUE(
        socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                    "Content-Length: 0\r\n\r\n" +
                    std::string(hello)));
    std::string all = socket.receive();
    EXPECT_EQ(status_in(all), 400);
    EXPECT_EQ(all.find("/hello"), std::string::npos);
    EXPECT_EQ(server.stats().requests, 0u);
}

TEST(HttpServer, RendersErrorsOfHandlersByClass) {
    Server server;
    RawSocket socket = server.connect();
    auto ask = [&socket](const std::string& path) {
        socket.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
        return socket.receive_response();
    };
    std::string conflict = ask("/conflict");
    EXPECT_EQ(status_in(conflict), 409);
    EXPECT_TRUE(
        conflict.ends_with("{\"error\":{\"code\":\"in_use\",\"message\":\"It is in use.\"}}\n"));
    std::string bug = ask("/bug");
    EXPECT_EQ(status_in(bug), 500);
    EXPECT_EQ(bug.find("users_17"), std::string::npos) << "inner matters stay inside";
    EXPECT_EQ(status_in(ask("/throw")), 500);
    EXPECT_EQ(status_in(ask("/hello")), 200) << "the connection survives";
    EXPECT_EQ(server.stats().handler_bugs, 1u);
}

TEST(HttpServer, UsesTheErrorRendererItIsGiven) {
    HttpServerOptions options;
    options.render_error = [](const HttpProblem& problem) {
        HttpResponse response = render_plain_error(problem);
        response.body = "custom " + std::string(problem.code);
        return response;
    };
    Server server(std::move(options));
    RawSocket socket = server.connect();
    ASSERT_TRUE(socket.send("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_TRUE(socket.receive_response().ends_with("custom bad_request"));
}

TEST(HttpServer, TimesOutWhatIsSlow) {
    HttpServerOptions options;
    options.head_timeout = 150ms;
    options.body_timeout = 150ms;
    options.idle_timeout = 300ms;
    Server server(std::move(options));

    RawSocket dripping = server.connect();
    bool open = true;
    for (int i = 0; i < 20 && open; ++i) { // a byte at a time does not extend the time
        open = dripping.send(
            std::string_view("GET / HTTP/1.1\r\n").substr(static_cast<std::size_t>(i) % 5, 1));
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_EQ(status_in(dripping.receive_response()), 408);

    EXPECT_EQ(server.status("GET / HTTP/1.1\r\nHost:"), std::pair(408, true));
    EXPECT_EQ(server.status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"),
              std::pair(408, true));
    EXPECT_EQ(
        server.status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
        std::pair(408, true));
    RawSocket idle = server.connect();
    EXPECT_EQ(idle.receive(), "") << "an idle connection is closed without a word";
    EXPECT_EQ(server.stats().timeouts, 5u);
    EXPECT_EQ(server.status(hello), std::pair(200, false)) << "and it goes on";
}

TEST(HttpServer, AReaderThatNeverReadsHoldsNothing) {
    HttpServerOptions options;
    options.write_timeout = 800ms;
    Server server(std::move(options));
    RawSocket lazy = server.connect();
    ASSERT_TRUE(lazy.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 0; i < 100 && server.stats().timeouts == 0; ++i) std::this_thread::sleep_for(20ms);
    EXPECT_EQ(server.stats().timeouts, 1u);
    EXPECT_EQ(server.stats().connections, 0u);
    RawSocket keen = server.connect();
    ASSERT_TRUE(keen.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_GT(keen.receive_response().size(), big_bytes);
}

TEST(HttpServer, ANewConnectionTakesThePlaceOfTheOneIdleLongest) {
    HttpServerOptions options;
    options.max_connections = 2;
    Server server(std::move(options));
    RawSocket first = server.connect();
    ASSERT_TRUE(first.send(hello));
    ASSERT_EQ(status_in(first.receive_response()), 200);
    RawSocket second = server.connect();
    ASSERT_TRUE(second.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (server.stats().requests_running == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(server.status(hello), std::pair(200, false));
    EXPECT_TRUE(first.closed()) << "idle longest";
    EXPECT_EQ(status_in(second.receive_response()), 200);
    EXPECT_EQ(server.stats().evicted, 1u);
}

TEST(HttpServer, AFullServerSaysSoAndRecovers) {
    HttpServerOptions options;
    options.max_connections = 1;
    Server server(std::move(options));
    RawSocket busy = server.connect();
    ASSERT_TRUE(busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (server.stats().requests_running == 0) std::this_thread::sleep_for(1ms);
    RawSocket turned_away = server.connect();
    std::string answer = turned_away.receive_response();
    EXPECT_EQ(status_in(answer), 503);
    EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_EQ(status_in(busy.receive_response()), 200);
    EXPECT_EQ(server.stats().over_limit, 1u);
    EXPECT_EQ(server.status(hello).first, 200);
}

TEST(HttpServer, BodiesShareABudgetAndGiveItBack) {
    HttpServerOptions options;
    options.bodies_bytes = 10'000;
    Server server(std::move(options));
    auto post = [](std::size_t n) {
        return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(n) + "\r\n\r\n" +
               std::string(n, 'x');
    };
    EXPECT_EQ(server.status(post(10'001)), std::pair(503, true));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(server.status(post(10'000)).first, 200);
    RawSocket announced = server.connect(); // and never sent
    ASSERT_TRUE(announced.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"));
    EXPECT_EQ(server.status(post(10'000)).first, 200);
}

TEST(HttpServer, ClientsThatVanishLeaveNothingBehind) {
    Server server;
    for (int i = 0; i < 20; ++i) {
        RawSocket socket = server.connect();
        socket.send(i % 2 == 0 ? "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" : "GET /sl");
        if (i % 3 == 0) socket.reset();
    }
    auto over = [](const HttpServerStats& s) { return s.accepted == 20 && s.connections == 0; };
    for (int i = 0; i < 500 && !over(server.stats()); ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(over(server.stats()));
    EXPECT_EQ(server.stats().requests_running, 0u);
}

TEST(HttpServer, DrainFinishesWhatRunsAndClosesTheRest) {
    Server server;
    RawSocket idle = server.connect();
    ASSERT_TRUE(idle.send(hello));
    ASSERT_EQ(status_in(idle.receive_response()), 200);
    RawSocket busy = server.connect();
    ASSERT_TRUE(busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (server.stats().requests_running == 0) std::this_thread::sleep_for(1ms);
    auto answer = std::async(std::launch::async, [&busy] {
        std::string text = busy.receive_response();
        busy = RawSocket(); // a client that was told "close" closes
        return text;
    });
    std::uint16_t port = server.ask([](HttpServer& s) { return s.port(); });
    Duration took = server.drain(5s);
    EXPECT_TRUE(server.drained);
    EXPECT_LT(took, Duration(2s));
    std::string text = answer.get();
    EXPECT_EQ(status_in(text), 200);
    EXPECT_NE(text.find("Connection: close\r\n"), std::string::npos);
    EXPECT_TRUE(idle.closed());
    EXPECT_FALSE(RawSocket::connect(port).valid());
}

TEST(HttpServer, DrainEndsAtItsDeadline) {
    Server server;
    RawSocket busy = server.connect();
    ASSERT_TRUE(busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (server.stats().requests_running == 0) std::this_thread::sleep_for(1ms);
    EXPECT_LT(server.drain(50ms), Duration(250ms));
    EXPECT_TRUE(server.drained);
    std::string answer = busy.receive();
    EXPECT_EQ(status_in(answer), 503) << "what the handler made of being cancelled";
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST(HttpServer, ListensOnBothFamiliesAndNamesPeersTheSameWay) {
    HttpServerOptions options;
    options.address = "::";
    Server server(std::move(options));
    RawSocket socket = server.connect(); // over IPv4
    ASSERT_TRUE(socket.send(hello));
    EXPECT_TRUE(socket.receive_response().ends_with("GET /hello? 127.0.0.1 []"));
}

TEST(HttpServerCreate, RefusesWhatMakesNoSense) {
    Loop loop{1};
    auto code = [&loop](HttpServerOptions options) {
        auto server = HttpServer::create(loop, std::move(options), echo);
        return server ? std::string() : server.error().code;
    };
    EXPECT_EQ(code({.address = "localhost"}), "listen_failed");
    EXPECT_EQ(code({.address = "192.0.2.1"}), "listen_failed");
    EXPECT_EQ(code({.max_connections = 0}), "http_limits");
    EXPECT_EQ(code({.address = "::"}), "");
    auto taken = HttpServer::create(loop, {}, echo);
    ASSERT_TRUE(taken);
    EXPECT_EQ(code({.port = (*taken)->port()}), "listen_failed");
    auto shared = HttpServer::create(loop, {.reuse_port = true}, echo);
    ASSERT_TRUE(shared);
    EXPECT_EQ(code({.port = (*shared)->port(), .reuse_port = true}), "");
}

} // namespace
} // namespace holdfast::net
