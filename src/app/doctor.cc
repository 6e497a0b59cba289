#include "app/doctor.h"

#include "app/pool_settings.h"
#include "app/start_check.h"
#include "app/up.h"
#include "base/json_writer.h"
#include "guard/doctor_gather.h"
#include "guard/doctor_rules.h"
#include "net/block_on.h"

#include <fmt/format.h>

#include <filesystem>

namespace holdfast::app {
namespace {

using net::Deadline;

constexpr Duration patience = std::chrono::seconds{60};
constexpr std::string_view monitor_role = "holdfast_watch";

void print_json(const std::vector<guard::Finding>& findings) {
    JsonWriter w;
    w.begin_object();
    w.field("clean", findings.empty());
    w.field("failed", guard::any_failure(findings));
    w.field("rules", guard::all_rules().size());
    w.key("findings");
    w.begin_array();
    for (const guard::Finding& finding : findings) {
        w.begin_object();
        w.field("rule", finding.rule->id);
        w.field("severity", guard::to_string(finding.severity));
        w.field("overridden", finding.overridden);
        w.field("consequence", finding.rule->consequence);
        w.field("measured", finding.measured);
        w.field("safe", finding.safe);
        w.end_object();
    }
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

std::string_view shown(const guard::Finding& finding) {
    if (finding.overridden) return "overridden";
    return finding.severity == guard::Severity::Fail ? "FAIL" : "warn";
}

void print_text(const std::vector<guard::Finding>& findings) {
    for (const guard::Finding& finding : findings)
        fmt::print("{} {}: {}\n     measured  {}\n     safe      {}\n", shown(finding),
                   finding.rule->id, finding.rule->consequence, finding.measured, finding.safe);
    if (findings.empty()) fmt::print("all {} rules hold\n", guard::all_rules().size());
}

} // namespace

guard::Plan doctor_plan(const Config& config) {
    guard::Plan plan;
    plan.pool_max = static_cast<int>(config.integer("db.pool_max"));
    plan.lanes = static_cast<int>(config.integer("processor.lanes"));
    plan.batch_max = static_cast<int>(config.integer("processor.batch_max"));
    const auto time = [&](const char* key) {
        return std::chrono::duration_cast<guard::milliseconds>(config.duration(key));
    };
    plan.request_timeout = time("api.request_timeout");
    plan.acquirer_timeout = time("acquirer.timeout");
    return plan;
}

std::optional<guard::MonitorLogin> monitor_login(const std::string& data,
                                                 const db::ConnectOptions& url) {
    std::string passfile(url.value("passfile"));
    std::string own = fmt::format("{}/secrets/{}.pgpass", data, monitor_role);
    std::error_code error;
    if (!data.empty() && std::filesystem::exists(own, error)) passfile = std::move(own);
    if (passfile.empty()) return std::nullopt;
    return guard::MonitorLogin{std::string(monitor_role), std::move(passfile)};
}

namespace {

Result<guard::Facts> facts_of(const DoctorOptions& options, const Config& config,
                              const Target& place) {
    guard::GatherOptions look;
    look.plan = doctor_plan(config);
    look.plan.instances = options.instances;
    look.plan.surge = options.surge;
    look.database_cores = options.database_cores;
    look.patroni = options.patroni;
    TRY(auto database, db::ConnectOptions::parse(SecretString(place.database_url)));
    database.role = "doctor";
    look.servers = database.each_host();
    if (!options.target.data.empty() || options.target.database_url.empty()) {
        look.data_directory = data_directory_or_default(options.target.data);
        look.command_logs = command_logs_of_all(look.data_directory);
        const bool by_flag = config.origin("db.pool_max").source == ConfigSource::Flag;
        const auto pool =
            load_pool_settings(fmt::format("{}/{}", look.data_directory, pool_settings_name));
        if (pool && pool->chosen && !by_flag)
            look.plan.pool_max = static_cast<int>(pool->chosen->max);
    }
    if (!options.command_log.empty()) look.command_logs = command_log_of_one(options.command_log);
    look.monitor = monitor_login(look.data_directory, database);
    net::Loop loop{1}; // outlives the thread that wakes it
    Offload offload({.threads = 1});
    return net::block_on(loop,
                         guard::gather(loop, offload, std::move(look), Deadline::after(patience)));
}

} // namespace

Result<guard::Facts> doctor_facts(const DoctorOptions& options) {
    TRY(const Config config, load_settings(options.settings));
    TRY(const Target place, resolved(options.target));
    return facts_of(options, config, place);
}

Result<void> doctor(const DoctorOptions& options) {
    TRY(const Config config, load_settings(options.settings));
    TRY(const Target place, resolved(options.target));
    TRY(const guard::Facts facts, facts_of(options, config, place));
    const bool by_platform = config.is_default("doctor.allow");
    TRY(const auto allowed,
        guard::parse_rules(by_platform ? place.doctor_allow : config.text("doctor.allow")));
    const auto findings = guard::examine(facts, allowed);
    if (options.json)
        print_json(findings);
    else
        print_text(findings);
    if (!guard::any_failure(findings)) return {};
    return fail(
        ErrorClass::Conflict, "doctor_failed",
        fmt::format("{} of {} rules do not hold", findings.size(), guard::all_rules().size()));
}

} // namespace holdfast::app
