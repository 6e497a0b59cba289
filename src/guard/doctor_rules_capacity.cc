// Capacity: connections, cores, memory, locks, for all processes together.

#include "guard/doctor_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace holdfast::guard {
namespace {

constexpr std::string_view ours = "holdfast:";
constexpr std::array<std::string_view, 2> process_names{"holdfast:pay", "holdfast:background"};

/// A migration and the session that watches it, a command of an operator, and the doctor.
constexpr int tool_connections = 4;
constexpr int pool_smallest = 2; ///< of db.pool_max
/// The database's active sessions do best at about twice its cores.
constexpr int per_core_warn = 4, per_core_fail = 10;
/// Waiting grows without bound as use comes near one; above this it is no longer short.
constexpr double use_max = 0.7;

/// How many sessions all of us may have, and why.
struct Capacity {
    std::int64_t sessions = 0;
    std::string because;
};

int sessions_of_others(const Server& server, std::string_view database = {}) {
    int count = 0;
    for (const Sessions& sessions : server.sessions)
        if (!sessions.application.starts_with(ours) &&
            (database.empty() || sessions.database == database))
            count += sessions.count;
    return count;
}

std::optional<Capacity> capacity_of(const Server& server, const Plan& plan) {
    const auto max = server.number("max_connections");
    if (!max) return std::nullopt;
    // reserved_connections is there from PostgreSQL 16 on. Standbys have slots of their own
    // (max_wal_senders) since 12.
    const std::int64_t reserved = server.number("superuser_reserved_connections").value_or(0) +
                                  server.number("reserved_connections").value_or(0);
    const int others = sessions_of_others(server);
    Capacity least{
        *max - reserved - others,
        fmt::format("max_connections {} - {} reserved - {} of others", *max, reserved, others)};
    const auto limit = [&](std::int64_t sessions, std::string because) {
        if (sessions < least.sessions) least = {sessions, std::move(because)};
    };
    const auto role = server.roles.find(plan.login_role);
    if (role != server.roles.end() && role->second.connection_limit >= 0)
        limit(role->second.connection_limit,
              fmt::format("CONNECTION LIMIT {} of role {}", role->second.connection_limit,
                          plan.login_role));
    if (server.database_connection_limit >= 0)
        limit(server.database_connection_limit,
              fmt::format("CONNECTION LIMIT {} of the database", server.database_connection_limit));
    return least;
}

std::int64_t needed_by(const Plan& plan, int processes) {
    return std::int64_t{processes} * plan.connections_per_process() + tool_connections;
}

/// The largest db.pool_max that fits, or what else would have to change.
std::string fitting(const Plan& plan, int processes, const Capacity& capacity) {
    const std::int64_t each = (capacity.sessions - tool_connections) / processes;
    const std::int64_t pool = each - (plan.connections_per_process() - plan.pool_max);
    if (pool >= pool_smallest) return fmt::format("db.pool_max at most {}", pool);
    Plan smallest = plan;
    smallest.pool_max = pool_smallest;
    return fmt::format("fewer processes, or room for {} connections even with db.pool_max {}",
                       needed_by(smallest, processes), pool_smallest);
}

std::optional<Breach> too_many(const Facts& facts, int processes, Severity severity) {
    const Server* primary = facts.primary();
    if (!primary) return std::nullopt;
    const auto capacity = capacity_of(*primary, facts.plan);
    const std::int64_t needed = needed_by(facts.plan, processes);
    if (!capacity || needed <= capacity->sessions) return std::nullopt;
    return Breach{
        severity,
        fmt::format("{} processes x {} connections + {} for tools = {}, but {} can be had "
                    "({})",
                    processes, facts.plan.connections_per_process(), tool_connections, needed,
                    capacity->sessions, capacity->because),
        fitting(facts.plan, processes, *capacity)};
}

// The remedy of an outage of a flash sale, 4 instances of 50 connections made 12 of 200, asks for
// 2,400 where the server has 100.
std::optional<Breach> connections_exceed_server(const Facts& facts) {
    return too_many(facts, facts.plan.processes(), Severity::Fail);
}

std::optional<Breach> no_room_for_rollout(const Facts& facts) {
    if (connections_exceed_server(facts)) return std::nullopt;
    return too_many(facts, facts.plan.processes() + facts.plan.surge, Severity::Warn);
}

std::optional<Breach> pool_exceeds_cores(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary || !primary->cores) return std::nullopt;
    const int total = facts.plan.instances * facts.plan.pool_max;
    if (total <= per_core_warn * *primary->cores) return std::nullopt;
    return Breach{total > per_core_fail * *primary->cores ? Severity::Fail : Severity::Warn,
                  fmt::format("{} instances x db.pool_max {} = {} on {} cores",
                              facts.plan.instances, facts.plan.pool_max, total, *primary->cores),
                  fmt::format("at most {} in all: {} for each core",
                              per_core_warn * *primary->cores, per_core_warn)};
}

