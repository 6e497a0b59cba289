#include "net/http_client.h"
#include "net/block_on.h"
#include "net/gate.h"
#include "net/timer.h"
#include "raw_peer.h"

#include "base/offload.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;
using test::RawListener;
using test::RawSocket;

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A client and a peer that plays its part on a thread of its own.
class HttpClientTest : public testing::Test {
  protected:
    void TearDown() override {
        if (peer_.valid()) peer_.wait();
        client.reset();
        loop.poll();
    }

    void options(HttpClientOptions o) { client = std::make_unique<HttpClient>(loop, o); }
    void peer(std::function<void()> plays) {
        peer_ = std::async(std::launch::async, std::move(plays));
    }
    /// Accepts a connection, reads a request, sends these bytes.
    RawSocket serve(std::string_view answer) {
        RawSocket socket = listener.accept();
        last_request = socket.receive("\r\n\r\n");
        socket.send(answer);
        return socket;
    }
    HttpClientRequest to_peer(std::string method = "GET", std::string target = "/") {
        return {.method = std::move(method),
                .host = "127.0.0.1",
                .port = listener.port(),
                .target = std::move(target)};
    }
    Result<HttpResponse> ask(HttpClientRequest request, Duration patience = 5s) {
        return block_on(loop, client->request(std::move(request), Deadline::after(patience)));
    }
    /// The code and class of the error that the peer's `bytes` lead to.
    std::pair<std::string, ErrorClass> error_for(std::string_view bytes) {
        peer([this, bytes] { (void)serve(bytes); });
        auto answer = ask(to_peer("POST"));
        peer_.wait();
        client->close_idle();
        if (answer) return {"answered", ErrorClass::Bug};
        return {answer.error().code, answer.error().kind};
    }

    Loop loop{1};
    RawListener listener;
    std::unique_ptr<HttpClient> client = std::make_unique<HttpClient>(loop, HttpClientOptions{});
    std::string last_request;

  private:
    std::future<void> peer_;
};

TEST_F(HttpClientTest, SendsWhatItWasGivenAndReadsTheAnswer) {
    peer([this] {
        RawSocket socket = listener.accept();
        last_request = socket.receive("hello");
        socket.send(
            "HTTP/1.1 201 Created\r\nX-Id: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n0\r\n\r\n");
    });
    HttpClientRequest request = to_peer("POST", "/v1/x?y=z");
    request.headers.add("X-Key", "k");
    request.headers.add("Content-Length", "999"); // not the caller's business
    request.body = "hello";
    auto answer = ask(std::move(request));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->headers.get("x-id"), "7");
    EXPECT_EQ(answer->body, "abc");
    EXPECT_EQ(last_request,
              "POST /v1/x?y=z HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(listener.port()) +
                  "\r\nX-Key: k\r\nContent-Length: 5\r\n\r\nhello");
}

