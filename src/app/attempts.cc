// `holdfast attempts`: who wanted to pay and what became of it, from the attempt logs on this
// machine alone (api/attempt_log.h): it needs neither the database nor a running platform.

#include "api/attempt_log.h"
#include "app/commands.h"
#include "app/up.h"
#include "base/env.h"
#include "base/files.h"
#include "base/json_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <vector>

namespace holdfast::app {
namespace {

using api::Attempt;
using api::AttemptOutcome;

constexpr std::size_t outcomes = static_cast<std::size_t>(api::last_enumerator({})) + 1;
using Counts = std::array<std::int64_t, outcomes>;

bool is_unserved(AttemptOutcome outcome) {
    return outcome == AttemptOutcome::Held || outcome == AttemptOutcome::Shed ||
           outcome == AttemptOutcome::Failed;
}

/// One payment over all its attempts.
struct Fate {
    bool unserved = false; ///< at least once
    bool answered = false; ///< in the end
};

struct Impact {
    std::int64_t payments = 0;
    std::int64_t recovered = 0; ///< turned away and answered later
    std::int64_t lost = 0;      ///< turned away and not answered since
    std::int64_t unnamed = 0;   ///< attempts turned away of which nothing says which payment it was
};

Impact impact_of(const std::vector<Attempt>& attempts) {
    Impact impact;
    std::map<std::pair<Uuid, Uuid>, Fate> fates;
    for (const Attempt& attempt : attempts) {
        if (attempt.payment.is_nil()) {
            impact.unnamed += is_unserved(attempt.outcome);
            continue;
        }
        Fate& fate = fates[{attempt.account.uuid(), attempt.payment.uuid()}];
        fate.unserved |= is_unserved(attempt.outcome);
        fate.answered |= !is_unserved(attempt.outcome);
    }
    for (const auto& [payment, fate] : fates) {
        impact.recovered += fate.unserved && fate.answered;
        impact.lost += fate.unserved && !fate.answered;
    }
    impact.payments = static_cast<std::int64_t>(fates.size());
    return impact;
}

/// Of all instances, in the order in which they ended.
Result<std::vector<Attempt>> gathered(const std::string& data, WallTime since) {
    TRY(const SecretString secret, read_secret_file(data + "/secrets/id_secret"));
    const std::filesystem::path logs = data + "/attempt-log";
    std::error_code failure;
    std::vector<Attempt> attempts;
    for (const auto& entry : std::filesystem::directory_iterator(logs, failure)) {
        const auto files = journal_directory(entry.path().string());
        TRY_VOID(api::read_attempts(*files, secret, [&](const Attempt& attempt) {
            if (attempt.time >= since) attempts.push_back(attempt);
        }));
    }
    if (failure)
        return fail(
            ErrorClass::NotFound, "attempts_missing",
            fmt::format("there are no attempt logs in {}: {}", logs.string(), failure.message()));
    std::ranges::sort(attempts, {}, [](const Attempt& a) { return std::pair(a.time, a.request); });
    return attempts;
}

void print_json(const std::vector<Attempt>& attempts) {
    for (const Attempt& attempt : attempts) {
        JsonWriter w(256);
        w.begin_object();
        w.field("time_us", unix_micros(attempt.time));
        w.field("account", attempt.account.is_nil() ? "" : attempt.account.str());
        w.field("payment", attempt.payment.is_nil() ? "" : attempt.payment.str());
        w.field("amount", attempt.amount_minor);
        w.field("currency", attempt.amount_minor > 0 ? attempt.currency.code() : "");
        w.field("outcome", api::to_string(attempt.outcome));
        w.field("request", "req_" + attempt.request.base62());
        w.end_object();
        fmt::print("{}\n", std::move(w).take());
    }
}

void print_counts(std::string_view name, const Counts& counts) {
    fmt::print("{:<18}", name);
    for (const std::int64_t count : counts) fmt::print("{:>11}", count);
    fmt::print("\n");
}

void print_table(const std::vector<Attempt>& attempts) {
    std::map<std::chrono::sys_time<std::chrono::minutes>, Counts> minutes;
    Counts all{};
    for (const Attempt& attempt : attempts) {
        const auto minute = std::chrono::floor<std::chrono::minutes>(attempt.time);
        const auto outcome = static_cast<std::size_t>(attempt.outcome);
        ++minutes[minute][outcome];
        ++all[outcome];
    }
    fmt::print("{:<18}", "minute (UTC)");
    for (std::size_t i = 0; i < outcomes; ++i)
        fmt::print("{:>11}", api::to_string(static_cast<AttemptOutcome>(i)));
    fmt::print("\n");
    for (const auto& [minute, counts] : minutes)
        print_counts(
            fmt::format("{:%F %H:%M}", std::chrono::sys_time<std::chrono::seconds>(minute)),
            counts);
    print_counts("all", all);
    const Impact impact = impact_of(attempts);
    fmt::print("{} payments: {} turned away and answered later, {} not answered since",
               impact.payments, impact.recovered, impact.lost);
    if (impact.unnamed > 0)
        fmt::print("; {} attempts without a key were turned away, too", impact.unnamed);
    fmt::print("\n");
}

} // namespace

Result<void> show_attempts(const AttemptsOptions& options) {
    const std::string data = data_directory_or_default(options.data);
    const WallTime since = Env::current().wall() - std::chrono::minutes{options.minutes};
    TRY(const std::vector<Attempt> attempts, gathered(data, since));
    if (options.json)
        print_json(attempts);
    else
        print_table(attempts);
    return {};
}

} // namespace holdfast::app
