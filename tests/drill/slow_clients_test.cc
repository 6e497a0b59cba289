// Slow clients of a drill and a real server: they are taken, held for a while and cut.

#include "drill/slow_clients.h"

#include "net/block_on.h"
#include "net/http_server.h"
#include "net/timer.h"

#include <gtest/gtest.h>

#include <thread>

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

net::Task<net::HttpResponse> answer(net::HttpRequest) { co_return net::HttpResponse{}; }

TEST(SlowClients, AreHeldThenCutAndComeAgain) {
    net::Loop loop{1};
    auto server = net::HttpServer::create(
        loop, {.head_timeout = 300ms, .body_grace = 100ms, .body_rate_min = 10'000}, answer);
    ASSERT_TRUE(server.has_value());
    (*server)->start();
    const auto turn = [&loop](std::chrono::milliseconds time) {
        loop.restart();
        loop.run_for(time);
    };
    SlowClients slow((*server)->port(), 20);
    ASSERT_TRUE(slow.connect().has_value());
    turn(20ms);
    slow.drip();
    EXPECT_EQ(slow.counts().held, 20U);
    EXPECT_EQ(slow.counts().bytes, 20);
    for (int i = 0; i < 10; ++i) {
        turn(100ms);
        slow.drip();
    }
    EXPECT_GE(slow.counts().cut, 20);
    EXPECT_GT(slow.counts().connected, 20);
    EXPECT_EQ((*server)->stats().requests, 0U) << "none has finished a request";
    EXPECT_TRUE(net::block_on(loop, (*server)->drain(net::Deadline::after(5s))).has_value());
}

} // namespace
} // namespace holdfast::drill