TEST_F(HttpClientTest, KeepsConnectionsAndSkipsInterimAnswers) {
    peer([this] {
        RawSocket socket =
            serve("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" +
                  std::string(ok));
        socket.receive("\r\n\r\n");
        socket.send(ok);
        socket.receive("\r\n\r\n");
        socket.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ask(to_peer()));
    EXPECT_EQ(client->stats().connects, 1u);
    EXPECT_EQ(client->stats().idle, 0u);
    EXPECT_EQ(client->stats().connections, 0u);
}

TEST_F(HttpClientTest, AnswersWithoutLengthEndWithTheConnection) {
    peer([this] { (void)serve("HTTP/1.1 200 OK\r\n\r\nall of it"); });
    EXPECT_EQ(ask(to_peer())->body, "all of it");
    EXPECT_EQ(client->stats().connections, 0u);
}

TEST_F(HttpClientTest, HeadHasNoBody) {
    peer([this] {
        RawSocket socket = serve("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        socket.receive("\r\n\r\n");
        socket.send(ok);
    });
    EXPECT_EQ(ask(to_peer("HEAD"))->body, "");
    EXPECT_EQ(ask(to_peer())->body, "ok");
}

TEST_F(HttpClientTest, LocalhostAndNames) {
    HttpClientRequest request = to_peer();
    request.host = "localhost";
    peer([this] { (void)serve(ok); });
    EXPECT_TRUE(ask(request));

    request.host = "name.invalid";
    EXPECT_EQ(ask(request).error().code, "http_name_unknown");
    Offload offload({});
    options({.offload = &offload});
    auto looked_up = ask(request);
    ASSERT_FALSE(looked_up);
    EXPECT_EQ(looked_up.error().code, "http_name_unknown");
    EXPECT_EQ(looked_up.error().kind, ErrorClass::Unavailable);
    client.reset();
    offload.shutdown();
}

TEST_F(HttpClientTest, NothingSentIsUnavailable) {
    std::uint16_t closed_port;
    {
        RawListener gone;
        closed_port = gone.port();
    }
    HttpClientRequest request = to_peer();
    request.port = closed_port;
    auto refused = ask(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "http_unreachable");
    EXPECT_EQ(refused.error().kind, ErrorClass::Unavailable);
    EXPECT_EQ(client->stats().connections, 0u);

    auto late = ask(to_peer(), -1s);
    ASSERT_FALSE(late);
    EXPECT_NE(late.error().kind, ErrorClass::Unknown);
    EXPECT_EQ(ask({.host = "127.0.0.1", .target = "/a b"}).error().kind, ErrorClass::Invalid);
    EXPECT_EQ(ask({.method = "GE T", .host = "127.0.0.1"}).error().kind, ErrorClass::Invalid);
}

TEST_F(HttpClientTest, SentAndNotAnsweredIsUnknown) {
    auto unknown = [](const char* code) {
        return std::pair(std::string(code), ErrorClass::Unknown);
    };
    EXPECT_EQ(error_for(""), unknown("http_answer_lost"));
    EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Le"), unknown("http_answer_lost"));
    EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal"),
              unknown("http_answer_lost"));
    EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"),
              unknown("http_answer_lost"));
    EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
              unknown("http_bad_answer"));
    EXPECT_EQ(error_for("SSH-2.0-OpenSSH\r\n"), unknown("http_bad_answer"));
    EXPECT_EQ(error_for("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
              unknown("http_bad_answer"));
    EXPECT_EQ(client->stats().unknown, 7u);
    EXPECT_EQ(client->stats().connections, 0u);
    EXPECT_EQ(error_for(ok).first, "answered") << "and it goes on";
}

TEST_F(HttpClientTest, ALateAnswerIsUnknownAndItsConnectionIsNotUsedAgain) {
    peer([this] {
        RawSocket silent = serve("");
        RawSocket second = serve(ok);
        silent.send(ok);
    });
    MonoTime start = MonotonicClock::now();
    auto late = ask(to_peer("POST"), 200ms);
    EXPECT_LT(MonotonicClock::now() - start, 2s);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "http_answer_late");
    EXPECT_EQ(late.error().kind, ErrorClass::Unknown);
    EXPECT_TRUE(ask(to_peer()));
    EXPECT_EQ(client->stats().connects, 2u);
}

TEST_F(HttpClientTest, CancelledAfterSendingIsUnknownToo) {
    peer([this] {
        RawSocket silent = serve("");
        EXPECT_TRUE(silent.closed());
    });
    auto late = block_on(loop, with_deadline(client->request(to_peer("POST"), Deadline::after(1h)),
                                             Deadline::after(200ms)));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorClass::Unknown);
}

TEST_F(HttpClientTest, AConnectionClosedWhileIdleIsNotUsed) {
    peer([this] {
        {
            RawSocket first = serve(ok);
        }
        (void)serve(ok);
    });
    ASSERT_TRUE(ask(to_peer("POST")));
    while (client->stats().idle == 0) loop.poll();
    ASSERT_TRUE(block_on(loop, sleep_for(50ms)));
    auto again = ask(to_peer("POST"));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(client->stats().resent, 0u);
    EXPECT_EQ(client->stats().connects, 2u);
}

