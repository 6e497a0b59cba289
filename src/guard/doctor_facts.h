#pragma once

// Facts: all that the doctor's rules may look at, measured or configured, as one plain value.
//
//   Facts facts = ...;                            // guard/doctor_gather.h fills them
//   for (const Finding& finding : examine(facts)) // guard/doctor_rules.h judges them
//
// What could not be seen is empty (optional, or absent from a map), never a guess: a rule that
// lacks a fact says nothing, and the rule facts_hidden says that something was not seen.
//
// Settings are those of pg_settings, by name, in the unit of the server (pg_settings.unit), as a
// session of ours has them from its start (reset_val). Settings of roles are as somebody typed them
// in ALTER ROLE; parse_setting_ms() reads times. Times of ours are milliseconds.

#include "base/env.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::guard {

using std::chrono::milliseconds;

/// Whom the processes that take payments are in the database (schema/0001_roles.sql).
inline constexpr std::string_view app_role = "holdfast_app";

/// What the platform is going to do with the database: its configuration and its size.
struct Plan {
    int instances = 0; ///< processes that take payments; 0: as many as are seen running
    int surge = 1;     ///< processes of a new version that start before the old ones have ended
    int pool_max = 0;  ///< db.pool_max
    int lanes = 0;     ///< processor.lanes
    int batch_max = 0; ///< processor.batch_max

    milliseconds request_timeout{}; ///< api.request_timeout
    milliseconds acquirer_timeout{};
    milliseconds connect_timeout{};
    milliseconds statement_timeout{}, lock_timeout{}, idle_in_transaction_timeout{};
    milliseconds connection_lifetime{}, connection_idle_max{};
    int lifetime_jitter_percent = 0;

    std::string login_role; ///< whom the processes log in as
    bool over_tcp = false;  ///< at least one server is reached by TCP
    bool keepalives = true;
    milliseconds tcp_user_timeout{};

    /// Each process has its pool, its lanes, a lane each for slow and for suspect commands, and a
    /// connection each to watch the server and its share of it.
    int connections_per_process() const { return pool_max + lanes + 4; }
    /// Those that take payments and one for what goes on in the background.
    int processes() const { return instances + 1; }
};

/// Sessions of one application from one machine.
struct Sessions {
    std::string application; ///< holdfast:pay-1
    std::string client;      ///< address; empty for a socket of this machine
    std::string user;
    std::string database;
    int count = 0;
    double busy = 0; ///< how many had something to do, on average over the time of looking
};

struct Standby {
    std::string name, state, sync_state; ///< as pg_stat_replication has them
};

struct Role {
    int connection_limit = -1; ///< -1: none
    /// What a session of it begins with in this database: ALTER DATABASE, ALTER ROLE, both.
    std::map<std::string, std::string> settings;
};

struct Directory {
    std::string path;
    std::string filesystem; ///< "tmpfs" or "ramfs" when it is in memory, else "disk"
    std::uint32_t owner_uid = 0;
    std::uint32_t mode = 0755;   ///< who may do what, as stat(2) has it
    bool read_only = false;      ///< its file system
    std::uint64_t device = 0;    ///< of its file system; the same for all that fill up together
    std::int64_t free_bytes = 0; ///< of its file system, for those who are not root
    bool volatile_memory() const { return filesystem != "disk"; }
    /// Who may by a group is taken to be in it.
    bool writable_by(std::uint32_t uid) const;
};

/// Where the processes of this machine keep what they decide without the database.
struct CommandLogs {
    Directory directory;  ///< of all of them, or of the one
    bool writable = true; ///< by whom the processes run as
    int count = 1;
    std::int64_t bytes = 0;     ///< that they have now
    std::int64_t bytes_max = 0; ///< that each may have
    std::int64_t to_grow() const { return std::max<std::int64_t>(0, count * bytes_max - bytes); }
};

struct Server {
    std::string name;        ///< host:port
    std::string unreachable; ///< why there is no session with it; empty: there is one
    bool pooler = false;     ///< something that is no PostgreSQL server answers in its name

    int version = 0; ///< 150004 for 15.4
    bool in_recovery = false, read_only = false;
    std::string system_identifier;
    std::uint32_t timeline = 0;
    std::optional<Duration> clock_ahead; ///< of ours; the part that the round trip can't explain
    std::map<std::string, std::string> settings;
    std::vector<std::string> pending_restart; ///< settings whose file says something else

    int database_connection_limit = -1;
    std::map<std::string, Role> roles;            ///< holdfast_* and the one we log in as
    std::vector<Sessions> sessions;               ///< without the doctor's own
    std::optional<std::vector<Standby>> standbys; ///< seen by members of pg_monitor only
    /// Of the merchants with a live key those who accept nothing while acquirer and database are
    /// away.
    std::optional<int> without_floor_limits;

    std::optional<int> cores;                 ///< of its machine
    std::optional<std::int64_t> memory_bytes; ///< of its machine
    std::optional<Directory> data;            ///< when it is on this machine

    bool reached() const { return unreachable.empty(); }
    bool is_primary() const { return reached() && !in_recovery; }
    std::optional<std::int64_t> number(std::string_view setting) const;
    /// Empty when not seen.
    std::string_view text(std::string_view setting) const;
};

struct Patroni {
    std::string file;    ///< its configuration; empty: not seen
    std::string version; ///< "3.0.2"; empty: not known
    bool etcd3 = false;  ///< speaks etcd's third API
    std::string api;     ///< host:port of its REST API; empty: not known
    /// What the whole cluster has agreed on, as the REST API tells.
    struct Agreed {
        bool synchronous = false; ///< synchronous_mode
        bool failsafe = false;    ///< failsafe_mode
        milliseconds primary_start_timeout{};
    };
    std::optional<Agreed> agreed;
};

struct Facts {
    Plan plan;
    std::vector<Server> servers;   ///< each host of the URL
    std::optional<Directory> data; ///< of the platform
    std::optional<CommandLogs> command_logs;
    std::optional<bool> logind_removes_ipc; ///< empty: no logind on this machine
    std::optional<Patroni> patroni;

    /// The one that is written: not in recovery, on the newest timeline. Null when there is none.
    const Server* primary() const;
};

/// "10s", "1min", "250" (milliseconds when there is no unit). Empty when it is no time.
std::optional<milliseconds> parse_setting_ms(std::string_view text);

/// Processes that take payments, as their sessions give them away.
int instances_running(const std::vector<Server>& servers);

} // namespace holdfast::guard
