// What people are shown outlives the primary: a row that only one server has is not shown, and
// being sure of that costs a commit only where something has been written.

#include "store/shown_reads.h"

#include "net/gate.h"
#include "net/timer.h"
#include "store/test_samples.h"
#include "tests/store/store_database.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <optional>

namespace holdfast::store {
namespace {

using namespace std::chrono_literals;

/// A server of its own, since its settings are changed and it is killed, or two.
struct OwnServer {
    explicit OwnServer(bool pair) {
        net::Loop loop{1};
        Offload offload{{.name = "migrate"}};
        guard::Migrations migrations(loop,
                                     db::connector(loop, offload, options_of(database.url())));
        auto applied = net::block_on(loop, migrations.up(Deadline::after(60s)));
        if (!applied) throw std::runtime_error(to_string(applied.error()));
        if (pair) standby.emplace(test::PgCluster::Options{.standby_of = &cluster});
    }
    std::string url() const {
        std::string hosts = cluster.socket_directory();
        if (standby) hosts += "," + standby->socket_directory();
        return fmt::format("postgresql:///{}?user=holdfast_app&host={}", database.name(), hosts);
    }
    test::PgCluster cluster;
    test::PgDatabase database{cluster};
    std::optional<test::PgCluster> standby;
};

class ShownReadsTest : protected OwnServer, public testing::Test {
  protected:
    explicit ShownReadsTest(bool pair = false) : OwnServer(pair) { topology_.start(); }
    void TearDown() override {
        require_standby(false); // dropping a database would wait for it, too
        get(shown_.stop(soon()));
        get(pool_.close(soon()));
        get(standby_.close(soon()));
        get(topology_.stop(soon()));
    }

    static Deadline soon() { return Deadline::after(20s); }
    template <class T> T get(net::Task<T> task) {
        Result<T> result = net::block_on(loop_, std::move(task));
        if (!result) throw std::runtime_error(to_string(result.error()));
        if constexpr (!std::is_void_v<T>) return std::move(*result);
    }

    /// Commits wait for a standby; `name` is that of one that is not there.
    void require_standby(bool required, std::string_view name = "nobody") {
        const std::string wanted(required ? name : "");
        cluster.execute("ALTER SYSTEM SET synchronous_standby_names = '" + wanted + "'");
        cluster.execute("SELECT pg_reload_conf()");
        for (int tries = 0; tries < 500; ++tries) {
            if (cluster.execute("SHOW synchronous_standby_names") == wanted) return;
            get(net::sleep_for(10ms));
        }
        FAIL() << "the setting did not arrive";
    }

    /// A customer whose COMMIT waits for the standby; its client has stopped waiting.
    core::Customer commit_in_vain() {
        auto lane = get(store_.open_lane(soon()));
        require_standby(true);
        core::Customer customer = samples::customer(account_);
        Batch batch = get(lane->begin({}, LockMode::Skip, soon()));
        batch.work.customers.insert(customer);
        auto lost =
            net::block_on(loop_, lane->commit(std::move(batch.work), 1, Deadline::after(300ms)));
        EXPECT_EQ(lost.error().kind, ErrorClass::Unknown);
        EXPECT_FALSE(at_primary(customer)) << "nobody sees it while it waits";
        return customer;
    }
    bool at_primary(const core::Customer& customer) {
        return get(store_.find(account_, customer.id, soon())).has_value();
    }
    /// "shown", "none", or the code of the Error.
    std::string shown(const core::Customer& customer, Duration patience = 10s) {
        auto found =
            net::block_on(loop_, shown_.find(account_, customer.id, Deadline::after(patience)));
        if (!found) return found.error().code;
        return *found ? "shown" : "none";
    }
    void expect_hidden_until_replicated(const core::Customer& customer) {
        for (int tries = 0; tries < 500 && !at_primary(customer); ++tries)
            get(net::sleep_for(10ms));
        ASSERT_TRUE(at_primary(customer)) << "the server shows what only it has";
        EXPECT_EQ(shown(customer, 1s), "read_not_confirmed");
        require_standby(false);
        EXPECT_EQ(shown(customer), "shown") << "and it recovers by itself";
    }
    std::uint64_t barriers() {
        return registry_
            .counter("holdfast_store_read_barriers_total",
                     "Commits made to be sure that what was read is on the standby.")
            .value();
    }

