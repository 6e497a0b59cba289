// The pool under simulated time, against a server that is a few counters.

#include "db/pool_fixture.h"

namespace holdfast::db {
namespace {

TEST_F(PoolTest, ReusesTheLastUsedAndOpensNoMoreThanNeeded) {
    {
        auto one = acquire();
        auto two = acquire();
        ASSERT_TRUE(one && two);
        EXPECT_EQ(pool_.stats().used, 2u);
        one->release();
    }
    for (int i = 0; i < 5; ++i) {
        auto again = acquire();
        ASSERT_TRUE(again);
        EXPECT_EQ((*again)->backend_pid(), 2) << "given back last";
    }
    EXPECT_EQ(server_.opened, 2);
    EXPECT_EQ(pool_.stats().idle, 2u);
}

TEST_F(PoolTest, TheUrgentGoFirst) {
    limits_.connections = 1;
    auto holder = acquire();
    ASSERT_TRUE(holder);
    start("job", Priority::Job);
    start("browse", Priority::Browse);
    start("pay1", Priority::Payment);
    start("pay2", Priority::Payment);
    start("pay3", Priority::Payment);
    EXPECT_EQ(served_, "job:pool_queue_full ") << "displaced by the fifth";
    holder->release();
    sim_.run_for(100ms);
    EXPECT_EQ(served_, "job:pool_queue_full pay1 pay2 pay3 browse ");
}

TEST_F(PoolTest, WaitingEndsAtTheDeadline) {
    limits_.connections = 1;
    auto holder = acquire();
    auto late = acquire(Priority::Payment, 50ms);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorClass::Deadline);
    EXPECT_EQ(late.error().code, "pool_wait_deadline");
    EXPECT_EQ(pool_.stats().waiting, 0u);
    holder->release();
    EXPECT_TRUE(acquire());
    EXPECT_NE(metrics_.render().find("db_client_connection_timeouts_total{"
                                     "db_client_connection_pool_name=\"db\"} 1"),
              std::string::npos)
        << metrics_.render();
}

TEST_F(PoolTest, AnOutageCostsTimeNotErrors) {
    server_.refuses = Error{.kind = ErrorClass::Unavailable,
                            .code = "database_unreachable",
                            .message = "No such file",
                            .retryable = true};
    auto gave_up = acquire(Priority::Payment, 300ms);
    ASSERT_FALSE(gave_up);
    EXPECT_EQ(gave_up.error().kind, ErrorClass::Unavailable);
    EXPECT_EQ(gave_up.error().code, "database_unavailable");
    EXPECT_NE(gave_up.error().message.find("No such file"), std::string::npos);

    start("held", Priority::Payment, 10ms, 10s);
    sim_.run_for(3s);
    EXPECT_EQ(served_, "");
    EXPECT_LT(server_.attempts, 20) << "with growing pauses";
    server_.refuses.reset();
    sim_.run_for(1100ms);
    EXPECT_EQ(served_, "held ");
}

TEST_F(PoolTest, WhatWaitingCantCureFailsAtOnce) {
    server_.refuses = Error{.kind = ErrorClass::Auth, .code = "invalid_password"};
    const MonoTime before = env_.now();
    auto refused = acquire(Priority::Payment, 10s);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "invalid_password");
    EXPECT_LT(env_.now() - before, 1s);
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(acquire(Priority::Payment, 10s));
    EXPECT_GT(env_.now() - before, 1s) << "and doesn't hammer the server";
    server_.refuses.reset();
    EXPECT_TRUE(acquire(Priority::Payment, 10s)) << "and it recovers by itself";
}

TEST_F(PoolTest, ASlowConnectIsTriedAgain) {
    server_.connect_takes = 1h;
    start("first", Priority::Payment, 10ms, 5s);
    sim_.run_for(2010ms); // past connect_timeout
    server_.connect_takes = 1ms;
    sim_.run_for(1s);
    EXPECT_EQ(served_, "first ");
}

