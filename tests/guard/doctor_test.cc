// The doctor on a real server: silent on a good one; then the server, its roles, the database URL
// or the plan are made wrong, one setting at a time, and the doctor names that rule and no other.

#include "guard/doctor_gather.h"
#include "guard/doctor_rules.h"
#include "guard/migrations.h"
#include "net/block_on.h"
#include "tests/guard/fake_pooler.h"
#include "tests/support/pg_fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>

namespace holdfast::guard {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* database = "shop";

/// A wall clock that is ahead of the server's.
class FastClock final : public Env {
  public:
    MonoTime now() override { return real_.now(); }
    WallTime wall() override { return real_.wall() + 2s; }
    void fill_random(std::span<std::byte> out) override { real_.fill_random(out); }
    int pid() override { return real_.pid(); }
    std::string hostname() override { return real_.hostname(); }
    bool simulated() const override { return false; }
    void note_wakeup(MonoTime) override {}

  private:
    RealEnv real_;
};

class DoctorTest : public testing::Test {
  protected:
    static Deadline soon() { return Deadline::after(30s); }

    static test::PgCluster::Options good_settings() {
        return {.settings = {{"fsync", "on"}, {"full_page_writes", "on"}}, .tcp = true};
    }

    DoctorTest() { prepare(cluster_); }

    void prepare(test::PgCluster& cluster) {
        cluster.execute(fmt::format("CREATE DATABASE {}", database));
        auto options = db::ConnectOptions::parse(SecretString(cluster.url(database)));
        options->role = "migrate";
        Migrations migrations(loop_, db::connector(loop_, offload_, *options));
        auto applied = net::block_on(loop_, migrations.up(soon()));
        if (!applied) throw std::runtime_error(to_string(applied.error()));
    }

    GatherOptions good_options() {
        GatherOptions options;
        options.plan = {.instances = 1,
                        .pool_max = 8,
                        .lanes = 2,
                        .batch_max = 512,
                        .request_timeout = 30s,
                        .acquirer_timeout = 10s};
        options.servers = {parsed(cluster_.url(database, "holdfast_app"))};
        options.monitor = MonitorLogin{.user = "holdfast_watch"};
        options.database_cores = 4;
        options.root = root_;
        options.watching = 20ms;
        options.samples = 2;
        return options;
    }
    static db::ConnectOptions parsed(const std::string& url) {
        auto options = db::ConnectOptions::parse(SecretString(url));
        if (!options) throw std::runtime_error(to_string(options.error()));
        options->role = "doctor";
        return *options;
    }

    Facts look(GatherOptions options) {
        auto facts = net::block_on(loop_, gather(loop_, offload_, std::move(options), soon()));
        if (!facts) throw std::runtime_error(to_string(facts.error()));
        return *facts;
    }
    std::vector<std::string_view> broken(GatherOptions options) {
        std::vector<std::string_view> ids;
        for (const Finding& finding : examine(look(std::move(options))))
            ids.push_back(finding.rule->id);
        return ids;
    }
    std::vector<std::string_view> broken() { return broken(good_options()); }

    /// Runs `harm`, looks, and runs `cure`.
    void expect_named(std::string_view rule, const std::string& harm, const std::string& cure) {
        change(harm);
        EXPECT_THAT(broken(), ElementsAre(rule)) << harm;
        change(cure);
    }
    /// Returns when sessions begin with the change: one of a setting that judges nothing, made
    /// after it, can be seen.
    void change(const std::string& sql) {
        cluster_.execute(sql);
        const std::string expected = fmt::format("{}ms", 100 + ++changes_);
        cluster_.execute(fmt::format("ALTER SYSTEM SET deadlock_timeout = '{}'", expected));
        cluster_.execute("SELECT pg_reload_conf()");
        while (cluster_.execute("SHOW deadlock_timeout") != expected) {
        }
    }

