#pragma once

// Subprocess: starting, watching and certainly ending other programs.
//
// Every child leads a session of its own and can carry a `family`, a text in its environment that
// all it starts inherit, so that everything it started can be found and killed with it. Families
// nest: who asks for "a" means "a//b" as well.
//
// A PostgreSQL backend is in a session of its own, overwrites its environment with its title, and
// outlives kill -9 of its postmaster: by seconds when it is busy, for ever when it is stopped. What
// it can't hide is where it works: a `postgres` whose working directory is in the directory that a
// family names ("/data//postgres-a" is /data/postgres-a) belongs to it too.
//
// A process is named by pid *and* start time (/proc/PID/stat), because pids are reused; that pair
// can be written down and checked by a later process.
//
// When the caller is root and Identity names a user, the child runs as that user with no
// privileges to regain. stdin is /dev/null; stdout and stderr go to `log_path` (appended) or are
// inherited. File descriptors above 2 are closed.
//
// All calls are non-blocking except run(), which waits; use it at start-up and through Offload.

#include "base/env.h"
#include "base/result.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace holdfast {

struct UserIdentity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
};

/// The user to run servers as: nobody special when we are not root (empty), else the first of
/// `candidates` that exists. Error "no_unprivileged_user" when we are root and none does.
Result<std::optional<UserIdentity>> unprivileged_user(const std::vector<std::string>& candidates);

/// True when that user may walk through all parents of an absolute path.
bool can_reach(const UserIdentity& user, const std::string& path);

/// Gives a path to that user; a no-op without one.
Result<void> give_to(const std::optional<UserIdentity>& user, const std::string& path);

struct ProcessName {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0; ///< clock ticks since boot
    auto operator<=>(const ProcessName&) const = default;
};

/// The process that has this pid now, if any.
std::optional<ProcessName> process_named(pid_t pid);
bool is_alive(const ProcessName& process);
/// Resident pages, for the curious; CPU time used so far by all threads.
std::optional<Duration> cpu_time_of(const ProcessName& process);

struct SpawnOptions {
    std::vector<std::string> argv; ///< argv[0] is the path of the program
    std::vector<std::pair<std::string, std::string>> environment; ///< added to a minimal one
    std::optional<UserIdentity> user;
    std::string family;   ///< found again by signal_family and family_members; may be empty
    std::string log_path; ///< empty: inherit
    std::string working_directory;
};

/// Errors: Io "spawn_failed" when the program can't be executed.
Result<ProcessName> spawn(const SpawnOptions& options);

/// Signals every process of the session that `leader` leads, the leader included, and everybody of
/// `family` unless that is empty. No leader (ProcessName{}): the family alone. How many were there;
/// who kills until there are none has missed nobody that was forked meanwhile.
int signal_family(const ProcessName& leader, std::string_view family, int signal);
/// Live ones of these, zombies not counted.
int family_members(const ProcessName& leader, std::string_view family);

/// Collects one ended child of ours; its exit status, or 128 + signal.
struct Exit {
    pid_t pid;
    int status;
};
std::optional<Exit> reap_child();

/// Runs a program to its end and returns its output. Error "command_failed" with the tail of the
/// output when it does not exit with 0, "command_timeout" when it had to be killed.
Result<std::string> run(const SpawnOptions& options, Duration timeout);

} // namespace holdfast