TEST_F(PoolTest, NeverMoreSessionsThanAllowedWhileBrokenOnesLinger) {
    server_.dispose_takes = 500ms;
    for (int i = 0; i < 6; ++i) {
        auto connection = acquire();
        ASSERT_TRUE(connection) << i;
        fake(*connection).broken_ = true;
    }
    EXPECT_EQ(server_.opened, 6);
    EXPECT_EQ(server_.most_sessions, 2);
}

TEST_F(PoolTest, AnOpenTransactionIsNotPassedOn) {
    auto connection = acquire();
    fake(*connection).in_transaction_ = true;
    connection->release();
    EXPECT_EQ(pool_.stats().idle, 0u);
    auto next = acquire();
    ASSERT_TRUE(next);
    EXPECT_EQ((*next)->backend_pid(), 2);
}

TEST_F(PoolTest, LifetimesEndAndAreSpread) {
    {
        auto one = acquire(), two = acquire();
    }
    sim_.run_for(9min);
    {
        auto used = acquire();
    } // the other one goes on idling
    sim_.run_for(90s);
    EXPECT_EQ(pool_.stats().idle, 1u) << "idle for more than ten minutes";
    EXPECT_EQ(server_.sessions, 1);
    for (int minutes = 0; minutes < 30; minutes += 5) {
        sim_.run_for(5min);
        auto used = acquire();
    }
    EXPECT_GT(server_.opened, 2) << "past its lifetime";
}

TEST_F(PoolTest, LimitsMayShrinkAtRunTime) {
    {
        auto one = acquire(), two = acquire();
        limits_.connections = 1;
    }
    sim_.run_for(10ms);
    EXPECT_EQ(pool_.stats().idle, 1u);
    EXPECT_EQ(server_.sessions, 1);
}

TEST_F(PoolTest, AQuarterIsKeptBackForPayments) {
    limits_.connections = 8;
    limits_.waiting = 20;
    for (int i = 0; i < 8; ++i) start("browse", Priority::Browse, 100ms);
    sim_.run_for(20ms);
    EXPECT_EQ(pool_.stats().used, 6u);
    EXPECT_EQ(pool_.stats().waiting, 2u);
    start("pay", Priority::Payment, 1ms);
    start("checkout", Priority::Checkout, 1ms);
    sim_.run_for(20ms);
    EXPECT_NE(served_.find("pay checkout "), std::string::npos) << served_;
    EXPECT_EQ(pool_.stats().used, 6u) << "what they gave back is kept back again";
    sim_.run_for(200ms);
    EXPECT_EQ(pool_.stats().waiting, 0u);
}

TEST_F(PoolTest, WhatHasBeenIdleAnswersBeforeItIsLent) {
    {
        auto one = acquire(), two = acquire();
    }
    sim_.run_for(1s);
    {
        auto fresh = acquire();
        EXPECT_EQ(fake(*fresh).asked_, 0) << "used a moment ago";
    }
    sim_.run_for(3s);
    auto checked = acquire();
    EXPECT_EQ(fake(*checked).asked_, 1);
    checked->release();

    sim_.run_for(3s);
    server_.frozen = true;
    server_.connect_takes = 1h;
    auto none = acquire(Priority::Payment, 700ms);
    ASSERT_FALSE(none);
    EXPECT_EQ(pool_.stats().idle, 0u) << "the others were idle as long";
    server_.frozen = false;
    server_.connect_takes = 1ms;
    auto again = acquire(Priority::Payment, 3s);
    ASSERT_TRUE(again) << "and it recovers by itself";
    EXPECT_EQ((*again)->backend_pid(), 3);
    EXPECT_NE(metrics_.render().find("holdfast_db_pool_stale_total{"
                                     "db_client_connection_pool_name=\"db\"} 1"),
              std::string::npos);
}

TEST_F(PoolTest, ACallerWhoHasNoTimeForTheCheckTakesNobodyElsesConnection) {
    {
        auto one = acquire(), two = acquire();
    }
    sim_.run_for(3s);
    server_.frozen = true; // for this one only, as far as anybody knows
    EXPECT_FALSE(acquire(Priority::Payment, 1ms));
    server_.frozen = false;
    sim_.run_for(10ms);
    EXPECT_EQ(pool_.stats().idle, 1u);
}

