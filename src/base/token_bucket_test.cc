#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime start{1h};

TEST(TokenBucket, GivesABurstAndThenItsRate) {
    TokenBucket bucket({.per_second = 10, .burst = 5}, start);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(start));
    EXPECT_FALSE(bucket.take(start));
    EXPECT_EQ(bucket.wait(start), Duration{100ms});
    EXPECT_FALSE(bucket.take(start + 99ms));
    EXPECT_TRUE(bucket.take(start + 101ms));
    EXPECT_FALSE(bucket.take(start + 102ms));
    int taken = 0;
    for (auto at = start + 200ms; at < start + 10'200ms; at += 1ms)
        if (bucket.take(at)) ++taken;
    EXPECT_NEAR(taken, 100, 1);
}

TEST(TokenBucket, HoldsNoMoreThanABurst) {
    TokenBucket bucket({.per_second = 10, .burst = 2}, start);
    EXPECT_TRUE(bucket.take(start + 1h));
    EXPECT_TRUE(bucket.take(start + 1h));
    EXPECT_FALSE(bucket.take(start + 1h));
    EXPECT_FALSE(bucket.take(start)) << "time that runs backwards gives nothing";
}

TEST(RateTable, KeepsKeysApart) {
    RateTable table(10);
    const Rate rate{.per_second = 1, .burst = 1};
    EXPECT_FALSE(table.peek("a", start)) << "an unknown key may";
    EXPECT_FALSE(table.take("a", rate, start));
    EXPECT_EQ(table.peek("a", start), Duration{1s});
    EXPECT_EQ(table.take("a", rate, start), Duration{1s});
    EXPECT_FALSE(table.take("b", rate, start));
    EXPECT_FALSE(table.peek("a", start + 1s));
    EXPECT_FALSE(table.take("a", rate, start + 1s));
}

TEST(RateTable, IsBoundedAndForgetsWhatWasUsedLongestAgo) {
    RateTable table(3);
    const Rate rate{.per_second = 0.001, .burst = 1};
    for (const char* key : {"a", "b", "c"}) EXPECT_FALSE(table.take(key, rate, start));
    EXPECT_TRUE(table.take("a", rate, start)); // used again: b is the oldest now
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(table.take("made up " + std::to_string(i), rate, start));
        EXPECT_TRUE(table.take("a", rate, start)) << "what is in use stays";
        EXPECT_LE(table.size(), 3u);
    }
    EXPECT_FALSE(table.peek("b", start));
    EXPECT_EQ(table.pushed_out(), 1000u);
}

TEST(RetryBudget, GrantsAShareOfTheCalls) {
    SimEnv env(1);
    RetryBudget budget(env, {.percent = 20, .per_second_min = 1, .burst = 10});
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.take());
    EXPECT_FALSE(budget.take()) << "the burst is used up";
    int granted = 0;
    for (int i = 0; i < 1000; ++i) {
        budget.note_call();
        if (budget.take()) ++granted;
    }
    EXPECT_NEAR(granted, 200, 1);
}

TEST(RetryBudget, GrantsAFewToWhoCallsSeldom) {
    SimEnv env(1);
    RetryBudget budget(env, {.percent = 20, .per_second_min = 2, .burst = 2});
    while (budget.take()) {
    }
    int granted = 0;
    for (int i = 0; i < 100; ++i) {
        env.advance(100ms);
        if (budget.take()) ++granted;
    }
    EXPECT_NEAR(granted, 20, 1);
}

} // namespace
} // namespace holdfast