/// By Little's law the average of busy sessions is arrival rate times time in use.
std::optional<Breach> pool_saturated(const Facts& facts) {
    for (const Server& server : facts.servers)
        for (const Sessions& sessions : server.sessions) {
            if (!sessions.application.starts_with(process_names[0])) continue;
            // A busy lane is as it should be: it takes the next batch when it is done.
            const double in_pool = sessions.busy - facts.plan.lanes;
            if (in_pool <= use_max * facts.plan.pool_max) continue;
            return Breach{Severity::Warn,
                          fmt::format("{}: {:.1f} sessions busy on average, {} of them lanes, of a "
                                      "pool of {}",
                                      sessions.application, sessions.busy, facts.plan.lanes,
                                      facts.plan.pool_max),
                          fmt::format("db.pool_max at least {}, or shorter queries",
                                      std::lround(std::ceil(in_pool / use_max)))};
        }
    return std::nullopt;
}

// A driver that cancels and reconnects faster than the server lets go of a session has more
// backends than its pool has places, up to max_connections (pgx #2425).
std::optional<Breach> sessions_beyond_pool(const Facts& facts) {
    const int each = facts.plan.connections_per_process();
    for (const Server& server : facts.servers)
        for (const Sessions& sessions : server.sessions) {
            const auto is = [&](std::string_view name) {
                return sessions.application.starts_with(name);
            };
            if (sessions.count <= each || std::ranges::none_of(process_names, is)) continue;
            return Breach{Severity::Warn,
                          fmt::format("{} has {} sessions on {}", sessions.application,
                                      sessions.count, server.name),
                          fmt::format("at most {}: a process runs with other settings than these, "
                                      "or twice under one name",
                                      each)};
        }
    return std::nullopt;
}

std::optional<Breach> payment_role_shared(const Facts& facts) {
    for (const Server& server : facts.servers)
        for (const Sessions& sessions : server.sessions)
            if (sessions.user == app_role && !sessions.application.starts_with(ours))
                return Breach{Severity::Warn,
                              fmt::format("{} sessions of '{}' are logged in as {}", sessions.count,
                                          sessions.application, app_role),
                              "reports and jobs log in as holdfast_read or as a role of their own"};
    return std::nullopt;
}

std::optional<Breach> memory_overcommitted(const Facts& facts) {
    constexpr std::int64_t kib = 1'024, page = 8 * kib, mib = kib * kib;
    for (const Server& server : facts.servers) {
        const auto connections = server.number("max_connections");
        const auto work_kib = server.number("work_mem");
        const auto buffers = server.number("shared_buffers");
        if (!server.memory_bytes || !connections || !work_kib || !buffers) continue;
        const std::int64_t most = *buffers * page + *connections * *work_kib * kib;
        if (most <= *server.memory_bytes) continue;
        return Breach{
            Severity::Warn,
            fmt::format("{}: shared_buffers {} MB + {} connections x work_mem {} kB = {} MB of {} "
                        "MB",
                        server.name, *buffers * page / mib, *connections, *work_kib, most / mib,
                        *server.memory_bytes / mib),
            fmt::format("work_mem at most {} kB",
                        std::max<std::int64_t>(
                            0, (*server.memory_bytes - *buffers * page) / *connections / kib))};
    }
    return std::nullopt;
}

