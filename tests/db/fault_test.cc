// What goes wrong with a connection: servers that die, hang or are slow, answers that are lost, and
// what may be concluded from it. Every test ends with "and it recovers by itself".

#include "db/pool.h"
#include "net/gate.h"
#include "net/timer.h"
#include "tests/db/db_harness.h"

#include <fmt/format.h>
#include <csignal>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

/// A cluster for each test: these kill it. A base class, so that it outlives the database.
struct OwnCluster {
    test::PgCluster cluster;
};

class Fault : protected OwnCluster, public DatabaseTest {
  protected:
    Fault() : DatabaseTest(OwnCluster::cluster) {
        database_.value("CREATE TABLE t (a int PRIMARY KEY)");
    }

    Pipeline insert(int a) const {
        Pipeline pipeline;
        pipeline.begin();
        pipeline.add_sql("INSERT INTO t VALUES ($1)", a);
        pipeline.commit();
        return pipeline;
    }
    static Pipeline only(std::string sql, Effect effect = Effect::Write) {
        Pipeline pipeline(effect);
        pipeline.add_sql(std::move(sql));
        return pipeline;
    }
    std::string rows() const { return database_.value("SELECT count(*) FROM t"); }

    /// Runs `pipeline` and, once the server is at work on it, `meanwhile`.
    Result<std::vector<QueryResult>> run_while(Connection& connection, const Pipeline& pipeline,
                                               std::function<void()> meanwhile,
                                               std::string_view wait_event = "PgSleep") {
        net::Gate gate(loop_, "test");
        EXPECT_TRUE(gate.spawn(act_when_waiting(connection.backend_pid(), wait_event, meanwhile)));
        auto result = run(connection, pipeline);
        EXPECT_TRUE(wait(gate.close(in(ample))));
        return result;
    }
    /// After a crash of one backend the server restarts all: waits until it was ready `times`.
    void await_ready(int times) {
        constexpr std::string_view ready = "database system is ready to accept connections";
        for (int tries = 0; tries < 500; ++tries) {
            const std::string log = cluster.log();
            int count = 0;
            for (auto at = log.find(ready); at != log.npos; at = log.find(ready, at + 1)) ++count;
            if (count >= times) return;
            EXPECT_TRUE(wait(net::sleep_for(10ms)));
        }
        FAIL() << "the server did not restart";
    }
    bool server_has(int pid) const {
        return database_.value(
                   fmt::format("SELECT count(*) FROM pg_stat_activity WHERE pid = {}", pid)) == "1";
    }

  private:
    Task<void> act_when_waiting(int pid, std::string_view event, std::function<void()> act) {
        const auto query = fmt::format(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND "
            "wait_event = '{}'",
            pid, event);
        while (database_.value(query) == "0") CO_TRY_VOID(co_await net::sleep_for(10ms));
        act();
        co_return Result<void>{};
    }
};

TEST_F(Fault, ABackendThatIsTerminatedAtWorkHasNotCommitted) {
    auto connection = connected();
    const auto terminate = [&] {
        database_.value(fmt::format("SELECT pg_terminate_backend({})", connection->backend_pid()));
    };
    auto refused = run_while(*connection, only("SELECT pg_sleep(30)"), terminate);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorClass::Unavailable);
    EXPECT_EQ(refused.error().code, "admin_shutdown");
    EXPECT_TRUE(connection->broken());
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
}

TEST_F(Fault, ABackendThatVanishesLeavesDoubtUnlessNothingCouldCommit) {
    for (const bool reads : {true, false}) {
        auto connection = connected();
        const auto vanish = [&] { ::kill(connection->backend_pid(), SIGKILL); };
        auto lost = run_while(
            *connection, only("SELECT pg_sleep(30)", reads ? Effect::Read : Effect::Write), vanish);
        ASSERT_FALSE(lost);
        EXPECT_EQ(lost.error().kind, reads ? ErrorClass::Unavailable : ErrorClass::Unknown);
        EXPECT_EQ(lost.error().code, reads ? "connection_lost" : "commit_unknown");
        EXPECT_TRUE(connection->broken());
        await_ready(reads ? 2 : 3);
    }
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
}

TEST_F(Fault, ASessionThatEndedWhileIdleIsNoticedBeforeAnythingIsSent) {
    auto told = connected();
    database_.value(fmt::format("SELECT pg_terminate_backend({}, 5000)", told->backend_pid()));
    auto not_told = connected();
    cluster.kill();
    cluster.start();
    for (Connection* connection : {told.get(), not_told.get()}) {
        auto lost = run(*connection, insert(1));
        ASSERT_FALSE(lost);
        EXPECT_EQ(lost.error().kind, ErrorClass::Unavailable) << "not Unknown";
        EXPECT_EQ(lost.error().code, "connection_lost");
        EXPECT_TRUE(lost.error().retryable);
    }
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
    EXPECT_EQ(rows(), "1");
}

