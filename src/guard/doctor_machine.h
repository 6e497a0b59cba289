#pragma once

// What the doctor reads off the machine it runs on: file systems, cores, memory, logind, Patroni.
//
// `root` is where the machine's files are, "/" but in tests. Everything here blocks, up to
// patroni_patience when Patroni is asked for its version: call it through Offload. What is not
// there or can't be read is empty.
//
// Sources: statfs(2) and linux/magic.h; logind.conf(5), systemd.unit(5) (order of drop-ins);
// PostgreSQL documentation, 19.4.2.

#include "guard/doctor_facts.h"

namespace holdfast::guard {

inline constexpr Duration patroni_patience = std::chrono::seconds{5};

/// Empty when there is no such directory, or we may not look.
std::optional<Directory> look_at_directory(const std::string& path);
/// One that is not there yet is judged by where it will be made.
std::optional<Directory> look_at_directory_to_be(const std::string& path);

/// Where processes of this machine keep what they decide without the database, or will.
struct CommandLogPlan {
    std::string directory;
    int count = 1;              ///< of logs in it; 0: one for each instance
    std::int64_t bytes_max = 0; ///< of each
};
/// `uid`: whom the processes run as.
std::optional<CommandLogs> look_at_command_logs(const CommandLogPlan& plan, std::uint32_t uid);

int cores_here();
std::int64_t memory_bytes_here();

/// RemoveIPC as logind has it; empty when systemd does not run here.
std::optional<bool> find_logind_removes_ipc(const std::string& root);
/// The last RemoveIPC= of a text in the form of logind.conf.
std::optional<bool> parse_removes_ipc(std::string_view conf);

/// The Patroni that is configured here; empty when there is none.
std::optional<Patroni> find_patroni(const std::string& root);
/// The one that this configuration is of; empty when the file can't be read.
std::optional<Patroni> read_patroni(const std::string& file, const std::string& root);
/// Whether a configuration in YAML has that key on its first level.
bool has_top_level_key(std::string_view yaml, std::string_view key);
/// A plain scalar one level below a key of the first level; empty when there is none.
std::string_view yaml_value(std::string_view yaml, std::string_view section, std::string_view key);

} // namespace holdfast::guard
