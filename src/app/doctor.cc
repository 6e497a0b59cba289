#include "app/doctor.h"

#include "app/pool_settings.h"
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

guard::Plan plan_of(const Config& config, const DoctorOptions& options) {
    guard::Plan plan;
    plan.instances = options.instances;
    plan.surge = options.surge;
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

/// The role of probes, where `up` has made a password for it. Elsewhere its password may be in the
/// file that the URL names.
std::optional<guard::MonitorLogin> monitor_of(const std::string& data) {
    std::string passfile = fmt::format("{}/secrets/{}.pgpass", data, monitor_role);
    std::error_code error;
    if (!std::filesystem::exists(passfile, error)) return std::nullopt;
    return guard::MonitorLogin{std::string(monitor_role), std::move(passfile)};
}

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
        w.field("consequence", finding.rule->consequence);
        w.field("measured", finding.measured);
        w.field("safe", finding.safe);
        w.end_object();
    }
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

void print_text(const std::vector<guard::Finding>& findings) {
    for (const guard::Finding& finding : findings)
        fmt::print("{} {}: {}\n     measured  {}\n     safe      {}\n",
                   finding.severity == guard::Severity::Fail ? "FAIL" : "warn", finding.rule->id,
                   finding.rule->consequence, finding.measured, finding.safe);
    if (findings.empty()) fmt::print("all {} rules hold\n", guard::all_rules().size());
}

} // namespace

Result<guard::Facts> doctor_facts(const DoctorOptions& options) {
    TRY(Config config, load_settings(options.settings));
    TRY(Target place, resolved(options.target));
    guard::GatherOptions look;
    look.plan = plan_of(config, options);
    look.database_cores = options.database_cores;
    look.patroni = options.patroni;
    TRY(auto database, db::ConnectOptions::parse(SecretString(place.database_url)));
    database.role = "doctor";
    look.servers = database.each_host();
    if (const auto passfile = database.value("passfile"); !passfile.empty())
        look.monitor = guard::MonitorLogin{std::string(monitor_role), std::string(passfile)};
    if (!options.target.data.empty() || options.target.database_url.empty()) {
        look.data_directory = data_directory_or_default(options.target.data);
        if (auto login = monitor_of(look.data_directory)) look.monitor = std::move(login);
        const bool by_flag = config.origin("db.pool_max").source == ConfigSource::Flag;
        const auto pool =
            load_pool_settings(fmt::format("{}/{}", look.data_directory, pool_settings_name));
        if (pool && pool->chosen && !by_flag)
            look.plan.pool_max = static_cast<int>(pool->chosen->max);
    }
    Offload offload({.threads = 1});
    net::Loop loop{1};
    return net::block_on(loop,
                         guard::gather(loop, offload, std::move(look), Deadline::after(patience)));
}

Result<void> doctor(const DoctorOptions& options) {
    TRY(const guard::Facts facts, doctor_facts(options));
    const auto findings = guard::examine(facts);
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