TEST_F(Fault, DeadlineThenDisposeFreesTheServer) {
    auto without_checks = options(); // else the server finds out by itself, a second later
    without_checks.set("options", "-c client_connection_check_interval=0");
    auto connection = connected(without_checks);
    const int pid = connection->backend_pid();
    Pipeline pipeline;
    pipeline.begin();
    pipeline.limit({.statement = 60s, .lock = 60s});
    pipeline.add_sql("INSERT INTO t VALUES (1)");
    ASSERT_TRUE(run(*connection, pipeline));
    pipeline.clear();
    pipeline.add_sql("SELECT pg_sleep(60)");
    auto late = run(*connection, pipeline, 100ms);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorClass::Deadline);
    EXPECT_EQ(late.error().code, "deadline_passed");
    EXPECT_TRUE(connection->broken());
    EXPECT_TRUE(server_has(pid)) << "still at work";

    ASSERT_TRUE(wait(connection->dispose(in(5s)))) << "by the cancel";
    EXPECT_FALSE(server_has(pid));
    EXPECT_TRUE(run(*connected(), insert(1))) << "the row lock is gone, too";
}

TEST_F(Fault, AFrozenServerCostsTheDeadlineAndNoMore) {
    auto connection = connected();
    cluster.suspend(true);
    auto late = run(*connection, only("SELECT 1", Effect::Read), 100ms);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "deadline_passed");
    auto kept = wait(connection->dispose(in(200ms)));
    cluster.suspend(false);
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, "backend_still_running");
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
}

TEST_F(Fault, AConnectionThatWasLostTakesNothingFromTheNextOne) {
    auto gone = connected();
    const auto end = only("SELECT pg_terminate_backend(pg_backend_pid())", Effect::Read);
    ASSERT_FALSE(run(*gone, end));
    ASSERT_TRUE(gone->broken());
    auto next = connected(); // its descriptor has the number that the lost one had
    gone.reset();
    EXPECT_TRUE(run(*next, insert(1), 5s)) << "the loop still watches it";
}

TEST_F(Fault, ACancelThatNobodyHearsDoesNotKeepTheSession) {
    auto connection = connected();
    const int pid = connection->backend_pid();
    auto late = run(*connection, only("SELECT pg_sleep(1)", Effect::Read), 100ms);
    ASSERT_FALSE(late);
    cluster.suspend_postmaster(true); // takes nobody; the session ends by itself
    const MonoTime began = MonotonicClock::now();
    auto ended = wait(connection->dispose(in(ample)));
    const Duration took = MonotonicClock::now() - began;
    cluster.suspend_postmaster(false);
    EXPECT_TRUE(ended) << to_string(ended.error());
    EXPECT_LT(took, ample / 2);
    EXPECT_FALSE(server_has(pid));
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
}

TEST_F(Fault, ACancelledTaskBreaksItsConnection) {
    auto connection = connected();
    const Pipeline pipeline = only("SELECT pg_sleep(30)", Effect::Read);
    auto stopped = wait(net::with_deadline(connection->run(pipeline, in(ample)), in(100ms)));
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, "deadline_passed");
    EXPECT_TRUE(connection->broken());
    EXPECT_TRUE(wait(connection->dispose(in(5s))));
    EXPECT_TRUE(run(*connected(), insert(1))) << "and it recovers by itself";
}

/// COMMIT waits for a standby that is not there.
class LostCommit : public Fault {
  protected:
    LostCommit() { require_standby(true); }
    /// Where a test failed half-way, too: dropping its database would wait for ever.
    void TearDown() override { require_standby(false); }

    void require_standby(bool required) {
        cluster.execute(fmt::format("ALTER SYSTEM SET synchronous_standby_names = '{}'",
                                    required ? "nobody" : ""));
        cluster.execute("SELECT pg_reload_conf()");
        const std::string wanted = required ? "nobody" : "";
        for (int tries = 0; tries < 500; ++tries) {
            if (cluster.execute("SHOW synchronous_standby_names") == wanted) return;
            EXPECT_TRUE(wait(net::sleep_for(10ms)));
        }
        FAIL() << "the setting did not arrive";
    }
};

