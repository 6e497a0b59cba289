// Every rule of the doctor with a good example beside a bad one; the bad one breaks that rule
// alone.

#include "guard/doctor_rules.h"

#include "base/files.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace holdfast::guard {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t gib = std::int64_t{1} << 30;

Server good_server(std::string name, bool primary) {
    Server server;
    server.name = std::move(name);
    server.version = 150004;
    server.in_recovery = !primary;
    server.read_only = !primary;
    server.system_identifier = "7";
    server.timeline = 3;
    server.clock_ahead = Duration{0};
    server.settings = {
        {"max_connections", "70"},
        {"superuser_reserved_connections", "3"},
        {"shared_buffers", "16384"}, // 128 MB
        {"work_mem", "4096"},
        {"max_locks_per_transaction", "64"},
        {"max_prepared_transactions", "0"},
        {"max_wal_senders", "10"},
        {"max_worker_processes", "8"},
        {"max_wal_size", "1024"},
        {"wal_keep_size", "0"},
        {"max_slot_wal_keep_size", "8192"},
        {"fsync", "on"},
        {"full_page_writes", "on"},
        {"data_checksums", "on"},
        {"synchronous_commit", "on"},
        {"synchronous_standby_names", "ANY 1 (b, c)"},
        {"statement_timeout", "8000"},
        {"lock_timeout", "2000"},
        {"idle_in_transaction_session_timeout", "10000"},
        {"default_transaction_isolation", "read committed"},
        {"plan_cache_mode", "force_generic_plan"},
        {"enable_seqscan", "off"},
        {"enable_bitmapscan", "off"},
        {"enable_hashjoin", "off"},
        {"enable_mergejoin", "off"},
    };
    server.roles["holdfast_app"].settings = {
        {"statement_timeout", "10s"},
        {"idle_in_transaction_session_timeout", "30s"},
    };
    server.roles["holdfast_migrator"].settings = {{"lock_timeout", "100ms"},
                                                  {"idle_in_transaction_session_timeout", "30s"}};
    server.roles["holdfast_read"].settings = {{"idle_in_transaction_session_timeout", "60s"}};
    server.sessions = {{.application = "holdfast:pay-1",
                        .user = "holdfast_app",
                        .database = "holdfast",
                        .count = 10,
                        .busy = 4}};
    server.standbys.emplace();
    if (primary) server.standbys = {{"b", "streaming", "quorum"}, {"c", "streaming", "quorum"}};
    server.cores = 4;
    server.memory_bytes = std::int64_t{4} << 30;
    server.data =
        Directory{.path = "/data/pg", .filesystem = "disk", .owner_uid = 105, .device = 1};
    return server;
}

/// A platform that nothing is wrong with.
Facts good_facts() {
    Facts facts;
    facts.plan = {.instances = 1,
                  .surge = 1,
                  .pool_max = 8,
                  .lanes = 2,
                  .batch_max = 512,
                  .request_timeout = 30s,
                  .acquirer_timeout = 10s,
                  .connect_timeout = 2s,
                  .statement_timeout = 8s,
                  .lock_timeout = 2s,
                  .idle_in_transaction_timeout = 10s,
                  .connection_lifetime = 30min,
                  .connection_idle_max = 10min,
                  .lifetime_jitter_percent = 10,
                  .login_role = "holdfast_app",
                  .over_tcp = true,
                  .keepalives = true,
                  .tcp_user_timeout = 2s};
    facts.servers = {good_server("a:5432", true), good_server("b:5432", false)};
    facts.data = Directory{"/data/holdfast", "disk", 0};
    facts.command_logs = CommandLogs{.directory = {.path = "/data/holdfast/command-log",
                                                   .filesystem = "disk",
                                                   .device = 2,
                                                   .free_bytes = 20 * gib},
                                     .bytes_max = gib / 2};
    facts.logind_removes_ipc = true;
    return facts;
}

Server& primary(Facts& facts) { return facts.servers[0]; }
Server& standby(Facts& facts) { return facts.servers[1]; }
std::string& setting(Server& server, const char* name) { return server.settings[name]; }
void set_on_both(Facts& facts, const char* name, const char* value) {
    for (Server& server : facts.servers) server.settings[name] = value;
}
std::string& app_setting(Facts& facts, const char* name) {
    return primary(facts).roles["holdfast_app"].settings[name];
}

