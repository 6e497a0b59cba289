// Durability: what has to be true of the servers so that an acknowledged payment is never lost.

#include "guard/doctor_rules.h"

#include "db/embedded_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace holdfast::guard {
namespace {

/// Below it are the users of services, whose shared memory logind leaves alone.
constexpr std::uint32_t people_from_uid = 1'000;

std::optional<Breach> switched_off(const Facts& facts, std::string_view setting) {
    for (const Server& server : facts.servers)
        if (server.text(setting) == "off")
            return Breach{Severity::Fail, fmt::format("{} = off on {}", setting, server.name),
                          fmt::format("{} = on", setting)};
    return std::nullopt;
}

std::optional<Breach> fsync_off(const Facts& facts) { return switched_off(facts, "fsync"); }
std::optional<Breach> full_page_writes_off(const Facts& facts) {
    return switched_off(facts, "full_page_writes");
}

std::optional<Breach> checksums_off(const Facts& facts) {
    auto breach = switched_off(facts, "data_checksums");
    if (breach) breach->safe = "stop the server and run pg_checksums --enable";
    return breach;
}

bool waits_for_standby(const Server& server) {
    return !server.text("synchronous_standby_names").empty();
}

std::optional<Breach> synchronous_commit_off(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary) return std::nullopt;
    const std::string_view found = primary->text("synchronous_commit");
    const auto breach = [&](Severity severity) {
        return Breach{severity, fmt::format("synchronous_commit = {}", found),
                      "synchronous_commit = on"};
    };
    if (found == "off") return breach(Severity::Fail);
    if (!waits_for_standby(*primary)) return std::nullopt;
    if (found == "local") return breach(Severity::Fail);
    if (found == "remote_write") return breach(Severity::Warn);
    return std::nullopt;
}

std::optional<Breach> replication_asynchronous(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary || !primary->standbys || primary->standbys->empty()) return std::nullopt;
    if (waits_for_standby(*primary)) return std::nullopt;
    return Breach{Severity::Warn,
                  fmt::format("{} standbys of {}, synchronous_standby_names is empty",
                              primary->standbys->size(), primary->name),
                  "synchronous_standby_names = 'ANY 1 (...)', or synchronous_mode in Patroni"};
}

bool can_confirm(const Standby& standby) {
    return standby.state == "streaming" &&
           (standby.sync_state == "sync" || standby.sync_state == "quorum" ||
            standby.sync_state == "potential");
}

/// The supervisor of the embedded pair starts its only standby again; nobody else does.
std::optional<Breach> lone_sync_standby(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary || !primary->standbys || !waits_for_standby(*primary)) return std::nullopt;
    const auto& standbys = *primary->standbys;
    // Patroni names one of those that stream, and another one as soon as that is lost.
    const bool kept = facts.patroni && facts.patroni->agreed && facts.patroni->agreed->synchronous;
    const auto candidates = std::ranges::count_if(standbys, [&](const Standby& standby) {
        return kept ? standby.state == "streaming" : can_confirm(standby);
    });
    const bool supervised = std::ranges::any_of(standbys, [](const Standby& standby) {
        return can_confirm(standby) &&
               (standby.name == db::EmbeddedCluster::standby_name_of(db::Node::A) ||
                standby.name == db::EmbeddedCluster::standby_name_of(db::Node::B));
    });
    if (candidates > 1 || supervised) return std::nullopt;
    return Breach{candidates == 0 ? Severity::Fail : Severity::Warn,
                  fmt::format("{} standbys of {} can confirm commits ({})", candidates,
                              primary->name, primary->text("synchronous_standby_names")),
                  "two or more, of which one has to"};
}

std::optional<Breach> data_in_memory(const Facts& facts) {
    const auto breach = [](const Directory& directory) {
        return Breach{Severity::Fail,
                      fmt::format("{} is on {}", directory.path, directory.filesystem),
                      "a directory on a disk"};
    };
    if (facts.data && facts.data->volatile_memory()) return breach(*facts.data);
    for (const Server& server : facts.servers)
        if (server.data && server.data->volatile_memory()) return breach(*server.data);
    return std::nullopt;
}

