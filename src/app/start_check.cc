#include "app/start_check.h"

#include "app/doctor.h"
#include "app/settings.h"
#include "base/journal.h"
#include "base/log.h"
#include "guard/doctor_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace holdfast::app {
namespace {

using guard::Finding;

std::string refusal(const std::vector<Finding>& findings, std::string allow) {
    std::string text = "not started, for the sake of the payments:\n";
    for (const Finding& finding : findings) {
        if (!finding.refuses_start()) continue;
        text += fmt::format("  {}: {}\n     measured  {}\n     safe      {}\n", finding.rule->id,
                            finding.rule->consequence, finding.measured, finding.safe);
        allow += (allow.empty() ? "" : ",") + std::string(finding.rule->id);
    }
    return text + fmt::format("  to start all the same, name it: --doctor-allow {}", allow);
}

void log_overridden(const std::vector<const guard::Rule*>& allowed,
                    const std::vector<Finding>& findings) {
    for (const guard::Rule* rule : allowed) {
        const auto found = std::ranges::find(findings, rule, &Finding::rule);
        const bool broken = found != findings.end();
        log::warn("rule_overridden", {{"rule", rule->id},
                                      {"broken", broken},
                                      {"measured", broken ? found->measured : std::string()},
                                      {"consequence", rule->consequence}});
    }
}

} // namespace

guard::CommandLogPlan command_log_of_one(std::string directory) {
    return {.directory = std::move(directory),
            .bytes_max = static_cast<std::int64_t>(JournalLimits{}.bytes_max)};
}

guard::CommandLogPlan command_logs_of_all(const std::string& data) {
    auto logs = command_log_of_one(data + "/command-log");
    logs.count = 0;
    return logs;
}

net::Task<void> check_start(net::Loop& loop, Offload& offload, const Config& config,
                            StartPlan plan) {
    guard::GatherOptions look{.plan = doctor_plan(config),
                              .data_directory = plan.data,
                              .command_logs = plan.command_logs,
                              .server_patience = start_server_patience,
                              .watching = {},
                              .samples = 0};
    look.plan.instances = plan.instances;
    look.plan.surge = 0;
    if (!plan.database_url.empty()) {
        CO_TRY(auto database, db::ConnectOptions::parse(SecretString(plan.database_url)));
        database.role = "doctor";
        look.servers = database.each_host();
        look.monitor = monitor_login(plan.data, database);
    }
    CO_TRY(const auto allowed, guard::parse_rules(config.text("doctor.allow")));
    const auto deadline = net::Deadline::after(start_patience);
    auto facts = co_await guard::gather(loop, offload, std::move(look), deadline);
    if (!facts) {
        log::warn("start_not_checked", {{"error", to_string(facts.error())}});
        co_return Result<void>{};
    }
    const auto findings = guard::examine(*facts, allowed);
    if (!plan.database_url.empty()) log_overridden(allowed, findings);
    if (std::ranges::any_of(findings, &Finding::refuses_start))
        co_return fail(ErrorClass::Conflict, "start_refused",
                       refusal(findings, config.text("doctor.allow")));
    co_return Result<void>{};
}

} // namespace holdfast::app
