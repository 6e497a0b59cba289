// Who answers: the right version, one primary, on our clock, without a go-between.

#include "guard/doctor_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast::guard {
namespace {

using std::chrono::duration_cast;

constexpr int postgres_major = 15, versions_per_major = 10'000;
/// An operation stops this long before its valid_until (processor/processor.h): a clock that is
/// further off lets two of us act on one.
constexpr milliseconds clock_off_fail{1'000}, clock_off_warn{250};

std::optional<Breach> server_unreachable(const Facts& facts) {
    std::vector<std::string> away;
    for (const Server& server : facts.servers)
        if (!server.reached() && !server.pooler)
            away.push_back(server.name + ": " + server.unreachable);
    if (away.empty()) return std::nullopt;
    return Breach{Severity::Fail, fmt::format("{}", fmt::join(away, "; ")),
                  "each host of the database URL answers"};
}

std::optional<Breach> unsupported_server_version(const Facts& facts) {
    for (const Server& server : facts.servers)
        if (server.reached() && server.version / versions_per_major != postgres_major)
            return Breach{
                Severity::Fail,
                fmt::format("{} is version {}.{}", server.name, server.version / versions_per_major,
                            server.version % versions_per_major),
                fmt::format("PostgreSQL {}", postgres_major)};
    return std::nullopt;
}

// PgBouncer in transaction mode loses prepared statements, session timeouts and advisory locks
// between two transactions, and it answers for a primary that is none any more (its #1311).
std::optional<Breach> pooler_in_between(const Facts& facts) {
    for (const Server& server : facts.servers)
        if (server.pooler)
            return Breach{Severity::Fail, server.name + " is a pooler, not the server itself",
                          "the database URL names the PostgreSQL servers; the pool is built in"};
    return std::nullopt;
}

std::optional<Breach> no_writable_primary(const Facts& facts) {
    if (facts.servers.empty()) return std::nullopt; // they were not asked
    if (!std::ranges::all_of(facts.servers, &Server::reached)) return std::nullopt;
    const Server* primary = facts.primary();
    if (primary && !primary->read_only) return std::nullopt;
    return Breach{Severity::Fail,
                  primary ? primary->name + " takes no writes (default_transaction_read_only)"
                          : "every host of the database URL is a standby",
                  "one host of the database URL takes writes"};
}

std::optional<Breach> stale_primary(const Facts& facts) {
    const Server* primary = facts.primary();
    for (const Server& server : facts.servers)
        if (server.is_primary() && primary && &server != primary)
            return Breach{
                Severity::Fail,
                fmt::format("{} takes writes on timeline {}, and so does {} on {}", server.name,
                            server.timeline, primary->name, primary->timeline),
                fmt::format("{} alone takes writes", primary->name)};
    return std::nullopt;
}

std::optional<Breach> foreign_server(const Facts& facts) {
    const Server* first = nullptr;
    for (const Server& server : facts.servers) {
        if (server.system_identifier.empty()) continue;
        if (!first) first = &server;
        if (server.system_identifier != first->system_identifier)
            return Breach{
                Severity::Fail,
                fmt::format("{} is cluster {}, {} is {}", first->name, first->system_identifier,
                            server.name, server.system_identifier),
                "all hosts of the database URL are copies of one cluster"};
    }
    return std::nullopt;
}

std::optional<Breach> clock_skew(const Facts& facts) {
    for (const Server& server : facts.servers) {
        if (!server.clock_ahead) continue;
        const auto off = duration_cast<milliseconds>(std::chrono::abs(*server.clock_ahead));
        if (off < clock_off_warn) continue;
        return Breach{off < clock_off_fail ? Severity::Warn : Severity::Fail,
                      fmt::format("{} is {} ms {} of this machine", server.name, off.count(),
                                  server.clock_ahead->count() > 0 ? "ahead" : "behind"),
                      fmt::format("less than {} ms", clock_off_warn.count())};
    }
    return std::nullopt;
}

std::optional<Breach> facts_hidden(const Facts& facts) {
    for (const Server& server : facts.servers)
        if (server.reached() && !server.pooler && !server.standbys)
            return Breach{Severity::Warn,
                          server.name + " does not show us its standbys and directories",
                          "log in as a member of pg_monitor, such as holdfast_watch"};
    if (facts.patroni && !facts.patroni->api.empty() && !facts.patroni->agreed)
        return Breach{Severity::Warn, "Patroni at " + facts.patroni->api + " does not answer",
                      "the address of a node of Patroni that runs (--patroni)"};
    return std::nullopt;
}

std::optional<Breach> settings_pending_restart(const Facts& facts) {
    for (const Server& server : facts.servers)
        if (!server.pending_restart.empty())
            return Breach{
                Severity::Warn,
                fmt::format("{}: {}", server.name, fmt::join(server.pending_restart, ", ")),
                "what runs is what the file says: restart, or take the change back"};
    return std::nullopt;
}

constexpr Rule rules[] = {
    {"server_unreachable", Severity::Fail, "each host of the database URL answers",
     "Nobody takes payments, or nobody can take over from the one who does.", server_unreachable},
    {"unsupported_server_version", Severity::Fail, "the servers are PostgreSQL 15",
     "Plans, locks and catalogs of other versions are untested: payments may stop with any of "
     "them.",
     unsupported_server_version, AtStart::Refused},
    {"pooler_in_between", Severity::Fail,
     "no pooler (PgBouncer, Odyssey) stands between us and the server",
     "Prepared statements, time limits and advisory locks get lost between transactions, and a "
     "stale primary hides behind it.",
     pooler_in_between, AtStart::Refused},
    {"no_writable_primary", Severity::Fail, "one of the servers takes writes",
     "No payment can be recorded.", no_writable_primary},
    {"stale_primary", Severity::Fail, "only one of the servers takes writes",
     "Writes to a primary that was replaced are lost when it is made a standby again.",
     stale_primary},
    {"foreign_server", Severity::Fail, "all servers are copies of one cluster",
     "After a failover the platform would go on with somebody else's data.", foreign_server,
     AtStart::Refused},
    {"clock_skew", Severity::Fail, "the servers' clocks agree with ours",
     "An operation may be taken over while its owner still acts on it.", clock_skew},
    {"facts_hidden", Severity::Warn, "the doctor sees what it has to judge",
     "Rules on replication, directories or Patroni were not checked.", facts_hidden},
    {"settings_pending_restart", Severity::Warn,
     "no changed setting waits for a restart of the server",
     "The next restart, most likely a failover, changes the server's behaviour.",
     settings_pending_restart},
};

} // namespace

std::span<const Rule> server_rules() { return rules; }

} // namespace holdfast::guard
