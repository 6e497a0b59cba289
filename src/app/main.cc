// holdfast: one binary, a subcommand for each thing it does. The command line is declared here;
// what the commands do is in the files they are named after.

#include "app/acquirer.h"
#include "app/admin.h"
#include "app/commands.h"
#include "app/doctor.h"
#include "app/node.h"
#include "app/pool.h"
#include "app/serve.h"
#include "app/standin.h"
#include "app/sweep.h"
#include "app/switchover.h"
#include "app/up.h"
#include "base/env.h"
#include "drill/drill.h"
#include "guard/doctor_rules.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <functional>

#include <sys/prctl.h>

namespace holdfast::app {
namespace {

/// What the chosen subcommand does once the line is parsed.
using Action = std::function<Result<void>()>;

void add_target(CLI::App* command, Target& target) {
    command->add_option("--data", target.data, "Data directory of a running `holdfast up`");
    command->add_option("--database-url", target.database_url, "PostgreSQL of yours instead");
}

void add_acquirer(CLI::App* command, Target& target) {
    command->add_option("--acquirer-url", target.acquirer_url, "Acquirer, as `serve` has it");
    command->add_option("--acquirer-secret-file", target.acquirer_secret_file);
}

void add_settings(CLI::App* command, SettingsInput& settings) {
    command->add_option("--config", settings.file, "TOML file with settings");
    for (const ConfigKey& key : settings_schema())
        command->add_option_function<std::string>(
            config_flag(key.name),
            [&settings, name = std::string(key.name)](const std::string& value) {
                settings.flags[name] = value;
            },
            std::string(key.doc));
}

void declare_config(CLI::App& app, Action& action) {
    static SettingsInput settings;
    static bool origin = false;
    static bool reference = false;
    CLI::App* command = app.add_subcommand("config", "What can be set");
    command->require_subcommand(1);
    CLI::App* show = command->add_subcommand("show", "Show what holds, and where it comes from");
    add_settings(show, settings);
    show->add_flag("--origin", origin, "With the origin of each value (always shown)");
    show->add_flag("--reference", reference, "The whole table as Markdown instead");
    show->callback([&action] {
        action = []() -> Result<void> {
            if (reference) {
                fmt::print("{}", config_reference(settings_schema()));
                return {};
            }
            TRY(Config config, load_settings(settings));
            fmt::print("{}", config.table());
            return {};
        };
    });
}

/// Fails unless the drill shows what it has to show.
Result<void> expect_pass(const drill::DrillOptions& options) {
    TRY(const drill::Outcome outcome, drill::run_drill(options));
    if (outcome == drill::Outcome::Passed || outcome == drill::Outcome::Outage) return {};
    return fail(ErrorClass::Conflict, "drill_not_passed",
                fmt::format("{}: {}", options.name, drill::to_string(outcome)));
}

void declare_up(CLI::App& app, Action& action) {
    static UpOptions options;
    CLI::App* up_command = app.add_subcommand("up", "Start the whole platform on this machine");
    up_command->add_option("--data", options.data,
                           "Where everything is kept (/var/lib/holdfast for root, "
                           "~/.local/share/holdfast else)");
    up_command->add_option("--address", options.address, "Address to listen on")
        ->capture_default_str();
    up_command->add_option("--port", options.port, "Port of the API; 0 for any free one")
        ->capture_default_str();
    up_command->add_option("--instances", options.instances, "Processes that take payments")
        ->capture_default_str();
    up_command->add_flag("--fresh", options.fresh, "Remove all data first");
    up_command->add_option("--ready-file", options.ready_file,
                           "Write URLs and keys to this file as JSON once everything serves");
    up_command->add_option("--database-url", options.database_url,
                           "Use this PostgreSQL 15 instead of the embedded pair; its role owns the "
                           "database and has CREATEROLE");
    up_command->add_option("--acquirer-url", options.acquirer_url,
                           "Use this acquirer instead of the simulated one; it shares the secret "
                           "in DATA/secrets/acquirer_secret");
    add_settings(up_command, options.settings);
    up_command->callback([&action] { action = [] { return up(options); }; });
}

void declare_serve(CLI::App& app, Action& action) {
    static ServeOptions options;
    CLI::App* command = app.add_subcommand("serve", "Run one process of the platform");
    command->add_option("--role", options.role, "pay or background")
        ->check(CLI::IsMember({"pay", "background"}));
    command->add_option("--name", options.name, "Shown in logs, metrics and pg_stat_activity");
    command->add_option("--address", options.address);
    command->add_option("--port", options.port, "Port of the API");
    command->add_option("--admin-port", options.admin_port, "/livez, /readyz, /metrics");
    command->add_option("--database-url", options.database_url)->required();
    command->add_option("--acquirer-url", options.acquirer_url)->required();
    command->add_option("--acquirer-secret-file", options.acquirer_secret_file)->required();
    command->add_option("--id-secret-file", options.id_secret_file)->required();
    command->add_option("--command-log", options.command_log,
                        "directory of the log of stand-in processing; without one, requests wait "
                        "for the database");
    command->add_option("--left-log", options.left_logs,
                        "command log of a process that is not started any more, to be drained");
    command->add_option(
        "--directory-copy", options.directory_copy,
        "directory for a copy of the accounts and keys: a start then needs no database");
    command->add_option("--pool-settings", options.pool_settings,
                        "file that db.pool_min and db.pool_max are changed by at run time");
    command->add_option("--attempt-log", options.attempt_log,
                        "directory of the log of everybody who wanted to pay");
    command
        ->add_option("--peer", options.peers,
                     "admin ports of the processes that take payments: name=port or "
                     "name=host:port, several parted by commas; oneself may be among them")
        ->delimiter(',');
    command->add_flag("--checked", options.checked)->group(""); // for `up`
    add_settings(command, options.settings);
    command->callback([&action] { action = [] { return serve(options); }; });
}

void declare_node(CLI::App& app, Action& action) {
    static NodeOptions options;
    CLI::App* command = app.add_subcommand("node", "Run one database node of `holdfast up`");
    command->group(""); // the supervisor's, not for people
    command->add_option("--data", options.data, "Data directory")->required();
    command->add_option("--node", options.node, "a or b")->required();
    command->callback([&action] { action = [] { return run_node(options); }; });
}

void declare_acquirer(CLI::App& app, Action& action) {
    static AcquirerOptions options;
    CLI::App* command = app.add_subcommand("acquirer", "Run the simulated card acquirer");
    command->add_option("--address", options.address)->capture_default_str();
    command->add_option("--port", options.port, "0 for any free one");
    command->add_option("--books", options.books, "Directory of its books")->required();
    command->add_option("--secret-file", options.secret_file, "Signs messages")->required();
    command->add_option("--admin-token-file", options.admin_token_file)->required();
    command->callback([&action] { action = [] { return acquirer(options); }; });
}

void declare_accounts(CLI::App& app, Action& action) {
    static Target target;
    static std::string name;
    static bool json = false;
    CLI::App* command = app.add_subcommand("account", "Accounts (merchants)");
    command->require_subcommand(1);
    CLI::App* create = command->add_subcommand("create", "Make an account, live and test mode");
    create->add_option("name", name, "Shown to people")->required();
    CLI::App* list = command->add_subcommand("list", "Show all accounts");
    for (CLI::App* each : {create, list}) {
        add_target(each, target);
        each->add_flag("--json", json);
    }
    create->callback([&action] { action = [] { return account_create(target, name, json); }; });
    list->callback([&action] { action = [] { return account_list(target, json); }; });

    static FloorLimitOptions limit;
    CLI::App* floor = command->add_subcommand(
        "floor-limit", "What is accepted while neither database nor acquirer can be asked");
    add_target(floor, target);
    floor->add_option("account", limit.account, "acct_...; not needed when there is one");
    floor->add_flag("--live", limit.live, "Of live mode");
    floor->add_option("--currency", limit.currency)->capture_default_str();
    floor->add_option("--payment", limit.payment_minor, "Most of one payment, in minor units");
    floor->add_option("--card", limit.card_minor, "Most of one card, together");
    floor->add_option("--total", limit.total_minor, "Most of the account, together");
    floor->add_flag("--remove", limit.remove, "Accept none any more");
    floor->add_flag("--json", limit.json);
    floor->callback([&action] { action = [] { return account_floor_limit(target, limit); }; });
}

void declare_keys(CLI::App& app, Action& action) {
    static Target target;
    static KeyOptions options;
    CLI::App* command = app.add_subcommand("keys", "API keys");
    command->require_subcommand(1);
    const auto declare = [&](const char* name, const char* what,
                             Result<void> (*run)(const Target&, const KeyOptions&)) {
        CLI::App* each = command->add_subcommand(name, what);
        add_target(each, target);
        each->add_flag("--json", options.json);
        each->callback([&action, run] { action = [run] { return run(target, options); }; });
        return each;
    };
    CLI::App* create = declare("create", "Make a key; it is shown once", keys_create);
    create->add_option("--account", options.account, "acct_...; not needed when there is one");
    create->add_flag("--live", options.live, "For live mode");
    create->add_flag("--publishable", options.publishable, "For browsers");
    declare("list", "Show keys by their hints", keys_list)
        ->add_option("--account", options.account);
    CLI::App* roll = declare("roll", "Replace a key by a new one", keys_roll);
    roll->add_option("key", options.key_hint, "The key or its hint")->required();
    roll->add_option("--expires-in", options.expires_in_s, "Seconds the old key still works")
        ->check(CLI::NonNegativeNumber);
    declare("revoke", "End a key", keys_revoke)
        ->add_option("key", options.key_hint, "The key or its hint")
        ->required();
}

void declare_migrate(CLI::App& app, Action& action) {
    static std::string database_url;
    CLI::App* command = app.add_subcommand(
        "migrate", "Bring a database to the schema of this build; `up` does it by itself");
    command
        ->add_option("--database-url", database_url,
                     "PostgreSQL of yours; its role owns the database and has CREATEROLE")
        ->required();
    command->callback([&action] {
        action = [] {
            return migrate(database_url, [](std::string_view step) { fmt::print("{}\n", step); });
        };
    });
}

void declare_check(CLI::App& app, Action& action) {
    static Target target;
    CLI::App* command = app.add_subcommand("check", "Prove that things are as they should be");
    command->require_subcommand(1);
    CLI::App* ledger =
        command->add_subcommand("ledger",
                                "Recompute every balance, check seals, compare with the "
                                "acquirer's books; prints JSON");
    add_target(ledger, target);
    add_acquirer(ledger, target);
    ledger->callback([&action] { action = [] { return check_ledger(target); }; });
}

void declare_switchover(CLI::App& app, Action& action) {
    static std::string data;
    CLI::App* command = app.add_subcommand(
        "switchover", "Make the standby of the database pair the primary; no request fails");
    command->add_option("--data", data, "Data directory of a running `holdfast up`");
    command->callback([&action] { action = [] { return switchover(data); }; });
}

void declare_pool(CLI::App& app, Action& action) {
    static PoolChange change;
    CLI::App* command =
        app.add_subcommand("pool", "The pools of database connections of a running platform");
    command->require_subcommand(1);
    CLI::App* show = command->add_subcommand("show", "What holds in each process");
    CLI::App* set = command->add_subcommand(
        "set", "Change db.pool_min and db.pool_max: one process tries it, then all or none");
    for (CLI::App* each : {show, set})
        each->add_option("--data", change.data, "Data directory of a running `holdfast up`");
    set->add_option("--min", change.min, "db.pool_min; as it is if not given");
    set->add_option("--max", change.max, "db.pool_max; as it is if not given");
    set->add_option("--observe", change.observe_s,
                    "Seconds that are compared, before it and with it")
        ->check(CLI::Range(observe_min_s, observe_max_s))
        ->capture_default_str();
    set->add_option("--allow", change.allow, "Rule of the doctor that may fail by it; repeatable");
    set->add_option("--config", change.config_file, "TOML file with settings, as of `up`");
    set->add_flag("--force", change.force, "Everywhere at once, without trying");
    show->callback([&action] { action = [] { return pool_show(change.data); }; });
    set->callback([&action] { action = [] { return pool_set(change); }; });
}

void declare_attempts(CLI::App& app, Action& action) {
    static AttemptsOptions options;
    CLI::App* command = app.add_subcommand(
        "attempts", "Who wanted to pay and what became of it; needs no database");
    command->add_option("--data", options.data, "Data directory of `holdfast up`");
    command->add_option("--minutes", options.minutes, "So far back")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_flag("--json", options.json, "Each attempt as a line of JSON");
    command->callback([&action] { action = [] { return show_attempts(options); }; });
}

void declare_sweep(CLI::App& standin, Action& action) {
    static SweepOptions options;
    CLI::App* command = standin.add_subcommand(
        "sweep",
        "Holds at the acquirer that belong to no payment, once a command log is lost for "
        "good; needs database and acquirer");
    add_target(command, options.target);
    add_acquirer(command, options.target);
    command->add_option("--command-log", options.command_logs,
                        "Command log of a `serve` on this machine that no `up` has started; "
                        "repeatable");
    command->add_option("--id-secret-file", options.id_secret_file, "Of those command logs");
    command
        ->add_option("--older-than", options.older_than_s,
                     "Seconds since they were booked; younger ones may still be in a command log "
                     "of another machine")
        ->check(CLI::Range(std::int64_t{1}, sweep_older_than_max_s))
        ->capture_default_str();
    command->add_flag("--reverse", options.reverse, "Reverse each of them at the acquirer");
    command->add_flag("--json", options.json);
    command->callback([&action] { action = [] { return standin_sweep(options); }; });
}

void declare_standin(CLI::App& app, Action& action) {
    static StandInQuery query;
    CLI::App* command =
        app.add_subcommand("standin", "What was accepted without the database and is not settled");
    command->require_subcommand(1);
    const auto declare = [&](const char* name, const char* what,
                             Result<void> (*run)(const StandInQuery&)) {
        CLI::App* each = command->add_subcommand(name, what);
        each->add_option("--data", query.data, "Data directory of `holdfast up`");
        each->callback([&action, run] { action = [run] { return run(query); }; });
        return each;
    };
    declare("status", "Each command log: who has it, and how much is in it", standin_status)
        ->add_flag("--json", query.json);
    declare("export", "Each payment as a line of JSON, to compare with the acquirer's books",
            standin_export);
    CLI::App* drain =
        declare("drain", "Wait until all is settled; else say what is in the way", standin_drain);
    drain->add_flag("--json", query.json);
    drain->add_option("--timeout", query.timeout_s, "Seconds to wait at most")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    declare_sweep(*command, action);
}

void declare_doctor(CLI::App& app, Action& action) {
    static DoctorOptions options;
    static bool reference = false;
    CLI::App* command =
        app.add_subcommand("doctor", "Compare the configuration with the servers as they run");
    add_target(command, options.target);
    command
        ->add_option("--instances", options.instances,
                     "Processes that take payments; as many as are running if not given")
        ->check(CLI::PositiveNumber);
    command
        ->add_option("--surge", options.surge,
                     "Processes that a deployment starts before it ends old ones")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command
        ->add_option("--database-cores", options.database_cores,
                     "Cores of the database's machine if it is not this one")
        ->check(CLI::PositiveNumber);
    command->add_option("--patroni", options.patroni,
                        "Patroni's configuration file, or host:port of its REST API, if there is "
                        "none in /etc/patroni");
    command->add_option("--command-log", options.command_log,
                        "Command log of a `serve` on this machine that no `up` has started");
    command->add_flag("--json", options.json);
    command->add_flag("--reference", reference, "All rules as Markdown instead");
    add_settings(command, options.settings);
    command->callback([&action] {
        action = []() -> Result<void> {
            if (!reference) return doctor(options);
            fmt::print("{}", guard::doctor_reference());
            return {};
        };
    });
}

void declare_drill(CLI::App& app, Action& action) {
    static drill::DrillOptions options;
    CLI::App* command =
        app.add_subcommand("drill", "Prove on a platform of its own that payments survive a fault");
    command->require_subcommand(1);
    CLI::App* list = command->add_subcommand("list", "All drills, each in a sentence");
    list->add_flag("--json", options.json);
    list->callback([&action] {
        action = []() -> Result<void> {
            drill::list_drills(options.json);
            return {};
        };
    });
    CLI::App* run = command->add_subcommand("run", "Run one; exits non-zero unless it passes");
    run->add_option("name", options.name, "See `holdfast drill list`")->required();
    run->add_flag("--unprotected", options.unprotected,
                  "The same fault against an ordinary design, to see that it is real");
    run->add_option_function<std::string>(
           "--engine",
           [](const std::string& engine) {
               options.engine =
                   engine == "patroni" ? drill::Engine::Patroni : drill::Engine::Embedded;
           },
           "What runs the database servers: embedded, or patroni, in a source tree")
        ->check(CLI::IsMember({"embedded", "patroni"}))
        ->default_str("embedded");
    run->add_option("--rate", options.rate,
                    fmt::format("Purchases a second ({:g}, with --quick {:g})", drill::rate_usual,
                                drill::rate_quick))
        ->check(CLI::Range(1.0, drill::rate_max));
    run->add_flag("--quick", options.quick, "Shorter, with less load");
    run->add_option("--seed", options.seed, "Of the clients' choices")->capture_default_str();
    run->add_flag("--json", options.json, "One line of JSON instead of a table");
    run->callback([&action] { action = [] { return expect_pass(options); }; });
}

void declare_routes(CLI::App& app, Action& action) {
    app.add_subcommand("routes", "Print what the API answers, as JSON")->callback([&action] {
        action = print_routes;
    });
}

/// Card data passes through memory: no core dumps, no ptrace. The leak check of a sanitized build
/// is a ptrace of itself.
void forbid_dumps() {
#if !__has_feature(address_sanitizer)
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

int run(int argc, char** argv) {
    CLI::App app{"Holdfast: payments that hold while the database has a bad day"};
    app.require_subcommand(1);
    app.set_version_flag("--version", HOLDFAST_VERSION);
    Action action;
    declare_up(app, action);
    declare_serve(app, action);
    declare_node(app, action);
    declare_acquirer(app, action);
    declare_accounts(app, action);
    declare_keys(app, action);
    declare_migrate(app, action);
    declare_check(app, action);
    declare_switchover(app, action);
    declare_pool(app, action);
    declare_attempts(app, action);
    declare_standin(app, action);
    declare_doctor(app, action);
    declare_config(app, action);
    declare_drill(app, action);
    declare_routes(app, action);
    CLI11_PARSE(app, argc, argv);
    forbid_dumps();
    static RealEnv env;
    env.install();
    auto result = action();
    if (result) return 0;
    fmt::print(stderr, "holdfast: {}\n", result.error().message);
    return 1;
}

} // namespace
} // namespace holdfast::app

int main(int argc, char** argv) { return holdfast::app::run(argc, argv); }
