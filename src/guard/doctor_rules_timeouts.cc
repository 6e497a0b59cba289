// Time limits: who gives up before whom, on the way from a request to a row; and what sessions of
// our roles begin with.

#include "guard/doctor_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace holdfast::guard {
namespace {

/// When Stripe's SDKs stop waiting.
constexpr milliseconds sdk_timeout{80'000};
/// Everybody who comes after a waiting ALTER TABLE waits as well.
constexpr milliseconds migrator_lock_max{2'000};
constexpr milliseconds peer_silence_max{10'000};
constexpr int jitter_min_percent = 5;

struct Limit {
    std::string_view name;
    milliseconds value{};
};

std::string shown(const Limit& limit) {
    return fmt::format("{} {} ms", limit.name, limit.value.count());
}

/// What the server has in force for a session of ours, which the URL may have set; else our own.
milliseconds in_force(const Facts& facts, std::string_view setting, milliseconds own) {
    const Server* primary = facts.primary();
    const auto measured = primary ? primary->number(setting) : std::nullopt;
    return measured ? milliseconds{*measured} : own;
}

// A waiter that outlasts its caller does dead work: pools whose callers wait 30 or 120 s behind an
// HTTP deadline of 10 s never recover from one stall. Waiting for a connection has no limit of its
// own here: it ends with its request.
std::optional<Breach> timeout_ladder(const Facts& facts) {
    const Plan& plan = facts.plan;
    const Limit connect{"connecting", plan.connect_timeout};
    const Limit lock{"lock_timeout", in_force(facts, "lock_timeout", plan.lock_timeout)};
    const Limit statement{"statement_timeout",
                          in_force(facts, "statement_timeout", plan.statement_timeout)};
    const Limit acquirer{"acquirer.timeout", plan.acquirer_timeout};
    const Limit request{"api.request_timeout", plan.request_timeout};
    const Limit sdk{"Stripe's SDKs", sdk_timeout};
    const std::array<std::pair<Limit, Limit>, 5> ladder{{{lock, statement},
                                                         {connect, request},
                                                         {statement, request},
                                                         {acquirer, request},
                                                         {request, sdk}}};
    for (const auto& [shorter, longer] : ladder)
        if (shorter.value >= longer.value && shorter.value.count() > 0 && longer.value.count() > 0)
            return Breach{Severity::Fail, shown(shorter) + ", " + shown(longer),
                          fmt::format("{} less than {}", shorter.name, longer.name)};
    return std::nullopt;
}

/// Nothing when that role is not there, which is so before the first migration.
std::optional<milliseconds> of_role(const Facts& facts, const std::string& role,
                                    const std::string& setting) {
    const Server* primary = facts.primary();
    if (!primary) return std::nullopt;
    const auto found = primary->roles.find(role);
    if (found == primary->roles.end()) return std::nullopt;
    const auto own = found->second.settings.find(setting);
    if (own == found->second.settings.end()) return milliseconds{0};
    return parse_setting_ms(own->second).value_or(milliseconds{0});
}

/// 0 is none.
bool exceeds(milliseconds value, milliseconds most) { return value.count() == 0 || value > most; }

std::optional<Breach> statement_timeout_unbounded(const Facts& facts) {
    const milliseconds most = facts.plan.request_timeout;
    if (in_force(facts, "statement_timeout", facts.plan.statement_timeout).count() == 0)
        return Breach{Severity::Fail, "statement_timeout 0 in a session of ours",
                      fmt::format("{} ms, as it is unless the database URL says otherwise",
                                  facts.plan.statement_timeout.count())};
    const auto role = of_role(facts, std::string(app_role), "statement_timeout");
    if (!role || !exceeds(*role, most)) return std::nullopt;
    return Breach{Severity::Fail,
                  fmt::format("statement_timeout {} ms of role {}", role->count(), app_role),
                  fmt::format("1 to {} ms (api.request_timeout)", most.count())};
}

// A foreign key that was added behind a read of a report stopped every payment for 15 s (GoCardless
// 2015); ours have a budget for each step, and the role's limit is the net below.
std::optional<Breach> migrator_lock_timeout(const Facts& facts) {
    const auto role = of_role(facts, "holdfast_migrator", "lock_timeout");
    if (!role || !exceeds(*role, migrator_lock_max)) return std::nullopt;
    return Breach{Severity::Fail,
                  fmt::format("lock_timeout {} ms of role holdfast_migrator", role->count()),
                  fmt::format("1 to {} ms", migrator_lock_max.count())};
}

std::optional<Breach> idle_in_transaction_unbounded(const Facts& facts) {
    constexpr const char* setting = "idle_in_transaction_session_timeout";
    const std::string safe = "10 s in a session of ours, 30 s of roles";
    if (in_force(facts, setting, facts.plan.idle_in_transaction_timeout).count() == 0)
        return Breach{Severity::Fail, fmt::format("{} 0 in a session of ours", setting), safe};
    for (const char* name : {"holdfast_app", "holdfast_migrator", "holdfast_read"})
        if (const auto role = of_role(facts, name, setting); role && role->count() == 0)
            return Breach{Severity::Fail, fmt::format("{} 0 of role {}", setting, name), safe};
    return std::nullopt;
}

// Keepalives notice a peer that is gone while we wait for an answer, tcp_user_timeout one that does
// not acknowledge what we send: only both together end every wait (measured; without them it took
// more than 25 s, and minutes to hours by the kernel's defaults).
std::optional<Breach> dead_peer_unnoticed(const Facts& facts) {
    const Plan& plan = facts.plan;
    if (!plan.over_tcp) return std::nullopt;
    if (plan.keepalives && !exceeds(plan.tcp_user_timeout, peer_silence_max)) return std::nullopt;
    return Breach{Severity::Fail,
                  fmt::format("keepalives {}, tcp_user_timeout {} ms",
                              plan.keepalives ? "on" : "off", plan.tcp_user_timeout.count()),
                  fmt::format("keepalives on, tcp_user_timeout 1 to {} ms; leave both out of the "
                              "database URL",
                              peer_silence_max.count())};
}

std::optional<Breach> lifetimes_in_step(const Facts& facts) {
    const Plan& plan = facts.plan;
    if (plan.connection_lifetime.count() > 0 && plan.lifetime_jitter_percent >= jitter_min_percent)
        return std::nullopt;
    return Breach{Severity::Warn,
                  fmt::format("lifetime {} ms, jitter {} %", plan.connection_lifetime.count(),
                              plan.lifetime_jitter_percent),
                  fmt::format("a lifetime, with a jitter of at least {} %", jitter_min_percent)};
}

std::optional<Breach> idle_outlives_connection(const Facts& facts) {
    const Plan& plan = facts.plan;
    if (plan.connection_idle_max < plan.connection_lifetime) return std::nullopt;
    return Breach{Severity::Fail,
                  fmt::format("idle connections are kept {} ms, all of them {} ms",
                              plan.connection_idle_max.count(), plan.connection_lifetime.count()),
                  "idle less than lifetime"};
}

/// The primary, when processes begin with the settings of their login. As somebody else they set
/// what these rules ask for themselves (app/database.h).
const Server* primary_as_app(const Facts& facts) {
    return facts.plan.login_role == app_role ? facts.primary() : nullptr;
}

// docs/adr/0004-batches-deltas-seals.md: a generic plan that bitmap-scans one merchant's history
// is right until that merchant is the hot one.
std::optional<Breach> plans_not_pinned(const Facts& facts) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> pinned{{
        {"plan_cache_mode", "force_generic_plan"},
        {"enable_seqscan", "off"},
        {"enable_bitmapscan", "off"},
        {"enable_hashjoin", "off"},
        {"enable_mergejoin", "off"},
    }};
    const Server* primary = primary_as_app(facts);
    if (!primary) return std::nullopt;
    for (const auto& [setting, value] : pinned)
        if (primary->text(setting) != value)
            return Breach{Severity::Fail,
                          fmt::format("{} = {} for {}", setting, primary->text(setting), app_role),
                          fmt::format("{} = {}", setting, value)};
    return std::nullopt;
}

std::optional<Breach> isolation_changed(const Facts& facts) {
    constexpr std::string_view setting = "default_transaction_isolation", safe = "read committed";
    const Server* primary = primary_as_app(facts);
    if (!primary || primary->text(setting) == safe) return std::nullopt;
    return Breach{Severity::Fail,
                  fmt::format("{} = {} for {}", setting, primary->text(setting), app_role),
                  fmt::format("{} = {}", setting, safe)};
}

constexpr Rule rules[] = {
    {"timeout_ladder", Severity::Fail,
     "connecting, lock_timeout < statement_timeout, and the acquirer give up before the request, "
     "and the request before Stripe's SDKs (80 s)",
     "Work goes on for callers who have left, and the ones who wait never get its place.",
     timeout_ladder, AtStart::Refused},
    {"statement_timeout_unbounded", Severity::Fail,
     "statements of ours end, before their request does",
     "Statements of clients that are gone hold the connections, and the outage outlives its cause.",
     statement_timeout_unbounded, AtStart::Refused},
    {"migrator_lock_timeout", Severity::Fail, "holdfast_migrator waits at most 2 s for a lock",
     "A migration that waits for a lock stops all payments behind it.", migrator_lock_timeout,
     AtStart::Refused},
    {"idle_in_transaction_unbounded", Severity::Fail, "idle transactions of our roles are ended",
     "A client that hangs in a transaction keeps its row locks for ever.",
     idle_in_transaction_unbounded, AtStart::Refused},
    {"dead_peer_unnoticed", Severity::Fail,
     "keepalives and tcp_user_timeout (10 s or less) are set",
     "After a network failure each connection hangs for minutes on a server that is gone.",
     dead_peer_unnoticed, AtStart::Refused},
    {"lifetimes_in_step", Severity::Warn, "connections have a lifetime, spread by 5 % or more",
     "All processes reconnect at the same moment, again and again.", lifetimes_in_step},
    {"idle_outlives_connection", Severity::Fail,
     "an idle connection is closed before its lifetime ends",
     "The pool never shrinks after a peak.", idle_outlives_connection, AtStart::Refused},
    {"plans_not_pinned", Severity::Fail,
     "holdfast_app has the planner settings of schema/0001_roles.sql",
     "A plan flips while one merchant is hot, and each of his payments reads his whole history.",
     plans_not_pinned, AtStart::Refused},
    {"isolation_changed", Severity::Fail, "holdfast_app runs at READ COMMITTED",
     "Batches fail with serialization errors as soon as two of them meet.", isolation_changed,
     AtStart::Refused},
};

} // namespace

std::span<const Rule> timeout_rules() { return rules; }

} // namespace holdfast::guard