/// The same change, once as far as the rule allows and once further.
struct Example {
    std::string_view rule;
    void (*good)(Facts&);
    void (*bad)(Facts&);
};

const Example server_examples[] = {
    {"server_unreachable", [](Facts& f) { f.servers.pop_back(); },
     [](Facts& f) { standby(f) = {.name = "b:5432", .unreachable = "no answer in 5 s"}; }},
    {"unsupported_server_version", [](Facts& f) { standby(f).version = 150013; },
     [](Facts& f) { standby(f).version = 160001; }},
    {"pooler_in_between", [](Facts& f) { primary(f).pooler = false; },
     [](Facts& f) { primary(f).pooler = true; }},
    {"no_writable_primary", [](Facts& f) { primary(f).read_only = false; },
     [](Facts& f) { primary(f).read_only = true; }},
    {"stale_primary", [](Facts& f) { standby(f).timeline = 2; },
     [](Facts& f) {
         standby(f).timeline = 2;
         standby(f).in_recovery = false;
     }},
    {"foreign_server", [](Facts& f) { standby(f).system_identifier.clear(); },
     [](Facts& f) { standby(f).system_identifier = "8"; }},
    {"clock_skew", [](Facts& f) { primary(f).clock_ahead = 249ms; },
     [](Facts& f) { primary(f).clock_ahead = -250ms; }},
    {"facts_hidden", [](Facts& f) { standby(f).standbys.emplace(); },
     [](Facts& f) { standby(f).standbys.reset(); }},
    {"settings_pending_restart", [](Facts& f) { primary(f).pending_restart.clear(); },
     [](Facts& f) { primary(f).pending_restart = {"shared_buffers"}; }},
};

const Example capacity_examples[] = {
    {"connections_exceed_server", // 2 x 14 + 4, and 3 reserved
     [](Facts& f) {
         set_on_both(f, "max_connections", "35");
         f.plan.surge = 0;
     },
     [](Facts& f) { set_on_both(f, "max_connections", "34"); }},
    {"no_room_for_rollout", [](Facts& f) { f.plan.surge = 2; }, [](Facts& f) { f.plan.surge = 3; }},
    {"pool_exceeds_cores", [](Facts& f) { primary(f).cores = 2; },
     [](Facts& f) { primary(f).cores = 1; }},
    {"pool_saturated", [](Facts& f) { primary(f).sessions[0].busy = 2 + 5.6; },
     [](Facts& f) { primary(f).sessions[0].busy = 2 + 5.7; }},
    {"sessions_beyond_pool", [](Facts& f) { primary(f).sessions[0].count = 14; },
     [](Facts& f) { primary(f).sessions[0].count = 15; }},
    {"payment_role_shared",
     [](Facts& f) {
         primary(f).sessions.push_back({.application = "psql", .user = "report", .count = 1});
     },
     [](Facts& f) {
         primary(f).sessions.push_back({.application = "psql", .user = "holdfast_app", .count = 1});
     }},
    {"memory_overcommitted", [](Facts& f) { setting(primary(f), "work_mem") = "58000"; },
     [](Facts& f) { setting(primary(f), "work_mem") = "59000"; }},
    {"lock_table_too_small", [](Facts& f) { f.plan.batch_max = 1493; },
     [](Facts& f) { f.plan.batch_max = 1494; }},
    {"standby_limits_below_primary",
     [](Facts& f) { setting(standby(f), "max_wal_senders") = "12"; },
     [](Facts& f) { setting(standby(f), "max_wal_senders") = "9"; }},
};

