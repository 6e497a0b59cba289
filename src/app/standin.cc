#include "app/standin.h"

#include "app/platform_page.h"
#include "app/standin_logs.h"
#include "app/up.h"
#include "base/env.h"
#include "base/json_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

namespace holdfast::app {
namespace {

using processor::StepState;

constexpr Duration look_again = std::chrono::seconds{1};
/// Reading the logs takes at most this part of the time of waiting.
constexpr int reading_share = 5;

/// By process, whether it is deciding without the database; empty when no platform answers.
using Away = std::map<std::string, bool>;

/// holdfast_stand_in_active{process="pay-1"} 1
Away parse_away(std::string_view page) {
    constexpr std::string_view begin = "holdfast_stand_in_active{process=\"";
    Away away;
    for (std::size_t at = page.find(begin); at != std::string_view::npos;
         at = page.find(begin, at + 1)) {
        const std::string_view line = page.substr(at, page.find('\n', at) - at);
        const std::size_t end = line.find('"', begin.size());
        away[std::string(line.substr(begin.size(), end - begin.size()))] = line.ends_with(" 1");
    }
    return away;
}

Away read_away(const std::string& data) {
    auto page = PlatformPage::of(data);
    if (!page) return {};
    const auto text = (*page)->read();
    return text ? parse_away(*text) : Away{};
}

// --- status -----------------------------------------------------------------------------------

struct Sum {
    std::int64_t steps = 0;
    std::int64_t amount_minor = 0;
};
using Sums = std::map<std::pair<StepState, std::string>, Sum>; ///< by state and currency

Sums sums_of(const StandInLog& log) {
    Sums sums;
    for (const auto& [number, step] : log.steps) {
        Sum& sum = sums[{step.state, std::string(step.amount.currency.code())}];
        ++sum.steps;
        sum.amount_minor += step.amount.minor;
    }
    return sums;
}

std::optional<std::int64_t> oldest_of(const StandInLog& log) {
    if (log.steps.empty()) return std::nullopt;
    return unix_micros(log.steps.front().summary.time);
}

void write_status(JsonWriter& w, const StandInLog& log) {
    w.begin_object();
    w.field("name", log.name);
    w.field("path", log.path);
    w.field("pid", log.pid);
    w.field("bytes", log.bytes);
    if (!log.problem.empty()) w.field("problem", log.problem);
    w.field("open", log.steps.size());
    w.field("oldest_us", oldest_of(log));
    w.key("sums");
    w.begin_array();
    for (const auto& [key, sum] : sums_of(log)) {
        w.begin_object();
        w.field("state", processor::to_string(key.first));
        w.field("currency", key.second);
        w.field("steps", sum.steps);
        w.field("amount", sum.amount_minor);
        w.end_object();
    }
    w.end_array();
    w.end_object();
}

void print_status_json(const std::vector<StandInLog>& logs, const Away& away) {
    JsonWriter w;
    w.begin_object();
    w.field("running", !away.empty());
    w.key("away");
    w.begin_array();
    for (const auto& [process, is_away] : away)
        if (is_away) w.value(process);
    w.end_array();
    w.key("logs");
    w.begin_array();
    for (const StandInLog& log : logs) write_status(w, log);
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

std::string owner_of(const StandInLog& log) {
    return log.pid ? fmt::format("process {}", *log.pid) : std::string("left over, nobody has it");
}

void print_status(const StandInLog& log) {
    fmt::print("{}: {}, {} bytes\n", log.name, owner_of(log), log.bytes);
    if (!log.problem.empty()) {
        fmt::print("    can't be read: {}\n", log.problem);
        return;
    }
    if (log.steps.empty()) {
        fmt::print("    everything is settled\n");
        return;
    }
    const auto oldest = std::chrono::floor<std::chrono::seconds>(log.steps.front().summary.time);
    fmt::print("    {} steps are not settled, the oldest of {:%F %T} UTC\n", log.steps.size(),
               oldest);
    for (const auto& [key, sum] : sums_of(log)) {
        const auto currency = core::Currency::parse(key.second).value_or(core::Currency{});
        fmt::print("    {:<9}{:>8}  {} {}\n", processor::to_string(key.first), sum.steps,
                   core::display_amount({sum.amount_minor, currency}), key.second);
    }
}

void print_away(const Away& away) {
    std::vector<std::string> processes;
    for (const auto& [process, is_away] : away)
        if (is_away) processes.push_back(process);
    if (away.empty())
        fmt::print("no platform answers on this data\n");
    else if (processes.empty())
        fmt::print("the platform runs, and has its database\n");
    else
        fmt::print("in stand-in now: {}\n", fmt::join(processes, ", "));
}

// --- drain ------------------------------------------------------------------------------------

/// What keeps a log from being drained; empty when nothing does.
std::string obstacle(const StandInLog& log, const Away& away) {
    if (!log.problem.empty()) return fmt::format("{} can't be read: {}", log.path, log.problem);
    if (log.steps.empty()) return {};
    const std::string open = fmt::format("{}: {} steps", log.name, log.steps.size());
    if (!log.pid)
        return fmt::format(
            "{}, and no process has it; {}, or `holdfast serve --left-log {}` where "
            "there is no `up`",
            open,
            away.empty() ? "`holdfast up` drains it"
                         : "`holdfast up` drains it when it is started again",
            log.path);
    const auto found = away.find(log.name);
    const bool is_away =
        found != away.end()
            ? found->second
            : std::ranges::any_of(away, [](const auto& each) { return each.second; });
    if (is_away)
        return fmt::format("{}, and process {} does not reach the database; see `holdfast doctor`",
                           open, *log.pid);
    return fmt::format("{}, process {} is draining them", open, *log.pid);
}

void print_drained_json(const std::vector<std::string>& obstacles) {
    JsonWriter w;
    w.begin_object();
    w.field("drained", obstacles.empty());
    w.key("obstacles");
    w.begin_array();
    for (const std::string& each : obstacles) w.value(each);
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

} // namespace

Result<void> standin_status(const StandInQuery& query) {
    const std::string data = data_directory_or_default(query.data);
    TRY(const std::vector<StandInLog> logs, read_standin_logs(data));
    const Away away = read_away(data);
    if (query.json) {
        print_status_json(logs, away);
    } else {
        for (const StandInLog& log : logs) print_status(log);
        print_away(away);
    }
    return expect_readable(logs);
}

Result<void> standin_export(const StandInQuery& query) {
    TRY(const std::vector<StandInLog> logs,
        read_standin_logs(data_directory_or_default(query.data)));
    for (const StandInLog& log : logs)
        for (const auto& [number, step] : log.steps) {
            JsonWriter w(384);
            w.begin_object();
            w.field("log", log.name);
            w.field("step", number);
            w.field("time_us", unix_micros(step.time));
            w.field("account", step.account.str());
            w.field("payment", step.payment.str());
            w.field("amount", step.amount.minor);
            w.field("currency", step.amount.currency.code());
            w.field("state", processor::to_string(step.state));
            w.field("reference", step.reference.is_nil() ? "" : step.reference.str());
            w.field("request", "req_" + step.request.base62());
            w.end_object();
            fmt::print("{}\n", std::move(w).take());
        }
    return expect_readable(logs);
}

Result<void> standin_drain(const StandInQuery& query) {
    const std::string data = data_directory_or_default(query.data);
    const MonoTime until = MonotonicClock::now() + std::chrono::seconds{query.timeout_s};
    std::vector<std::string> told;
    while (true) {
        const MonoTime begun = MonotonicClock::now();
        TRY(const std::vector<StandInLog> logs, read_standin_logs(data));
        const Away away = read_away(data);
        std::vector<std::string> obstacles;
        for (const StandInLog& log : logs)
            if (auto found = obstacle(log, away); !found.empty())
                obstacles.push_back(std::move(found));
        if (obstacles != told)
            for (const std::string& each : obstacles) fmt::print(stderr, "{}\n", each);
        told = obstacles;
        const MonoTime now = MonotonicClock::now();
        if (obstacles.empty() || now >= until) break;
        block_thread(std::min(std::max(look_again, (now - begun) * reading_share), until - now));
    }
    if (query.json) print_drained_json(told);
    if (!told.empty())
        return fail(
            ErrorClass::Deadline, "standin_not_drained",
            fmt::format("not drained after {} s: {}", query.timeout_s, fmt::join(told, "; ")));
    if (!query.json) fmt::print("all command logs are drained\n");
    return {};
}

} // namespace holdfast::app
