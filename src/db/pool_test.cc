// The pool and its queue under simulated time, against a server that is a few counters.

#include "db/pool.h"

#include "net/gate.h"
#include "net/sim_loop.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

TEST(WaitQueue, ServesTheMostUrgentFirstThenTheOldest) {
    WaitQueue queue;
    WaitQueue::Entry job(Priority::Job), report(Priority::Report), first(Priority::Payment),
        second(Priority::Payment);
    for (auto* entry : {&job, &first, &report, &second}) {
        EXPECT_TRUE(queue.admit(*entry, 10).admitted);
    }
    EXPECT_EQ(queue.pop(), &first);
    EXPECT_EQ(queue.pop(), &second);
    EXPECT_EQ(queue.pop(), &report);
    queue.remove(job);
    queue.remove(job);
    EXPECT_EQ(queue.pop(), nullptr);
}

TEST(WaitQueue, WhenFullOnlyTheLessUrgentMakeRoom) {
    WaitQueue queue;
    WaitQueue::Entry old_job(Priority::Job), new_job(Priority::Job), third_job(Priority::Job),
        payment(Priority::Payment), next(Priority::Payment), last(Priority::Payment);
    EXPECT_TRUE(queue.admit(old_job, 2).admitted);
    EXPECT_TRUE(queue.admit(new_job, 2).admitted);
    EXPECT_FALSE(queue.admit(third_job, 2).admitted);
    EXPECT_EQ(queue.admit(payment, 2).displaced, &new_job) << "the newest of the least urgent";
    EXPECT_EQ(queue.admit(next, 2).displaced, &old_job);
    EXPECT_FALSE(queue.admit(last, 2).admitted);
    EXPECT_EQ(queue.size(), 2u);
    while (queue.pop()) {
    }
    EXPECT_FALSE(queue.admit(last, 0).admitted) << "no queue at all";
}

/// What the fake connections and the tests share.
struct FakeServer {
    int sessions = 0, most_sessions = 0, opened = 0, attempts = 0;
    Duration connect_takes = 1ms;
    Duration dispose_takes = 1ms;
    std::optional<Error> refuses;
};

class FakeConnection final : public Connection {
  public:
    explicit FakeConnection(FakeServer& server) : server_(server), number_(++server.opened) {
        server_.most_sessions = std::max(server_.most_sessions, ++server_.sessions);
    }
    ~FakeConnection() override { end(); }

    Task<std::vector<QueryResult>> run(const Pipeline&, Deadline) override {
        CO_TRY_VOID(co_await net::sleep_for(10ms));
        co_return std::vector<QueryResult>{};
    }
    Task<void> run_script(std::string, Timeouts, Deadline) override { co_return Result<void>{}; }
    void sever() override { broken_ = true; }
    bool broken() const override { return broken_; }
    bool in_transaction() const override { return in_transaction_; }
    int backend_pid() const override { return number_; }
    int server_version() const override { return 150'000; }
    Task<void> dispose(Deadline) override {
        CO_TRY_VOID(co_await net::sleep_for(server_.dispose_takes));
        end();
        co_return Result<void>{};
    }

    bool broken_ = false;
    bool in_transaction_ = false;

  private:
    void end() {
        if (!ended_) --server_.sessions;
        ended_ = true;
    }
    FakeServer& server_;
    int number_;
    bool ended_ = false;
};

Task<std::unique_ptr<Connection>> fake_connect(FakeServer& server, Deadline deadline) {
    ++server.attempts;
    CO_TRY_VOID(co_await net::sleep_until(
        std::min(deadline.when(), MonotonicClock::now() + server.connect_takes)));
    if (deadline.passed()) co_return fail(ErrorClass::Deadline, "deadline_passed", "Too slow.");
    if (server.refuses) co_return fail(*server.refuses);
    co_return std::make_unique<FakeConnection>(server);
}

/// A base class, so that time is simulated before the first Loop is made.
struct SimulatedTime {
    explicit SimulatedTime(std::uint64_t seed) : env_(seed) { env_.install(); }
    SimEnv env_;
};

class PoolTest : protected SimulatedTime, public testing::Test {
  protected:
    explicit PoolTest(std::uint64_t seed = 1) : SimulatedTime(seed), seed_(seed) {}
    ~PoolTest() override {
        EXPECT_TRUE(sim_.run(pool_.close(in(10s)), 20s));
        EXPECT_EQ(server_.sessions, 0) << "all sessions ended";
        EXPECT_EQ(pool_.stats(), PoolStats{});
    }

    static Deadline in(Duration duration) { return Deadline::after(duration); }
    Result<Pooled> acquire(Priority priority = Priority::Payment, Duration time = 1s) {
        return sim_.run(pool_.acquire(priority, in(time)), time + 1s);
    }
    static FakeConnection& fake(Pooled& pooled) { return static_cast<FakeConnection&>(*pooled); }

    /// Uses a connection for a while and notes who was served, in order.
    Task<void> use(std::string name, Priority priority, Duration time, Duration patience) {
        auto connection = co_await pool_.acquire(priority, in(patience));
        served_ += connection ? name + " " : name + ":" + connection.error().code + " ";
        if (connection) CO_TRY_VOID(co_await net::sleep_for(time));
        co_return Result<void>{};
    }
    void start(std::string name, Priority priority, Duration time = 10ms, Duration patience = 1s) {
        ASSERT_TRUE(gate_.spawn(use(std::move(name), priority, time, patience)));
        sim_.run_for(1us); // in this order, whatever the seed
    }

    std::uint64_t seed_;
    net::SimLoop sim_{env_, seed_};
    Registry metrics_;
    FakeServer server_;
    FixedLimits limits_ = [] {
        FixedLimits limits;
        limits.connections = 2;
        limits.waiting = 4;
        return limits;
    }();
    net::Gate gate_{sim_.loop(), "test"};
    Pool pool_{sim_.loop(), metrics_, {}, limits_, [this](Deadline deadline) {
                   return fake_connect(server_, deadline);
               }};
    std::string served_;
};

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
    auto stopped =
        sim_.run(net::with_deadline(pool_.acquire(Priority::Payment, in(1h)), in(10ms)), 1s);
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
        auto connection = co_await pool_.acquire(priority, Deadline::at(end));
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