const Example timeout_examples[] = {
    {"timeout_ladder", [](Facts& f) { f.plan.request_timeout = 11s; },
     [](Facts& f) { f.plan.request_timeout = 10s; }},
    {"statement_timeout_unbounded", [](Facts& f) { app_setting(f, "statement_timeout") = "30s"; },
     [](Facts& f) { app_setting(f, "statement_timeout") = "31s"; }},
    {"migrator_lock_timeout",
     [](Facts& f) { primary(f).roles["holdfast_migrator"].settings["lock_timeout"] = "2s"; },
     [](Facts& f) { primary(f).roles["holdfast_migrator"].settings["lock_timeout"] = "0"; }},
    {"idle_in_transaction_unbounded", [](Facts& f) { primary(f).roles.erase("holdfast_read"); },
     [](Facts& f) { primary(f).roles["holdfast_read"].settings.clear(); }},
    {"dead_peer_unnoticed",
     [](Facts& f) {
         f.plan.tcp_user_timeout = 0ms;
         f.plan.over_tcp = false;
     },
     [](Facts& f) { f.plan.tcp_user_timeout = 0ms; }},
    {"lifetimes_in_step", [](Facts& f) { f.plan.lifetime_jitter_percent = 5; },
     [](Facts& f) { f.plan.lifetime_jitter_percent = 4; }},
    {"idle_outlives_connection", [](Facts& f) { f.plan.connection_idle_max = 29min; },
     [](Facts& f) { f.plan.connection_idle_max = 30min; }},
    {"plans_not_pinned",
     [](Facts& f) {
         f.plan.login_role = "shop"; // its processes say so when they connect
         setting(primary(f), "enable_seqscan") = "on";
     },
     [](Facts& f) { setting(primary(f), "enable_seqscan") = "on"; }},
    {"isolation_changed",
     [](Facts& f) {
         f.plan.login_role = "shop";
         setting(primary(f), "default_transaction_isolation") = "serializable";
     },
     [](Facts& f) { setting(primary(f), "default_transaction_isolation") = "serializable"; }},
};

const Example durability_examples[] = {
    {"fsync_off", [](Facts& f) { setting(standby(f), "fsync") = "on"; },
     [](Facts& f) { setting(standby(f), "fsync") = "off"; }},
    {"full_page_writes_off", [](Facts& f) { setting(primary(f), "full_page_writes") = "on"; },
     [](Facts& f) { setting(primary(f), "full_page_writes") = "off"; }},
    {"checksums_off", [](Facts& f) { setting(primary(f), "data_checksums") = "on"; },
     [](Facts& f) { setting(primary(f), "data_checksums") = "off"; }},
    {"synchronous_commit_off", [](Facts& f) { setting(primary(f), "synchronous_commit") = "on"; },
     [](Facts& f) { setting(primary(f), "synchronous_commit") = "off"; }},
    {"replication_asynchronous",
     [](Facts& f) {
         setting(primary(f), "synchronous_standby_names").clear();
         primary(f).standbys->clear(); // there is none to wait for
     },
     [](Facts& f) { setting(primary(f), "synchronous_standby_names").clear(); }},
    {"lone_sync_standby",
     [](Facts& f) { primary(f).standbys = {{"holdfast_b", "streaming", "sync"}}; },
     [](Facts& f) { primary(f).standbys->pop_back(); }},
    {"data_in_memory", [](Facts& f) { f.data.reset(); },
     [](Facts& f) { f.data = Directory{"/dev/shm/holdfast", "tmpfs", 0}; }},
    {"command_log_in_memory", [](Facts& f) { f.command_logs->directory.filesystem = "disk"; },
     [](Facts& f) { f.command_logs->directory.filesystem = "tmpfs"; }},
    {"command_log_unwritable", [](Facts& f) { f.command_logs->writable = true; },
     [](Facts& f) { f.command_logs->writable = false; }},
    {"command_log_without_room", [](Facts& f) { f.command_logs->directory.free_bytes = gib / 2; },
     [](Facts& f) { f.command_logs->directory.free_bytes = gib / 2 - 1; }},
    {"floor_limits_unset", [](Facts& f) { primary(f).without_floor_limits = 0; },
     [](Facts& f) { primary(f).without_floor_limits = 1; }},
    {"command_log_beside_database", // the primary keeps 8 GiB for slots, the standby 1 GiB
     [](Facts& f) {
         f.command_logs->directory.device = 1;
         f.command_logs->directory.free_bytes = 9 * gib + gib / 2;
     },
     [](Facts& f) {
         f.command_logs->directory.device = 1;
         f.command_logs->directory.free_bytes = 9 * gib + gib / 2 - 1;
     }},
    {"logind_removes_ipc", [](Facts& f) { primary(f).data->owner_uid = 999; },
     [](Facts& f) { primary(f).data->owner_uid = 1000; }},
};

