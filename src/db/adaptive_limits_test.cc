// The size of a pool under simulated time: against a database with so many cores, and step by step.

#include "db/adaptive_limits.h"

#include "db/pool_fixture.h"

namespace holdfast::db {
namespace {

class AdaptiveLimitsTest : protected SimulatedTime, public testing::Test {
  protected:
    AdaptiveLimitsTest() : SimulatedTime(1) { limits_.set_share(8); }

    /// Loans of one interval.
    void interval(Duration used, Duration queued, std::string_view holder = "find") {
        for (int i = 0; i < 20; ++i) {
            env_.advance(25ms);
            limits_.learn({.holder = holder, .queued = queued, .used = used});
        }
    }
    AdaptiveLimits limits_{{.lower = 2, .upper = 8}};
};

TEST_F(AdaptiveLimitsTest, GrowsWhileCallersQueueAndTheDatabaseIsQuick) {
    EXPECT_EQ(limits_.max_used(), 2u);
    interval(10ms, 0ms);
    EXPECT_EQ(limits_.max_used(), 2u) << "nobody had to queue";
    interval(10ms, 4ms);
    EXPECT_EQ(limits_.max_used(), 2u) << "not for long";
    for (std::size_t expected = 3; expected <= 8; ++expected) {
        interval(10ms, 20ms);
        EXPECT_EQ(limits_.max_used(), expected);
    }
    interval(10ms, 20ms);
    EXPECT_EQ(limits_.max_used(), 8u) << "the upper limit";
}

TEST_F(AdaptiveLimitsTest, ShrinksWhenLoansTakeLongerThanUsual) {
    interval(10ms, 0ms);
    for (int i = 0; i < 6; ++i) interval(10ms, 20ms);
    ASSERT_EQ(limits_.max_used(), 8u);
    interval(40ms, 50ms);
    EXPECT_EQ(limits_.max_used(), 7u);
    for (int i = 0; i < 30; ++i) interval(40ms, 50ms);
    EXPECT_EQ(limits_.max_used(), 2u) << "the lower limit";
    for (int i = 0; i < 3; ++i) interval(10ms, 20ms);
    EXPECT_EQ(limits_.max_used(), 5u) << "and it recovers by itself";
}

TEST_F(AdaptiveLimitsTest, AnotherMixIsNoSlowerDatabase) {
    interval(2ms, 0ms, "find");
    interval(80ms, 0ms, "list");
    for (int i = 0; i < 6; ++i) interval(2ms, 20ms, "find");
    ASSERT_EQ(limits_.max_used(), 8u);
    for (int i = 0; i < 6; ++i) interval(80ms, 20ms, "list");
    EXPECT_EQ(limits_.max_used(), 8u);
}

TEST_F(AdaptiveLimitsTest, OneLoanThatHangsIsNotTheDatabase) {
    interval(5ms, 0ms);
    for (int i = 0; i < 6; ++i) {
        limits_.learn({.holder = "find", .queued = 1ms, .used = 8s});
        interval(5ms, 20ms);
    }
    EXPECT_EQ(limits_.max_used(), 8u);
}

TEST_F(AdaptiveLimitsTest, OverloadDoesNotBecomeWhatIsUsual) {
    interval(10ms, 0ms);
    for (int i = 0; i < 300; ++i) interval(40ms, 50ms);
    EXPECT_EQ(limits_.max_used(), 2u);
    // After ten minutes without a calm moment it is: the database may be slower for good.
    for (int i = 0; i < 1'000; ++i) interval(40ms, 50ms);
    EXPECT_EQ(limits_.max_used(), 8u);
}

TEST_F(AdaptiveLimitsTest, NothingReturnedIsNoReasonToGrow) {
    interval(10ms, 0ms);
    env_.advance(1h);
    for (int i = 0; i < 5; ++i) limits_.learn({.holder = "find", .queued = 20ms, .used = 10ms});
    EXPECT_EQ(limits_.max_used(), 2u);
}

TEST_F(AdaptiveLimitsTest, NeverMoreThanTheShare) {
    EXPECT_EQ(AdaptiveLimits({.lower = 2, .upper = 8}).max_connections(), 2u) << "not yet known";
    interval(10ms, 0ms);
    limits_.set_share(3);
    for (int i = 0; i < 6; ++i) interval(10ms, 20ms);
    EXPECT_EQ(limits_.max_used(), 3u);
    EXPECT_EQ(limits_.max_connections(), 3u);
    limits_.set_share(0);
    EXPECT_EQ(limits_.max_connections(), 1u) << "with none nothing would ever be done";
    EXPECT_EQ(limits_.max_used(), 1u);
    limits_.set_share(100);
    EXPECT_EQ(limits_.max_connections(), 8u);
}

TEST_F(AdaptiveLimitsTest, BoundsChangeWhileItRuns) {
    interval(10ms, 0ms);
    for (int i = 0; i < 6; ++i) interval(10ms, 20ms);
    ASSERT_EQ(limits_.max_used(), 8u);
    limits_.set_bounds({.lower = 1, .upper = 3});
    EXPECT_EQ(limits_.max_used(), 3u) << "at once";
    EXPECT_EQ(limits_.max_connections(), 3u);
    for (int i = 0; i < 30; ++i) interval(40ms, 50ms);
    EXPECT_EQ(limits_.max_used(), 1u) << "the new lower bound";
    limits_.set_bounds({.lower = 4, .upper = 20});
    EXPECT_EQ(limits_.max_used(), 4u) << "at least so many, at once";
    EXPECT_EQ(limits_.max_connections(), 8u) << "the share holds all the same";
    limits_.set_share(3);
    limits_.set_bounds({.lower = 5, .upper = 20});
    EXPECT_EQ(limits_.max_used(), 3u);
    limits_.set_share(20);
    for (int i = 0; i < 30; ++i) interval(10ms, 20ms);
    EXPECT_EQ(limits_.max_used(), 20u) << "and it grows to the new upper bound by itself";
}

TEST_F(AdaptiveLimitsTest, RemembersAFewHoldersOnly) {
    for (int i = 0; i < 1'000; ++i)
        limits_.learn({.holder = fmt::format("h{}", i), .queued = 0ms, .used = 10ms});
    interval(10s, 50ms, "one more");
    interval(10s, 50ms, "one more");
    EXPECT_GT(limits_.max_used(), 2u) << "not known, not judged";
}

/// A database of so many cores: each loan takes its time times the loans per core.
class CoresTest : protected SimulatedTime, public testing::TestWithParam<int> {
  protected:
    CoresTest() : SimulatedTime(1) { limits_.set_share(40); }

    Task<void> caller() {
        for (;;) {
            auto connection =
                co_await pool_.acquire(Priority::Payment, "find", Deadline::after(1h));
            if (!connection) co_return Result<void>{};
            const auto busy = static_cast<double>(pool_.stats().used);
            const double slower = std::max(1.0, busy / GetParam());
            if (auto slept = co_await net::sleep_for(std::chrono::duration_cast<Duration>(
                    std::chrono::duration<double>(0.02) * slower));
                !slept)
                co_return Result<void>{};
        }
    }

    net::SimLoop sim_{env_, 1};
    Registry metrics_;
    FakeServer server_;
    AdaptiveLimits limits_{{.lower = 2, .upper = 40}};
    Pool pool_{sim_.loop(), metrics_, {}, limits_, [this](Deadline deadline) {
                   return fake_connect(server_, deadline);
               }};
    net::Gate gate_{sim_.loop(), "test"};
};

TEST_P(CoresTest, SettlesNearTwoForEachCore) {
    ASSERT_TRUE(gate_.spawn(caller()));
    sim_.run_for(2s); // calm: what is usual
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(gate_.spawn(caller()));
    std::size_t least = 1'000, most = 0;
    sim_.run_for(30s);
    for (int i = 0; i < 60; ++i) {
        sim_.run_for(500ms);
        least = std::min(least, limits_.max_used());
        most = std::max(most, limits_.max_used());
    }
    const auto cores = static_cast<std::size_t>(GetParam());
    EXPECT_GE(least, cores) << "all cores are busy";
    EXPECT_LE(most, 4 * cores);
    gate_.cancel();
    EXPECT_TRUE(sim_.run(gate_.close(Deadline::after(1min)), 2min));
    EXPECT_TRUE(sim_.run(pool_.close(Deadline::after(1min)), 2min));
}
INSTANTIATE_TEST_SUITE_P(Cores, CoresTest, testing::Values(2, 4));

} // namespace
} // namespace holdfast::db
