#include "net/loop_lag.h"

#include "net/sim_loop.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

TEST(LoopLag, ReportsTheLeastDelayOfEachRound) {
    SimEnv env(5);
    env.install();
    SimLoop sim(env, 5);
    std::vector<Duration> reports;
    LoopLag lag(sim.loop(), [&](Duration least) { reports.push_back(least); });
    sim.run_for(1s);
    ASSERT_GE(reports.size(), 9u);
    for (Duration report : reports) EXPECT_EQ(report, Duration{0});

    reports.clear();
    Alarm once(sim.loop(), [&] { env.advance(300ms); }); // one long callback
    once.set(Deadline::after(1ms));
    sim.run_for(1s);
    ASSERT_GE(reports.size(), 1u);
    for (Duration report : reports) EXPECT_LT(report, Duration{20ms});

    reports.clear();
    Alarm busy(sim.loop(), [&] {
        env.advance(70ms); // and again, and again
        busy.set(Deadline::after(1ms));
    });
    busy.set(Deadline::after(1ms));
    sim.run_for(3s);
    busy.cancel();
    ASSERT_GE(reports.size(), 3u);
    EXPECT_GT(reports.back(), Duration{20ms});
    sim.run_for(1s);
    EXPECT_EQ(reports.back(), Duration{0}) << "and it recovers";
}

} // namespace
} // namespace holdfast::net