/// Of a node whose file we see, and which answers.
Patroni good_patroni() {
    return {.file = "patroni.yml",
            .version = "3.0.2",
            .etcd3 = false,
            .api = "a:8008",
            .agreed = Patroni::Agreed{
                .synchronous = true, .failsafe = true, .primary_start_timeout = 0ms}};
}
/// One thing about it.
template <class Change> void with_patroni(Facts& facts, Change change) {
    facts.patroni = good_patroni();
    change(*facts.patroni);
}

const Example patroni_examples[] = {
    {"patroni_etcd3_split_brain",
     [](Facts& f) {
         with_patroni(f, [](Patroni& p) {
             p.etcd3 = true;
             p.version = "3.0.3";
         });
     },
     [](Facts& f) { with_patroni(f, [](Patroni& p) { p.etcd3 = true; }); }},
    {"patroni_asynchronous", [](Facts& f) { f.patroni = good_patroni(); },
     [](Facts& f) { with_patroni(f, [](Patroni& p) { p.agreed->synchronous = false; }); }},
    {"patroni_without_failsafe", [](Facts& f) { f.patroni = good_patroni(); },
     [](Facts& f) { with_patroni(f, [](Patroni& p) { p.agreed->failsafe = false; }); }},
    {"patroni_waits_for_crashed",
     [](Facts& f) { with_patroni(f, [](Patroni& p) { p.agreed->primary_start_timeout = 5s; }); },
     [](Facts& f) { with_patroni(f, [](Patroni& p) { p.agreed->primary_start_timeout = 300s; }); }},
};