/// A batch takes an advisory lock for each object that it makes (store/pg_store.h).
std::optional<Breach> lock_table_too_small(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary) return std::nullopt;
    const auto each = primary->number("max_locks_per_transaction");
    const auto connections = primary->number("max_connections");
    const auto prepared = primary->number("max_prepared_transactions");
    if (!each || !connections || !prepared) return std::nullopt;
    const std::int64_t places = *each * (*connections + *prepared);
    const std::int64_t batches = std::int64_t{facts.plan.instances} * (facts.plan.lanes + 1);
    const std::int64_t locks = batches * facts.plan.batch_max;
    if (locks <= places) return std::nullopt;
    return Breach{Severity::Warn,
                  fmt::format("{} batches x processor.batch_max {} = {} locks; the server has "
                              "places for {}",
                              batches, facts.plan.batch_max, locks, places),
                  fmt::format("max_locks_per_transaction at least {}",
                              (locks + *connections + *prepared - 1) / (*connections + *prepared))};
}

/// PostgreSQL documentation, 27.4.3: replay pauses, or the standby does not start.
std::optional<Breach> standby_limits_below_primary(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary) return std::nullopt;
    for (const Server& server : facts.servers) {
        if (!server.reached() || !server.in_recovery) continue;
        for (const char* setting :
             {"max_connections", "max_prepared_transactions", "max_locks_per_transaction",
              "max_wal_senders", "max_worker_processes"}) {
            const auto here = server.number(setting), there = primary->number(setting);
            if (here && there && *here < *there)
                return Breach{Severity::Fail,
                              fmt::format("{} {} on {}, {} on {}", setting, *here, server.name,
                                          *there, primary->name),
                              fmt::format("{} at least {} on {}", setting, *there, server.name)};
        }
    }
    return std::nullopt;
}

constexpr Rule rules[] = {
    {"connections_exceed_server", Severity::Fail,
     "all processes together need no more connections than the server has for them",
     "No pool gets what it is configured for, and a lane, a migration or whoever would repair it "
     "may find no place: \"too many clients\".",
     connections_exceed_server, AtStart::Refused},
    {"no_room_for_rollout", Severity::Warn, "old and new processes fit side by side",
     "The next deployment or restart exhausts the server's connections.", no_room_for_rollout},
    {"pool_exceeds_cores", Severity::Fail,
     "the pools together are at most 4 connections for each core of the "
     "database (10: fail)",
     "A database with more active sessions than cores does less with each, and locks are held "
     "longer.",
     pool_exceeds_cores},
    {"pool_saturated", Severity::Warn, "a pool is at most 70 % in use",
     "Requests wait for a connection while the database is idle.", pool_saturated},
    {"sessions_beyond_pool", Severity::Warn, "a process has no more sessions than its settings say",
     "The sums of connections do not hold, and the server's limit is met earlier.",
     sessions_beyond_pool},
    {"payment_role_shared", Severity::Warn, "only the platform logs in as holdfast_app",
     "A report takes the connections and the locks of payments.", payment_role_shared},
    {"memory_overcommitted", Severity::Warn,
     "shared_buffers and work_mem of all connections fit into the machine's memory",
     "Under load the kernel kills a server process, and all sessions with it.",
     memory_overcommitted},
    {"lock_table_too_small", Severity::Warn,
     "the lock table has a place for each command of all batches",
     "A full batch fails with \"out of shared memory\".", lock_table_too_small},
    {"standby_limits_below_primary", Severity::Fail,
     "a standby allows at least what the primary allows",
     "The standby stops replaying, or does not start: there is nobody to fail over to.",
     standby_limits_below_primary},
};

} // namespace

std::span<const Rule> capacity_rules() { return rules; }

} // namespace holdfast::guard