std::string in_mib(std::int64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

// Where the platform's data is in memory, too, that is said by data_in_memory.
std::optional<Breach> command_log_in_memory(const Facts& facts) {
    if (!facts.command_logs || !facts.command_logs->directory.volatile_memory())
        return std::nullopt;
    if (facts.data && facts.data->volatile_memory()) return std::nullopt;
    const Directory& directory = facts.command_logs->directory;
    return Breach{Severity::Fail, fmt::format("{} is on {}", directory.path, directory.filesystem),
                  "a directory on a disk"};
}

std::optional<Breach> command_log_unwritable(const Facts& facts) {
    if (!facts.command_logs || facts.command_logs->writable) return std::nullopt;
    const Directory& directory = facts.command_logs->directory;
    return Breach{Severity::Fail,
                  fmt::format("{} {}", directory.path,
                              directory.read_only
                                  ? std::string("is on a file system that is mounted read-only")
                                  : fmt::format("has mode {:o} and belongs to uid {}",
                                                directory.mode & 07777, directory.owner_uid)),
                  "a directory of the user whom the processes run as"};
}

std::string may_grow(const CommandLogs& logs) {
    return fmt::format("{} command logs of {} each, {} now", logs.count, in_mib(logs.bytes_max),
                       in_mib(logs.bytes));
}

std::optional<Breach> command_log_without_room(const Facts& facts) {
    const auto& logs = facts.command_logs;
    if (!logs || logs->directory.free_bytes >= logs->to_grow()) return std::nullopt;
    return Breach{Severity::Warn,
                  fmt::format("{} has {} free, for {}", logs->directory.path,
                              in_mib(logs->directory.free_bytes), may_grow(*logs)),
                  fmt::format("{} free, or a file system of their own", in_mib(logs->to_grow()))};
}

constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();

/// What a server's own log may become while a standby is away. 0: not seen.
std::int64_t wal_bytes_max(const Server& server) {
    const std::int64_t usual = server.number("max_wal_size").value_or(0);
    const std::int64_t kept = server.number("wal_keep_size").value_or(0);
    const bool replicates = server.standbys && !server.standbys->empty();
    const std::int64_t slots = replicates ? server.number("max_slot_wal_keep_size").value_or(0) : 0;
    if (slots < 0) return no_limit;
    return std::max({usual, kept, slots}) << 20;
}

// A disk that the database has filled must not stop what is there for the database's absence. With
// room for all that either may write before somebody looks, one disk will do, which is how `up`
// lays out a machine.
std::optional<Breach> command_log_beside_database(const Facts& facts) {
    const auto& logs = facts.command_logs;
    if (!logs || logs->directory.free_bytes < logs->to_grow()) return std::nullopt;
    std::int64_t needed = logs->to_grow();
    std::string neighbours;
    for (const Server& server : facts.servers) {
        if (!server.data || server.data->device != logs->directory.device) continue;
        const std::int64_t wal = wal_bytes_max(server);
        if (wal == no_limit)
            return Breach{
                Severity::Warn,
                fmt::format("{} keeps its log for standbys without a limit, on the file "
                            "system of {}",
                            server.name, logs->directory.path),
                "a max_slot_wal_keep_size, or a file system of its own for the command log"};
        needed += wal;
        neighbours += fmt::format(", {} for the log of {}", in_mib(wal), server.name);
    }
    if (neighbours.empty() || logs->directory.free_bytes >= needed) return std::nullopt;
    return Breach{
        Severity::Warn,
        fmt::format("{} has {} free, for {}{}", logs->directory.path,
                    in_mib(logs->directory.free_bytes), may_grow(*logs), neighbours),
        fmt::format("{} free, or a file system of its own for the command log", in_mib(needed))};
}

// Merchants in test mode risk nothing.
std::optional<Breach> floor_limits_unset(const Facts& facts) {
    const Server* primary = facts.primary();
    if (!primary || primary->without_floor_limits.value_or(0) == 0) return std::nullopt;
    return Breach{Severity::Warn,
                  fmt::format("{} merchants with a live key have no floor limit",
                              *primary->without_floor_limits),
                  "`holdfast account floor-limit` with what each of them would risk"};
}

std::optional<Breach> logind_removes_ipc(const Facts& facts) {
    if (!facts.logind_removes_ipc.value_or(false)) return std::nullopt;
    for (const Server& server : facts.servers)
        if (server.data && server.data->owner_uid >= people_from_uid)
            return Breach{Severity::Fail,
                          fmt::format("{} runs as uid {}, and RemoveIPC is on", server.name,
                                      server.data->owner_uid),
                          "RemoveIPC=no in logind.conf, or a user with a uid below 1000"};
    return std::nullopt;
}

constexpr Rule rules[] = {
    {"fsync_off", Severity::Fail, "fsync is on",
     "A power failure loses or mangles the whole database.", fsync_off, AtStart::Refused},
    {"full_page_writes_off", Severity::Fail, "full_page_writes is on",
     "A crash in the middle of a write leaves half pages that nothing repairs.",
     full_page_writes_off, AtStart::Refused},
    {"checksums_off", Severity::Fail, "pages have checksums",
     "A page that a disk damaged is read as if it were good, and copied into every backup.",
     checksums_off, AtStart::Refused},
    {"synchronous_commit_off", Severity::Fail,
     "a commit waits for the disk, and for the standby if there is one",
     "Payments that were acknowledged are gone after a crash.", synchronous_commit_off,
     AtStart::Refused},
    {"replication_asynchronous", Severity::Warn, "a commit waits for a standby if there are any",
     "A failover loses the last payments that were acknowledged.", replication_asynchronous},
    {"lone_sync_standby", Severity::Fail, "two standbys can confirm commits, if one has to",
     "When that standby is lost every commit hangs.", lone_sync_standby},
    {"data_in_memory", Severity::Fail, "neither the platform's nor a server's data is on tmpfs",
     "A restart of the machine erases every payment.", data_in_memory, AtStart::Refused},
    {"command_log_in_memory", Severity::Fail, "the command log is not on tmpfs",
     "A restart of the machine erases what was accepted while the database was away.",
     command_log_in_memory, AtStart::Refused},
    {"command_log_unwritable", Severity::Fail, "the processes may write their command log",
     "No process that takes payments can start.", command_log_unwritable, AtStart::Refused},
    {"command_log_without_room", Severity::Warn,
     "the file system of the command log has room for all that it may hold",
     "A long outage fills it, and payments are refused before the log's own limit.",
     command_log_without_room},
    {"command_log_beside_database", Severity::Warn,
     "a file system that holds the command log and a database has room for both",
     "When the database fills the disk there is no stand-in, though that is what it is for.",
     command_log_beside_database},
    {"floor_limits_unset", Severity::Warn, "every merchant with a live key has a floor limit",
     "While neither the database nor the acquirer can be reached each of its payments is refused.",
     floor_limits_unset},
    {"logind_removes_ipc", Severity::Fail,
     "logind leaves the shared memory of PostgreSQL's user alone",
     "When that user logs out the server's semaphores are removed, and it crashes.",
     logind_removes_ipc},
};

} // namespace

std::span<const Rule> durability_rules() { return rules; }

} // namespace holdfast::guard