TEST_F(PoolTest, NamesWhoHoldsAConnectionForLong) {
    auto brief = acquire();
    brief->release();
    auto held = sim_.run(pool_.acquire(Priority::Report, "monthly_report", in(1s)), 2s);
    ASSERT_TRUE(held);
    const auto counted = [&] {
        return metrics_.render().find(
                   "holdfast_db_connection_held_long_total{"
                   "db_client_connection_pool_name=\"db\",holder=\"monthly_"
                   "report\"} 1") != std::string::npos;
    };
    sim_.run_for(900ms);
    EXPECT_FALSE(counted());
    sim_.run_for(200ms);
    EXPECT_TRUE(counted());
    sim_.run_for(5s);
    EXPECT_TRUE(counted()) << "once";
    const auto holders = pool_.holders();
    ASSERT_EQ(holders.size(), 1u);
    EXPECT_EQ(holders[0].holder, "monthly_report");
    EXPECT_EQ(holders[0].backend_pid, (*held)->backend_pid());
    EXPECT_EQ(holders[0].held, 6100ms);
    held->release();
    EXPECT_TRUE(pool_.holders().empty());
    EXPECT_EQ(metrics_.render().find("holder=\"test\"} 1"), std::string::npos);
}

TEST_F(PoolTest, HoldersBeyondALimitAreOthers) {
    for (int i = 0; i < 2 * static_cast<int>(Holders::names_max); ++i)
        EXPECT_TRUE(sim_.run(pool_.acquire(Priority::Browse, fmt::format("h{}", i), in(1s)), 2s));
    auto last = sim_.run(pool_.acquire(Priority::Browse, "one more", in(1s)), 2s);
    ASSERT_TRUE(last);
    EXPECT_EQ(pool_.holders()[0].holder, "other");
}

TEST_F(PoolTest, WhenTheQueueStandsTheLessUrgentAreDropped) {
    limits_.connections = 4;
    limits_.waiting = 1'000;
    // 10 ms each on 3 or 4 connections: 400 a second at most, and 500 a second want to browse.
    for (int i = 0; i < 1'100; ++i) {
        start("b", Priority::Browse, 10ms, 10s);
        if (i % 10 == 0) start("p", Priority::Payment, 10ms, 10s);
        sim_.run_for(2ms);
    }
    EXPECT_EQ(served_.find("p:"), std::string::npos) << "payments are served, all of them";
    EXPECT_NE(served_.find("b:pool_overloaded"), std::string::npos);
    EXPECT_EQ(served_.find("b:pool_queue_full"), std::string::npos);
    EXPECT_LT(pool_.stats().waiting, 150u) << "what waits has waited for little over 100 ms";
    sim_.run_for(2s);
    served_.clear();
    start("after", Priority::Browse, 10ms);
    sim_.run_for(20ms);
    EXPECT_EQ(served_, "after ") << "and it recovers by itself";
}

TEST_F(PoolTest, WhoWaitedForTheDatabaseIsNotDroppedWhenItReturns) {
    limits_.waiting = 1'000;
    server_.refuses = Error{.kind = ErrorClass::Unavailable, .code = "away", .retryable = true};
    for (int i = 0; i < 300; ++i) start("b", Priority::Browse, 1ms, 30s);
    sim_.run_for(3s);
    server_.refuses.reset();
    sim_.run_for(5s);
    EXPECT_EQ(pool_.stats().waiting, 0u);
    EXPECT_EQ(served_.find(':'), std::string::npos) << served_;
}

TEST_F(PoolTest, ASmallerLimitClosesWhatIsIdleAtOnce) {
    limits_.connections = 4;
    {
        auto one = acquire(), two = acquire(), three = acquire();
    }
    limits_.connections = 1;
    pool_.limits_changed();
    sim_.run_for(10ms);
    EXPECT_EQ(server_.sessions, 1);
    start("first", Priority::Payment, 10ms);
    start("second", Priority::Payment, 10ms);
    sim_.run_for(1ms);
    limits_.connections = 2;
    pool_.limits_changed();
    sim_.run_for(5ms);
    EXPECT_EQ(served_, "first second ") << "a larger one serves who waits";
}