TEST_F(HttpClientTest, WhatThePeerDroppedUnreadIsResentOnlyWhereThatIsSafe) {
    for (bool safe : {false, true}) {
        peer([this, safe] {
            RawSocket first = serve(ok);
            first.receive("\r\n\r\n"); // takes the second request and dies
            first.reset();
            if (safe) (void)serve(ok);
        });
        ASSERT_TRUE(ask(to_peer()));
        HttpClientRequest request = to_peer("POST");
        request.safe_to_resend = safe;
        auto second = ask(std::move(request));
        EXPECT_EQ(second.has_value(), safe);
        if (!safe) EXPECT_EQ(second.error().kind, ErrorClass::Unknown);
        EXPECT_EQ(client->stats().resent, safe ? 1u : 0u);
        client->close_idle();
    }
}

TEST_F(HttpClientTest, ANewConnectionIsNeverTriedTwice) {
    peer([this] {
        serve("").reset();
        EXPECT_FALSE(listener.accept(300).valid());
    });
    HttpClientRequest request = to_peer();
    request.safe_to_resend = true;
    EXPECT_EQ(ask(std::move(request)).error().kind, ErrorClass::Unknown);
}

TEST_F(HttpClientTest, IdleConnectionsAreClosedAfterAWhile) {
    options({.idle_timeout = 100ms});
    peer([this] { EXPECT_TRUE(serve(ok).closed()); });
    ASSERT_TRUE(ask(to_peer()));
    EXPECT_EQ(client->stats().idle, 1u);
    ASSERT_TRUE(block_on(loop, sleep_for(300ms)));
    EXPECT_EQ(client->stats().idle, 0u);
    EXPECT_EQ(client->stats().connections, 0u);
}

Task<void> ask_into(HttpClient* client, HttpClientRequest request, Deadline deadline,
                    std::vector<std::string>* outcomes) {
    auto answer = co_await client->request(std::move(request), deadline);
    outcomes->push_back(answer ? answer->body : answer.error().code);
    co_return Result<void>{};
}

TEST_F(HttpClientTest, RequestsWaitTheirTurnInOrderAndWithinLimits) {
    options({.connections_per_host = 1, .waiting_per_host = 3});
    peer([this] {
        RawSocket socket = listener.accept();
        for (int i = 0; i < 3; ++i) {
            std::string request = socket.receive("\r\n\r\n");
            std::this_thread::sleep_for(30ms);
            std::string target = request.substr(4, 2);
            socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + target);
        }
    });
    Gate gate(loop, "test");
    std::vector<std::string> outcomes;
    for (const char* target : {"/1", "/2", "/3", "/4", "/5"}) {
        Duration patience = target[1] == '4' ? 10ms : 5s;
        ASSERT_TRUE(gate.spawn(
            ask_into(client.get(), to_peer("GET", target), Deadline::after(patience), &outcomes)));
    }
    ASSERT_TRUE(block_on(loop, gate.close(Deadline::after(10s))));
    EXPECT_EQ(outcomes, (std::vector<std::string>{"http_queue_full", "http_no_connection", "/1",
                                                  "/2", "/3"}));
    EXPECT_EQ(client->stats().connects, 1u);
    EXPECT_EQ(client->stats().waiting, 0u);
}

TEST(HttpUrlParse, Table) {
    auto parse = [](std::string_view text) -> std::string {
        auto url = parse_http_url(text);
        if (!url) return url.error().code;
        return url->host + " " + std::to_string(url->port) + " " + url->target;
    };
    EXPECT_EQ(parse("http://a"), "a 80 /");
    EXPECT_EQ(parse("http://a:8080/x?y"), "a 8080 /x?y");
    EXPECT_EQ(parse("http://a?y"), "a 80 /?y");
    EXPECT_EQ(parse("http://[::1]:99/x"), "::1 99 /x");
    for (const char* bad : {"", "a", "https://a", "http://", "http:///x", "http://a:", "http://a:0",
                            "http://a:65536", "http://a:1x", "http://[::1", "http://[::1]x",
                            "http://u@a", "http://a/x y", "http://a/#f"}) {
        EXPECT_EQ(parse(bad), "http_url") << bad;
    }
}

} // namespace
} // namespace holdfast::net