TEST_F(LostCommit, TheDeadlineLeavesItUnknownAndItIsNeverCancelled) {
    auto connection = connected();
    auto unknown = run(*connection, insert(1), 200ms);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().kind, ErrorClass::Unknown);
    EXPECT_EQ(unknown.error().code, "commit_unknown");
    EXPECT_FALSE(unknown.error().retryable);
    auto kept = wait(connection->dispose(in(300ms)));
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, "backend_still_running") << "no cancel: it would have ended";
    require_standby(false);
    EXPECT_EQ(rows(), "1") << "it had committed";
    EXPECT_TRUE(run(*connected(), insert(2))) << "and it recovers by itself";
}

TEST_F(LostCommit, ADeadServerLeavesItUnknown) {
    auto connection = connected();
    auto unknown = run_while(*connection, insert(1), [&] { cluster.kill(); }, "SyncRep");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, "commit_unknown");
    cluster.start();
    require_standby(false);
    EXPECT_TRUE(run(*connected(), insert(2))) << "and it recovers by itself";
}

TEST_F(LostCommit, AnAdministratorWhoCancelsTheWaitLeavesItUnknown) {
    for (const auto* function : {"pg_cancel_backend", "pg_terminate_backend"}) {
        auto connection = connected();
        const bool cancel = function == std::string_view("pg_cancel_backend");
        const auto act = [&] {
            database_.value(fmt::format("SELECT {}({})", function, connection->backend_pid()));
        };
        auto unknown = run_while(*connection, insert(cancel ? 1 : 2), act, "SyncRep");
        ASSERT_FALSE(unknown);
        EXPECT_EQ(unknown.error().kind, ErrorClass::Unknown);
        EXPECT_EQ(unknown.error().code, cancel ? "commit_not_replicated" : "commit_unknown");
        EXPECT_EQ(connection->broken(), !cancel);
    }
    require_standby(false);
    EXPECT_EQ(rows(), "2");
    EXPECT_TRUE(run(*connected(), insert(3))) << "and it recovers by itself";
}

TEST_F(LostCommit, ImplicitTransactionsAndScriptsToo) {
    auto connection = connected();
    auto unknown = run(*connection, only("INSERT INTO t VALUES (1)"), 200ms);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, "commit_unknown");

    auto other = connected();
    auto script = wait(other->run_script("INSERT INTO t VALUES (2)", {}, in(200ms)));
    ASSERT_FALSE(script);
    EXPECT_EQ(script.error().code, "commit_unknown");
    EXPECT_TRUE(other->broken());
    require_standby(false);
    EXPECT_EQ(rows(), "2");
}

class PoolOnAServer : public Fault {
  protected:
    Pool::Connect connect_as_test() { return connector(loop_, offload_, options()); }

    Registry metrics_;
    FixedLimits limits_;
};

TEST_F(PoolOnAServer, WaitsOutARestart) {
    limits_.connections = 2;
    Pool pool(loop_, metrics_, {}, limits_, connect_as_test());
    {
        auto first = wait(pool.acquire(Priority::Payment, "test", in(ample)));
        ASSERT_TRUE(first) << to_string(first.error());
        EXPECT_TRUE(run(**first, insert(1)));
    }
    cluster.kill();
    auto away = wait(pool.acquire(Priority::Payment, "test", in(300ms)));
    ASSERT_TRUE(away) << "an idle connection, whose end nobody has noticed";
    EXPECT_EQ(run(**away, insert(2)).error().code, "connection_lost");
    away->release();
    away = wait(pool.acquire(Priority::Payment, "test", in(300ms)));
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, "database_unavailable");

    net::Gate gate(loop_, "test");
    const auto restart = [](test::PgCluster& cluster) -> Task<void> {
        CO_TRY_VOID(co_await net::sleep_for(300ms));
        cluster.start();
        co_return Result<void>{};
    };
    ASSERT_TRUE(gate.spawn(restart(cluster)));
    auto held = wait(pool.acquire(Priority::Payment, "test", in(ample)));
    ASSERT_TRUE(held) << to_string(held.error());
    EXPECT_TRUE(run(**held, insert(2))) << "and it recovers by itself";
    held->release();
    EXPECT_TRUE(wait(gate.close(in(ample))));
    EXPECT_TRUE(wait(pool.close(in(ample))));
}