std::vector<Example> examples() {
    std::vector<Example> all;
    for (std::span<const Example> some :
         {std::span<const Example>(server_examples), std::span<const Example>(capacity_examples),
          std::span<const Example>(timeout_examples), std::span<const Example>(durability_examples),
          std::span<const Example>(patroni_examples)})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

std::vector<std::string_view> broken(const Facts& facts) {
    std::vector<std::string_view> ids;
    for (const Finding& finding : examine(facts)) ids.push_back(finding.rule->id);
    return ids;
}

Finding only_finding(const Facts& facts) {
    auto findings = examine(facts);
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
}

TEST(DoctorRules, AreSilentOnAGoodPlatform) { EXPECT_THAT(broken(good_facts()), IsEmpty()); }

TEST(DoctorRules, SayNothingAboutWhatWasNotSeen) {
    Facts facts;
    facts.servers.emplace_back().unreachable = "no answer";
    facts.plan = good_facts().plan;
    EXPECT_THAT(broken(facts), ElementsAre("server_unreachable"));
}

TEST(DoctorRules, EachHasAGoodAndABadExample) {
    std::set<std::string_view> rules, shown;
    for (const Rule* rule : all_rules())
        EXPECT_TRUE(rules.insert(rule->id).second) << rule->id << " is there twice";
    for (const Example& example : examples()) shown.insert(example.rule);
    EXPECT_EQ(rules, shown);
}

TEST(DoctorRules, HoldOnTheirGoodExamplesAndBreakAloneOnTheBad) {
    for (const Example& example : examples()) {
        Facts good = good_facts(), bad = good_facts();
        example.good(good);
        EXPECT_THAT(broken(good), IsEmpty()) << "good example of " << example.rule;
        example.bad(bad);
        EXPECT_THAT(broken(bad), ElementsAre(example.rule)) << "bad example of " << example.rule;
        for (const Finding& finding : examine(bad)) {
            EXPECT_LE(finding.severity, finding.rule->worst) << example.rule;
            EXPECT_FALSE(finding.measured.empty()) << example.rule;
            EXPECT_FALSE(finding.safe.empty()) << example.rule;
        }
    }
}

TEST(DoctorRules, TheRemedyOfTheFlashSaleFails) {
    for (const char* max_connections : {"100", "200"}) {
        Facts facts = good_facts();
        facts.plan.instances = 12;
        facts.plan.pool_max = 200;
        set_on_both(facts, "max_connections", max_connections);
        primary(facts).cores = 64;
        const auto findings = examine(facts);
        ASSERT_FALSE(findings.empty());
        EXPECT_EQ(findings.front().rule->id, "connections_exceed_server");
        EXPECT_EQ(findings.front().severity, Severity::Fail);
        EXPECT_THAT(findings.front().measured, HasSubstr("13 processes x 206 connections"));
        EXPECT_TRUE(any_failure(findings));
    }
}

TEST(DoctorRules, ASafePoolIsOneThatHolds) {
    Facts facts = good_facts();
    facts.plan.pool_max = 40;
    facts.plan.surge = 0;
    primary(facts).cores = 64;
    const Finding finding = only_finding(facts);
    EXPECT_EQ(finding.safe, "db.pool_max at most 25"); // (67 - 4) / 2 - 6
    facts.plan.pool_max = 25;
    EXPECT_THAT(broken(facts), IsEmpty());
    facts.plan.pool_max = 26;
    EXPECT_THAT(broken(facts), ElementsAre("connections_exceed_server"));
}

TEST(DoctorRules, LimitsOfRoleAndDatabaseAndOthersSessionsCount) {
    const auto room = [](void (*change)(Server&)) {
        Facts facts = good_facts();
        facts.plan.surge = 0;
        change(primary(facts));
        return broken(facts);
    };
    EXPECT_THAT(room([](Server& s) { s.roles["holdfast_app"].connection_limit = 32; }), IsEmpty());
    EXPECT_THAT(room([](Server& s) { s.roles["holdfast_app"].connection_limit = 31; }),
                ElementsAre("connections_exceed_server"));
    EXPECT_THAT(room([](Server& s) { s.database_connection_limit = 31; }),
                ElementsAre("connections_exceed_server"));
    EXPECT_THAT(room([](Server& s) { s.sessions.push_back({.application = "cron", .count = 35}); }),
                IsEmpty());
    EXPECT_THAT(room([](Server& s) { s.sessions.push_back({.application = "cron", .count = 36}); }),
                ElementsAre("connections_exceed_server"));
    EXPECT_THAT(room([](Server& s) { s.settings["reserved_connections"] = "36"; }),
                ElementsAre("connections_exceed_server"));
}

TEST(DoctorRules, SeverityFollowsHowFarOffAValueIs) {
    Facts facts = good_facts();
    primary(facts).clock_ahead = 999ms;
    EXPECT_EQ(only_finding(facts).severity, Severity::Warn);
    primary(facts).clock_ahead = 1s;
    EXPECT_EQ(only_finding(facts).severity, Severity::Fail);

    facts = good_facts();
    facts.patroni = good_patroni();
    facts.patroni->etcd3 = true;
    facts.patroni->version.clear();
    EXPECT_EQ(only_finding(facts).severity, Severity::Warn) << "its version is not known";
    facts.patroni->etcd3 = false;
    facts.patroni->version = "3.0.2";
    EXPECT_THAT(broken(facts), IsEmpty()) << "the v2 API compares before it writes";
    facts.patroni->agreed.reset();
    EXPECT_THAT(broken(facts), ElementsAre("facts_hidden")) << "its node does not answer";
    facts.patroni->api.clear();
    EXPECT_THAT(broken(facts), IsEmpty()) << "nobody said where a node is";

    facts = good_facts();
    facts.patroni = good_patroni();
    primary(facts).standbys = {{"b", "streaming", "sync"}, {"c", "streaming", "async"}};
    EXPECT_THAT(broken(facts), IsEmpty()) << "Patroni makes the other one synchronous";
    primary(facts).standbys->back().state = "startup";
    EXPECT_THAT(broken(facts), ElementsAre("lone_sync_standby"));

    facts = good_facts();
    primary(facts).standbys->clear();
    EXPECT_EQ(only_finding(facts).severity, Severity::Fail) << "nobody can confirm a commit";

    facts = good_facts();
    setting(primary(facts), "synchronous_commit") = "remote_write";
    EXPECT_EQ(only_finding(facts).severity, Severity::Warn);
    setting(primary(facts), "synchronous_commit") = "local";
    EXPECT_EQ(only_finding(facts).severity, Severity::Fail);
}

TEST(DoctorRules, AServerThatKeepsItsLogForeverMayNotShareTheDiskOfTheCommandLog) {
    Facts facts = good_facts();
    facts.command_logs->directory.device = 1;
    EXPECT_THAT(broken(facts), IsEmpty()) << "there is room for both";
    setting(primary(facts), "max_slot_wal_keep_size") = "-1";
    EXPECT_THAT(broken(facts), ElementsAre("command_log_beside_database"));
    primary(facts).data->device = 3;
    EXPECT_THAT(broken(facts), IsEmpty()) << "it has a disk of its own";
    facts.command_logs->directory.filesystem = "tmpfs";
    facts.data->filesystem = "tmpfs";
    EXPECT_THAT(broken(facts), ElementsAre("data_in_memory")) << "one cause is one finding";
}

TEST(DoctorRules, AStartIsRefusedBySettingsThatFailAndNotByConditions) {
    const auto refused = [](std::string_view rule) {
        for (const Example& example : examples()) {
            if (example.rule != rule) continue;
            Facts facts = good_facts();
            example.bad(facts);
            return only_finding(facts).refuses_start();
        }
        ADD_FAILURE() << rule;
        return false;
    };
    for (const char* rule : {"fsync_off", "timeout_ladder", "connections_exceed_server",
                             "command_log_in_memory", "patroni_etcd3_split_brain"})
        EXPECT_TRUE(refused(rule)) << rule;
    for (const char* rule : {"server_unreachable", "no_writable_primary", "stale_primary",
                             "clock_skew", "lone_sync_standby", "command_log_without_room"})
        EXPECT_FALSE(refused(rule)) << rule;
    for (const Rule* rule : all_rules())
        EXPECT_TRUE(rule->at_start == AtStart::GoesOn || rule->worst == Severity::Fail) << rule->id;
}

TEST(DoctorRules, WhatIsAllowedByNameIsStillShown) {
    Facts facts = good_facts();
    set_on_both(facts, "fsync", "off");
    const auto allowed = parse_rules("full_page_writes_off,fsync_off");
    ASSERT_TRUE(allowed.has_value());
    const auto findings = examine(facts, *allowed);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_TRUE(findings[0].overridden);
    EXPECT_FALSE(findings[0].refuses_start());
    EXPECT_FALSE(any_failure(findings));
    EXPECT_TRUE(any_failure(examine(facts, *parse_rules("checksums_off"))));
    EXPECT_EQ(parse_rules("fsync_off,").value().size(), 1U);
    EXPECT_TRUE(parse_rules("").value().empty());
    EXPECT_EQ(parse_rules("fsync_off, checksums_off").error().code, "rule_unknown");
    EXPECT_EQ(parse_rules("all").error().code, "rule_unknown");
}

TEST(DoctorRules, TheLadderIsJudgedByWhatTheServerHasInForce) {
    Facts facts = good_facts();
    setting(primary(facts), "lock_timeout") = "8000";
    EXPECT_EQ(only_finding(facts).measured, "lock_timeout 8000 ms, statement_timeout 8000 ms");
    setting(primary(facts), "lock_timeout") = "2000";
    setting(primary(facts), "statement_timeout") = "0";
    EXPECT_THAT(broken(facts), ElementsAre("statement_timeout_unbounded"));
}

TEST(DoctorFacts, TimesAreReadAsTheyAreTyped) {
    EXPECT_EQ(parse_setting_ms("250"), 250ms);
    EXPECT_EQ(parse_setting_ms("10s"), 10s);
    EXPECT_EQ(parse_setting_ms("1.5 min"), 90s);
    EXPECT_EQ(parse_setting_ms("500us"), 1ms) << "rounded, as the server does";
    EXPECT_EQ(parse_setting_ms("2h"), 2h);
    EXPECT_EQ(parse_setting_ms("on"), std::nullopt);
    EXPECT_EQ(parse_setting_ms("3 weeks"), std::nullopt);
    EXPECT_EQ(parse_setting_ms(""), std::nullopt);
}

TEST(DoctorFacts, InstancesAreCountedByNameAndAddress) {
    Server server;
    server.sessions = {{.application = "holdfast:pay-1", .client = "10.0.0.1"},
                       {.application = "holdfast:pay-1", .client = "10.0.0.2"},
                       {.application = "holdfast:pay-2", .client = "10.0.0.1"},
                       {.application = "holdfast:pay-2", .client = "10.0.0.1", .user = "other"},
                       {.application = "holdfast:background", .client = "10.0.0.1"},
                       {.application = "psql"}};
    EXPECT_EQ(instances_running({server, server}), 3);
}

TEST(DoctorReference, IsTheTableOfTheRules) {
    auto page = read_file("docs/reference/doctor.md");
    ASSERT_TRUE(page) << page.error().message;
    EXPECT_EQ(*page, doctor_reference())
        << "write it anew: holdfast doctor --reference > docs/reference/doctor.md";
}

} // namespace
} // namespace holdfast::guard
