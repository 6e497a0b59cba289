#include "base/env.h"

#include <gtest/gtest.h>

#include <thread>

namespace holdfast {
namespace {

using std::chrono::seconds;

TEST(SimEnv, SameSeedSameRandomness) {
    SimEnv a(42), b(42), c(43);
    const auto first = a.random_u64();
    EXPECT_EQ(first, b.random_u64());
    EXPECT_NE(first, c.random_u64());
}

TEST(SimEnv, MovesToWakeUpsInOrderAndNotPastTheLimit) {
    SimEnv env(1);
    const MonoTime start = env.now();
    env.note_wakeup(start + seconds(5));
    env.note_wakeup(start + seconds(2));
    env.note_wakeup(start + seconds(2));
    env.note_wakeup(start); // due already: nothing to move to
    ASSERT_TRUE(env.advance_to_next_wakeup(start + seconds(4)));
    EXPECT_EQ(env.now(), start + seconds(2));
    EXPECT_FALSE(env.advance_to_next_wakeup(start + seconds(4)));
    EXPECT_EQ(env.now(), start + seconds(2));
    env.advance(seconds(10)); // the other wake-up is past now
    EXPECT_FALSE(env.advance_to_next_wakeup(MonoTime::max()));
    EXPECT_EQ(env.now(), start + seconds(12));
}

TEST(SimEnv, WallTimeFollowsWithItsSkew) {
    SimEnv env(1);
    const WallTime start = env.wall();
    env.advance(seconds(3));
    EXPECT_EQ(env.wall() - start, seconds(3));
    env.set_wall_skew(-seconds(10));
    EXPECT_EQ(env.wall() - start, -seconds(7));
}

TEST(Env, IsInstalledPerThreadAndLeavesWithItsOwner) {
    const auto real = MonotonicClock::now();
    {
        SimEnv env(1);
        env.install();
        EXPECT_EQ(MonotonicClock::now(), env.now());
        EXPECT_TRUE(Env::current().simulated());
        std::thread([] { EXPECT_FALSE(Env::current().simulated()); }).join();
    }
    EXPECT_FALSE(Env::current().simulated());
    EXPECT_GE(MonotonicClock::now(), real);
}

TEST(Env, RandomBelowIsUniformEnough) {
    SimEnv env(3);
    std::array<int, 6> counts{};
    for (int i = 0; i < 6000; ++i) ++counts.at(env.random_below(6));
    for (int count : counts) EXPECT_NEAR(count, 1000, 150);
    EXPECT_EQ(env.random_below(1), 0U);
}

TEST(RealEnv, FillsAnyLengthAndKnowsItsHost) {
    RealEnv env;
    std::array<std::byte, 1000> a{}, b{};
    env.fill_random(a);
    env.fill_random(b);
    EXPECT_NE(a, b);
    EXPECT_FALSE(env.hostname().empty());
    EXPECT_GT(env.pid(), 0);
    EXPECT_GT(unix_seconds(env.wall()), 1'700'000'000);
}

TEST(Env, EnvironmentVariableIsEmptyWhenUnset) {
    EXPECT_EQ(environment_variable("HOLDFAST_SURELY_NOT_SET"), "");
    EXPECT_FALSE(environment_variable("PATH").empty());
}

} // namespace
} // namespace holdfast