TEST_F(PoolTest, ASmallerLimitTakesNothingFromWhoeverHasAConnection) {
    limits_.connections = 4;
    limits_.waiting = 10;
    for (int i = 0; i < 4; ++i) start("old", Priority::Browse, 10ms * (i + 1));
    sim_.run_for(5ms);
    ASSERT_EQ(pool_.stats().used, 3u) << "a quarter is kept back";
    limits_.connections = 1;
    pool_.limits_changed();
    start("browse", Priority::Browse);
    start("payment", Priority::Payment);
    EXPECT_EQ(pool_.stats().used, 3u);
    sim_.run_for(200ms);
    EXPECT_EQ(served_, "old old old payment old browse ") << "nobody is dropped, payments first";
    EXPECT_EQ(server_.opened, 3) << "none is closed to be opened again";
    EXPECT_EQ(server_.sessions, 1) << "each beyond the limit is closed when it comes back";
}

TEST_F(PoolTest, CloseWaitsForWhatIsOnLoanAndRefusesTheRest) {
    limits_.connections = 1;
    auto holder = acquire();
    start("waiting", Priority::Payment);
    auto slow = sim_.run(pool_.close(in(100ms)), 1s);
    ASSERT_FALSE(slow);
    EXPECT_EQ(slow.error().code, "pool_close_deadline");
    EXPECT_EQ(served_, "waiting:pool_closed ");
    EXPECT_EQ(acquire().error().code, "pool_closed");
    holder->release();
    EXPECT_EQ(server_.sessions, 0);
}

TEST_F(PoolTest, ACancelledWaiterLosesNothing) {
    limits_.connections = 1;
    auto holder = acquire();
    auto stopped = sim_.run(
        net::with_deadline(pool_.acquire(Priority::Payment, "test", in(1h)), in(10ms)), 1s);
    EXPECT_FALSE(stopped);
    EXPECT_EQ(pool_.stats().waiting, 0u);
    holder->release();
    EXPECT_EQ(pool_.stats().idle, 1u);
}

/// Many callers with random patience, a server that fails now and then: nobody is forgotten, no
/// limit is broken, and in the end all is as it was.
class PoolChaos : public PoolTest {
  public:
    explicit PoolChaos(std::uint64_t seed) : PoolTest(seed) {}
    void TestBody() override {}

    void run_all() {
        constexpr int callers = 200;
        for (int i = 0; i < callers; ++i) {
            const auto priority = static_cast<Priority>(env_.random_below(5));
            const Duration patience(1'000 + env_.random_below(300'000));
            const Duration time(env_.random_below(20'000));
            ASSERT_TRUE(gate_.spawn(use(priority, time, patience)));
            if (env_.random_below(20) == 0) flip();
            sim_.run_for(Duration(env_.random_below(5'000)));
        }
        server_.refuses.reset();
        ASSERT_TRUE(sim_.run(gate_.close(in(10s)), 20s));
        EXPECT_EQ(answered_, callers);
        EXPECT_LE(server_.most_sessions, 2);
        EXPECT_TRUE(acquire(Priority::Job, 5s)) << "and it recovers by itself";
    }

  private:
    Task<void> use(Priority priority, Duration time, Duration patience) {
        const MonoTime end = env_.now() + patience;
        auto connection = co_await pool_.acquire(priority, "chaos", Deadline::at(end));
        ++answered_;
        EXPECT_LE(env_.now(), end + 1ms);
        if (!connection) co_return Result<void>{};
        CO_TRY_VOID(co_await net::sleep_for(time));
        fake(*connection).broken_ = env_.random_below(4) == 0;
        co_return Result<void>{};
    }
    void flip() {
        if (server_.refuses)
            server_.refuses.reset();
        else
            server_.refuses =
                Error{.kind = ErrorClass::Unavailable, .code = "x", .retryable = true};
    }
    int answered_ = 0;
};

TEST(PoolChaosTest, AnySeed) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        PoolChaos chaos(seed);
        chaos.run_all();
    }
}

} // namespace
} // namespace holdfast::db