TEST_F(PoolOnAServer, TimeoutsDontPileUpSessions) {
    limits_.connections = 1;
    Pool pool(loop_, metrics_, {}, limits_, connect_as_test());
    for (int round = 0; round < 5; ++round) {
        auto connection = wait(pool.acquire(Priority::Browse, "test", in(ample)));
        ASSERT_TRUE(connection) << to_string(connection.error());
        EXPECT_EQ(database_.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                                  "'holdfast:test'"),
                  "1");
        auto late = run(**connection, only("SELECT pg_sleep(30)", Effect::Read), 50ms);
        EXPECT_EQ(late.error().code, "deadline_passed");
    }
    EXPECT_TRUE(wait(pool.close(in(ample))));
    EXPECT_EQ(pool.stats(), PoolStats{});
}

/// A server that is frozen when the cancel is sent: nobody reads it, and the loop goes on.
TEST_F(PoolOnAServer, TheSlotIsTakenUntilTheBackendIsGoneAndTheCancelBlocksNobody) {
    limits_.connections = 1;
    Pool pool(loop_, metrics_, {.dispose_timeout = 600ms}, limits_, connect_as_test());
    auto connection = wait(pool.acquire(Priority::Payment, "test", in(ample)));
    ASSERT_TRUE(connection) << to_string(connection.error());
    const int pid = (*connection)->backend_pid();
    EXPECT_EQ(run(**connection, only("SELECT pg_sleep(60)"), 100ms).error().kind,
              ErrorClass::Unknown);
    cluster.suspend(true);
    connection->release();

    const MonoTime released = MonotonicClock::now();
    Duration longest{};
    while (pool.stats().disposing == 1) {
        const MonoTime before = MonotonicClock::now();
        ASSERT_TRUE(wait(net::sleep_for(5ms)));
        longest = std::max(longest, MonotonicClock::now() - before);
        EXPECT_FALSE(wait(pool.acquire(Priority::Payment, "test", in(1ms)))) << "the slot is taken";
        if (MonotonicClock::now() - released > 300ms) cluster.suspend(false);
    }
    EXPECT_GE(MonotonicClock::now() - released, 300ms) << "as long as the server was frozen";
    EXPECT_LT(longest, 200ms) << "the loop ran all the time";
    EXPECT_FALSE(server_has(pid)) << "the cancel has ended it";
    auto next = wait(pool.acquire(Priority::Payment, "test", in(ample)));
    ASSERT_TRUE(next) << to_string(next.error());
    EXPECT_TRUE(run(**next, insert(1))) << "and it recovers by itself";
    next->release();
    EXPECT_TRUE(wait(pool.close(in(ample))));
}

/// An idle session with a server that no longer answers costs a check, not a request.
TEST_F(PoolOnAServer, AnIdleConnectionToAFrozenServerIsFoundOutBeforeItIsLent) {
    Pool pool(loop_, metrics_, {.check_idle_after = 50ms, .check_timeout = 200ms}, limits_,
              connect_as_test());
    ASSERT_TRUE(wait(pool.acquire(Priority::Payment, "test", in(ample))));
    ASSERT_TRUE(wait(net::sleep_for(60ms)));
    {
        auto checked = wait(pool.acquire(Priority::Payment, "test", in(ample)));
        ASSERT_TRUE(checked);
        EXPECT_TRUE(run(**checked, insert(1)));
    }
    ASSERT_TRUE(wait(net::sleep_for(60ms)));
    cluster.suspend(true);
    auto away = wait(pool.acquire(Priority::Payment, "test", in(500ms)));
    EXPECT_FALSE(away) << "not handed out";
    cluster.suspend(false);
    auto again = wait(pool.acquire(Priority::Payment, "test", in(ample)));
    ASSERT_TRUE(again) << to_string(again.error());
    EXPECT_TRUE(run(**again, insert(2))) << "and it recovers by itself";
    again->release();
    EXPECT_TRUE(wait(pool.close(in(ample))));
}

TEST_F(PoolOnAServer, ATransactionLeftOpenIsNotPassedOn) {
    limits_.connections = 1;
    Pool pool(loop_, metrics_, {}, limits_, connect_as_test());
    {
        auto connection = wait(pool.acquire(Priority::Payment, "test", in(ample)));
        ASSERT_TRUE(connection);
        Pipeline pipeline;
        pipeline.begin();
        pipeline.add_sql("INSERT INTO t VALUES (1)");
        ASSERT_TRUE(run(**connection, pipeline));
    }
    auto next = wait(pool.acquire(Priority::Payment, "test", in(ample)));
    ASSERT_TRUE(next);
    EXPECT_FALSE((*next)->in_transaction());
    EXPECT_TRUE(run(**next, insert(1))) << "the lock on the key is gone";
    next->release();
    EXPECT_TRUE(wait(pool.close(in(ample))));
}

} // namespace
} // namespace holdfast::db