    net::Loop loop_{1};
    Offload offload_{{.name = "test"}};
    Registry registry_;
    db::FixedLimits limits_;
    db::Topology topology_{
        loop_, registry_, db::servers_of(loop_, offload_, options_of(url())), {}};
    db::Pool pool_{loop_, registry_, {}, limits_, topology_.connector()};
    db::Pool standby_{
        loop_, registry_, {.name = "standby"}, limits_, topology_.standby_connector()};
    PgStore store_{pool_, topology_.connector()};
    ShownReads shown_{loop_,
                      registry_,
                      {.topology = topology_, .primary = pool_, .standby = standby_},
                      store_.acknowledged()};
    const Id<core::Account> account_ = samples::next_id<core::Account>();
};

TEST_F(ShownReadsTest, WhatAGivenUpWaitHasMadeVisibleIsNotShown) {
    const auto customer = commit_in_vain();
    database.value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event = 'SyncRep'");
    expect_hidden_until_replicated(customer);
}

TEST_F(ShownReadsTest, WhatCrashRecoveryHasMadeVisibleIsNotShown) {
    const auto customer = commit_in_vain();
    cluster.kill();
    cluster.start();
    for (int tries = 0; tries < 500; ++tries) // the sessions of before have ended
        if (net::block_on(loop_, store_.ping(soon()))) break;
    expect_hidden_until_replicated(customer);
}

TEST_F(ShownReadsTest, ManyShareACommitAndWhereNothingWasWrittenThereIsNone) {
    database.value("ALTER ROLE holdfast_app SET synchronous_commit = local"); // as if it were there
    const auto nobody = samples::customer(account_);
    EXPECT_EQ(shown(nobody), "none");
    EXPECT_EQ(barriers(), 0) << "commits wait for no standby";
    require_standby(true);
    EXPECT_EQ(shown(nobody), "none");
    EXPECT_EQ(barriers(), 1);
    EXPECT_EQ(shown(nobody), "none");
    EXPECT_EQ(barriers(), 1) << "nothing was written since";

    database.value("SET synchronous_commit = local; CREATE TABLE written ()");
    net::Gate gate(loop_, "test");
    int answered = 0;
    const auto ask = [](Reads& reads, core::Customer customer, int& count) -> Task<void> {
        CO_TRY_VOID(co_await reads.find(customer.account, customer.id, soon()));
        ++count;
        co_return Result<void>{};
    };
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(gate.spawn(ask(shown_, nobody, answered)));
    get(gate.close(soon()));
    EXPECT_EQ(answered, 20);
    EXPECT_GE(barriers(), 2);
    EXPECT_LE(barriers(), 8);
}

/// Of who decides, too: there it is held, as a connection is waited for.
TEST_F(ShownReadsTest, ALostReadIsAskedAgain) {
    const auto nobody = samples::customer(account_);
    EXPECT_FALSE(at_primary(nobody));
    database.value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'holdfast_app'");
    EXPECT_FALSE(at_primary(nobody)) << "on a new connection";
}

class PairReadsTest : public ShownReadsTest {
  protected:
    PairReadsTest() : ShownReadsTest(true) {}
    void TearDown() override {
        cluster.suspend(false);
        ShownReadsTest::TearDown();
    }
    void insert(Lane& lane, const core::Customer& customer) {
        Batch batch = get(lane.begin({}, LockMode::Skip, soon()));
        batch.work.customers.insert(customer);
        get(lane.commit(std::move(batch.work), 1, soon()));
    }
    std::uint64_t reads_from(std::string_view source) {
        return registry_
            .counter("holdfast_store_reads_shown_total",
                     "Reads for display that were answered, by who answered.",
                     {{"source", std::string(source)}})
            .value();
    }
};

TEST_F(PairReadsTest, AStandbyThatHasWhatWasAcknowledgedAnswersForASilentPrimary) {
    require_standby(true, "walreceiver");
    auto lane = get(store_.open_lane(soon()));
    const auto first = samples::customer(account_), second = samples::customer(account_);
    insert(*lane, first);
    EXPECT_EQ(shown(first), "shown") << "the barrier is raised";
    EXPECT_EQ(reads_from("primary"), 1);
    standby->execute("SELECT pg_wal_replay_pause()");
    insert(*lane, second); // it has it on disk, and does not show it
    cluster.suspend(true);
    const std::string behind = shown(first);
    EXPECT_NE(behind, "shown") << "it may have been changed since";
    EXPECT_NE(behind, "none");
    standby->execute("SELECT pg_wal_replay_resume()");
    EXPECT_EQ(shown(second), "shown");
    const MonoTime asked = MonotonicClock::now();
    EXPECT_EQ(shown(first), "shown");
    EXPECT_LT(MonotonicClock::now() - asked, 1s);
    EXPECT_EQ(reads_from("standby"), 2);
    const std::string absent = shown(samples::customer(account_));
    EXPECT_NE(absent, "none") << "somebody else may have written it";
    EXPECT_FALSE(net::block_on(loop_, store_.find(account_, first.id, Deadline::after(1s))))
        << "who decides asks the primary";
    cluster.suspend(false);
    for (int tries = 0; tries < 100 && reads_from("primary") == 1; ++tries)
        EXPECT_EQ(shown(second), "shown");
    EXPECT_GT(reads_from("primary"), 1) << "and it recovers by itself";
}

} // namespace
} // namespace holdfast::store