    /// Sessions that have begun a transaction, as a process of that name has them.
    std::vector<std::unique_ptr<db::Connection>> busy_sessions(const std::string& name, int count) {
        std::vector<std::unique_ptr<db::Connection>> sessions;
        for (int i = 0; i < count; ++i) {
            auto options = parsed(cluster_.url(database, "holdfast_app"));
            options.role = name;
            auto connection = net::block_on(loop_, db::connect(loop_, offload_, options, soon()));
            if (!connection) throw std::runtime_error(to_string(connection.error()));
            db::Pipeline begin;
            begin.begin();
            auto begun = net::block_on(loop_, (*connection)->run(begin, soon()));
            if (!begun) throw std::runtime_error(to_string(begun.error()));
            sessions.push_back(std::move(*connection));
        }
        return sessions;
    }

    int changes_ = 0;
    std::string root_ = "/nonexistent"; ///< nothing of the machine that runs the test
    net::Loop loop_{1};
    Offload offload_{{.name = "test"}};
    test::PgCluster cluster_{good_settings()};
};

TEST_F(DoctorTest, IsSilentOnAGoodServer) {
    const Facts facts = look(good_options());
    EXPECT_THAT(examine(facts), IsEmpty()) << examine(facts).front().measured;
    ASSERT_EQ(facts.servers.size(), 1U);
    const Server& server = facts.servers[0];
    EXPECT_EQ(facts.primary(), &server);
    EXPECT_EQ(facts.plan.login_role, "holdfast_app");
    EXPECT_EQ(server.version / 10'000, 15);
    EXPECT_EQ(server.timeline, 1U);
    EXPECT_EQ(server.number("max_connections"), 60);
    EXPECT_EQ(server.number("statement_timeout"), facts.plan.statement_timeout.count());
    ASSERT_TRUE(server.data) << "it is on this machine, and holdfast_watch may know where";
    EXPECT_TRUE(server.data->path.starts_with(cluster_.socket_directory()));
    EXPECT_EQ(server.roles.at("holdfast_app").settings.at("default_transaction_isolation"),
              "read committed");
}

TEST_F(DoctorTest, NamesEachSettingThatIsWrong) {
    constexpr std::tuple<const char*, const char*, const char*> settings[] = {
        {"fsync_off", "fsync", "off"},
        {"full_page_writes_off", "full_page_writes", "off"},
        {"synchronous_commit_off", "synchronous_commit", "off"},
        {"no_writable_primary", "default_transaction_read_only", "on"},
        {"settings_pending_restart", "max_connections", "70"},
        {"memory_overcommitted", "work_mem", "'1TB'"},
        {"lone_sync_standby", "synchronous_standby_names", "'nobody'"},
    };
    for (const auto& [rule, setting, value] : settings)
        expect_named(rule, fmt::format("ALTER SYSTEM SET {} = {}", setting, value),
                     fmt::format("ALTER SYSTEM RESET {}", setting));
    EXPECT_THAT(broken(), IsEmpty()) << "and it is silent again";
}

TEST_F(DoctorTest, NamesEachSettingOfARoleThatIsWrong) {
    constexpr std::tuple<const char*, const char*, const char*, const char*> settings[] = {
        {"statement_timeout_unbounded", "holdfast_app", "SET statement_timeout = 0",
         "SET statement_timeout = '10s'"},
        {"migrator_lock_timeout", "holdfast_migrator", "SET lock_timeout = '1min'",
         "SET lock_timeout = '100ms'"},
        {"idle_in_transaction_unbounded", "holdfast_read",
         "RESET idle_in_transaction_session_timeout",
         "SET idle_in_transaction_session_timeout = '60s'"},
        {"plans_not_pinned", "holdfast_app", "IN DATABASE shop SET enable_seqscan = on",
         "IN DATABASE shop RESET enable_seqscan"},
        {"isolation_changed", "holdfast_app", "SET default_transaction_isolation = serializable",
         "SET default_transaction_isolation = 'read committed'"},
        {"connections_exceed_server", "holdfast_app", "CONNECTION LIMIT 20", "CONNECTION LIMIT -1"},
    };
    for (const auto& [rule, role, harm, cure] : settings)
        expect_named(rule, fmt::format("ALTER ROLE {} {}", role, harm),
                     fmt::format("ALTER ROLE {} {}", role, cure));
    expect_named("connections_exceed_server", "ALTER DATABASE shop CONNECTION LIMIT 20",
                 "ALTER DATABASE shop CONNECTION LIMIT -1");
    EXPECT_THAT(broken(), IsEmpty()) << "and it is silent again";
}

TEST_F(DoctorTest, NamesWhatIsWrongInTheDatabaseUrl) {
    GatherOptions options = good_options();
    options.servers = {
        parsed(cluster_.url(database, "holdfast_app") + " options='-c statement_timeout=0'")};
    EXPECT_THAT(broken(options), ElementsAre("statement_timeout_unbounded"));

    cluster_.execute("ALTER ROLE holdfast_app PASSWORD 'p'");
    const std::string tcp = cluster_.tcp_url(database, "holdfast_app") + " password=p";
    options = good_options(); // without a password for `monitor`
    options.servers = {parsed(tcp + " keepalives=0")};
    EXPECT_THAT(broken(options), ElementsAre("facts_hidden", "dead_peer_unnoticed"));
    options.servers = {parsed(tcp)};
    EXPECT_THAT(broken(options), ElementsAre("facts_hidden"));
    cluster_.execute("GRANT pg_monitor TO holdfast_app");
    EXPECT_THAT(broken(options), IsEmpty());

    options = good_options();
    options.servers.push_back(parsed("host=/nonexistent dbname=shop"));
    EXPECT_THAT(broken(options), ElementsAre("server_unreachable"));
}

TEST_F(DoctorTest, NamesWhatIsWrongInThePlan) {
    GatherOptions options = good_options();
    options.plan.request_timeout = 10s;
    EXPECT_THAT(broken(options), ElementsAre("timeout_ladder"));
    options = good_options();
    options.plan.surge = 3;
    EXPECT_THAT(broken(options), ElementsAre("no_room_for_rollout"));
    options = good_options();
    options.plan.batch_max = 2'000;
    EXPECT_THAT(broken(options), ElementsAre("lock_table_too_small"));
    options = good_options();
    options.database_cores = 1;
    EXPECT_THAT(broken(options), ElementsAre("pool_exceeds_cores"));
    options = good_options();
    options.pool.lifetime_jitter_percent = 0;
    EXPECT_THAT(broken(options), ElementsAre("lifetimes_in_step"));
    options = good_options();
    options.pool.max_idle = options.pool.max_lifetime;
    EXPECT_THAT(broken(options), ElementsAre("idle_outlives_connection"));
    options = good_options();
    options.data_directory = "/dev/shm";
    EXPECT_THAT(broken(options), ElementsAre("data_in_memory"));

    // The remedy of the flash sale: more of everything than the server has.
    options = good_options();
    options.plan.instances = 12;
    options.plan.pool_max = 200;
    EXPECT_THAT(broken(options), Contains("connections_exceed_server"));
    EXPECT_TRUE(any_failure(examine(look(options))));
}

TEST_F(DoctorTest, LooksAtTheDirectoryOfTheCommandLog) {
    GatherOptions options = good_options();
    options.command_logs = {.directory = cluster_.socket_directory() + "/log", .count = 1};
    const Facts facts = look(options);
    EXPECT_THAT(examine(facts), IsEmpty());
    ASSERT_TRUE(facts.command_logs && facts.servers[0].data);
    EXPECT_EQ(facts.command_logs->directory.device, facts.servers[0].data->device);

    // One disk, with room for the log, and then for the server's log beside it no more.
    const std::int64_t free_bytes = facts.command_logs->directory.free_bytes;
    options.command_logs->bytes_max = free_bytes / 2;
    change("ALTER SYSTEM SET max_wal_size = '1000TB'");
    EXPECT_THAT(broken(options), ElementsAre("command_log_beside_database"));
    change("ALTER SYSTEM RESET max_wal_size");
    options.command_logs->bytes_max = free_bytes * 2;
    EXPECT_THAT(broken(options), ElementsAre("command_log_without_room"));
    options = good_options();
    options.command_logs = {.directory = "/dev/shm/log"};
    EXPECT_THAT(broken(options), ElementsAre("command_log_in_memory"));
}

TEST_F(DoctorTest, CountsMerchantsWithoutFloorLimits) {
    EXPECT_EQ(look(good_options()).servers[0].without_floor_limits, 0);
    const auto add = [&](std::string_view id, bool live) {
        cluster_.execute(
            fmt::format("INSERT INTO accounts VALUES ('{0}', '{0}', {1}, 'A', now(), 0, 0)", id,
                        live),
            database);
    };
    add("00000000-0000-7000-8000-000000000001", false);
    EXPECT_THAT(broken(), IsEmpty()) << "in test mode nothing is at risk";
    add("00000000-0000-7000-8000-000000000002", true);
    EXPECT_THAT(broken(), IsEmpty()) << "nor without a key";
    cluster_.execute(
        "INSERT INTO api_keys SELECT sha256(convert_to(id::text, 'UTF8')), id, false,"
        " 'sk', now() FROM accounts",
        database);
    EXPECT_THAT(broken(), ElementsAre("floor_limits_unset"));
    cluster_.execute("INSERT INTO floor_limits SELECT id, 'usd', 1, 1, 1 FROM accounts", database);
    EXPECT_THAT(broken(), IsEmpty());
    cluster_.execute("DELETE FROM floor_limits; DELETE FROM api_keys; DELETE FROM accounts",
                     database);
}

TEST_F(DoctorTest, JudgesWhatItKnowsWithoutServers) {
    GatherOptions options = good_options();
    options.servers.clear();
    EXPECT_THAT(broken(options), IsEmpty());
    options.plan.acquirer_timeout = options.plan.request_timeout;
    EXPECT_THAT(broken(options), ElementsAre("timeout_ladder"));
    options = good_options();
    options.samples = 0;
    auto sessions = busy_sessions("pay-1", 6);
    const Facts facts = look(options);
    EXPECT_THAT(examine(facts), IsEmpty());
    EXPECT_TRUE(facts.servers[0].sessions.empty());
}

TEST_F(DoctorTest, CountsWhoIsThere) {
    GatherOptions options = good_options();
    options.plan.pool_max = 6;
    auto sessions = busy_sessions("pay-1", 6); // 2 are lanes, 4 of the pool
    EXPECT_THAT(broken(options), IsEmpty());
    options.plan.pool_max = 5;
    EXPECT_THAT(broken(options), ElementsAre("pool_saturated"));
    options.plan.pool_max = 2;
    options.plan.lanes = 6;
    auto more = busy_sessions("pay-1", 7);
    EXPECT_THAT(broken(options), ElementsAre("pool_saturated", "sessions_beyond_pool"));

    auto another = busy_sessions("pay-2", 1);
    options = good_options();
    options.plan.instances = 0;
    EXPECT_EQ(look(options).plan.instances, 2);
    sessions.clear();
    more.clear();

    auto cron = busy_sessions("pay-3", 1);
    db::Pipeline rename;
    rename.add_sql("SELECT set_config('application_name', 'cron', false)");
    ASSERT_TRUE(net::block_on(loop_, cron[0]->run(rename, soon())));
    EXPECT_THAT(broken(), Contains("payment_role_shared"));
}

TEST_F(DoctorTest, NamesTwoPrimaries) {
    // Both are copies of one template: the same cluster as far as one can see, on one timeline.
    test::PgCluster other(good_settings());
    prepare(other);
    GatherOptions options = good_options();
    options.servers.push_back(parsed(other.url(database, "holdfast_app")));
    EXPECT_THAT(broken(options), ElementsAre("stale_primary"));
}

TEST_F(DoctorTest, NamesReplicationThatCanLosePayments) {
    // As far as the server can see it is a standby, and it confirms what it has on disk.
    const std::string directory = cluster_.socket_directory() + "/received";
    std::filesystem::create_directory(directory);
    auto receiver = spawn({.argv = {"/usr/lib/postgresql/15/bin/pg_receivewal", "--synchronous",
                                    "--no-loop", "-D", directory, "-d", cluster_.url()},
                           .log_path = directory + ".log"});
    ASSERT_TRUE(receiver) << receiver.error().message;
    while (cluster_.execute("SELECT state FROM pg_stat_replication") != "streaming") {
    }
    EXPECT_THAT(broken(), ElementsAre("replication_asynchronous"));
    expect_named("lone_sync_standby",
                 "ALTER SYSTEM SET synchronous_standby_names = 'pg_receivewal'",
                 "ALTER SYSTEM RESET synchronous_standby_names");
    signal_family(*receiver, "", SIGKILL);
    ::waitpid(receiver->pid, nullptr, 0);
    while (!cluster_.execute("SELECT state FROM pg_stat_replication").empty()) {
    }
    EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(DoctorTest, NamesAPooler) {
    const std::string socket =
        fmt::format("{}/.s.PGSQL.{}", cluster_.socket_directory(), cluster_.port());
    test::FakePooler pooler(socket);
    GatherOptions options = good_options();
    options.servers[0].set("host", pooler.directory());
    options.monitor.reset(); // it serves one session at a time
    EXPECT_THAT(broken(options), ElementsAre("pooler_in_between"));
    pooler.refuse_options();
    EXPECT_THAT(broken(options), ElementsAre("pooler_in_between"));
}

TEST_F(DoctorTest, ComparesClocks) {
    FastClock fast;
    fast.install();
    EXPECT_THAT(broken(), ElementsAre("clock_skew"));
    static RealEnv real;
    real.install();
    EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(DoctorTest, FindsPatroniOnThisMachine) {
    namespace fs = std::filesystem;
    const fs::path root =
        fs::path(testing::TempDir()) / fmt::format("doctor-{}", Env::current().pid());
    fs::create_directories(root / "etc/patroni");
    fs::create_directories(root / "usr/bin");
    std::ofstream(root / "etc/patroni/config.yml")
        << "scope: shop\netcd3:\n  host: 10.0.0.1:2379\n";
    std::ofstream(root / "usr/bin/patroni") << "#!/bin/sh\necho patroni 3.0.2\n";
    fs::permissions(root / "usr/bin/patroni", fs::perms::owner_all);
    root_ = root;
    EXPECT_THAT(broken(), ElementsAre("patroni_etcd3_split_brain"));
    std::ofstream(root / "usr/bin/patroni") << "#!/bin/sh\necho patroni 3.0.3\n";
    EXPECT_THAT(broken(), IsEmpty());
    fs::remove_all(root);
}

TEST_F(DoctorTest, NamesMissingChecksums) {
    cluster_.stop();
    auto done = run({.argv = {"/usr/lib/postgresql/15/bin/pg_checksums", "--disable", "--no-sync",
                              "-D", cluster_.socket_directory() + "/data"},
                     .user = *unprivileged_user({"postgres", "nobody"})},
                    30s);
    ASSERT_TRUE(done) << done.error().message;
    cluster_.start();
    EXPECT_THAT(broken(), ElementsAre("checksums_off"));
}

} // namespace
} // namespace holdfast::guard
