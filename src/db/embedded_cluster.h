#pragma once

// EmbeddedCluster: the private PostgreSQL pair of `holdfast up`: a primary and a synchronous
// standby under the data directory, on unix sockets only, with page checksums.
//
//   DATA/primary, DATA/standby   the clusters        DATA/secrets   a password file per role
//   DATA/run (or a short path under /tmp when that is too long for a socket)
//
// This class knows how a node is made, configured and started, and how to tell that it serves;
// who is started when, and what happens when one dies, is the supervisor's business
// (app/supervisor.h). Nodes run as an unprivileged user when we are root. Every call may block for
// seconds: use it at start-up, never on a serving loop.
//
// Passwords are random, one per role, in files of mode 0600 in libpq's passfile form, so that a
// URL names a file and never a password. The superuser's file belongs to whoever started us.
//
// Failure: a node that was half made (the marker of completion is missing) is removed and made
// again; one that was complete is never removed, except by destroy().

#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/subprocess.h"

#include <functional>
#include <optional>
#include <string>

namespace holdfast::db {

enum class Node : std::uint8_t { Primary, Standby };

struct ClusterOptions {
    std::string data_directory; ///< absolute
    std::optional<UserIdentity> user;
    std::string family; ///< of the programs that make a server (base/subprocess.h); may be empty
    /// 60 connections leave room for pools, the slow lane, people and probes on a small machine.
    int max_connections = 60;
};

/// Said to people while something takes long.
using Progress = std::function<void(std::string_view)>;

class EmbeddedCluster {
  public:
    static constexpr std::string_view database = "holdfast";
    static constexpr std::string_view standby_name = "holdfast_standby";

    /// Finds the server programs and prepares directories and secrets; starts nothing.
    /// Errors: Unavailable "postgres_missing" (says what to install), Io.
    static Result<EmbeddedCluster> open(Env& env, ClusterOptions options);

    bool created(Node node) const;
    /// initdb with checksums, configuration, no standby required yet.
    Result<void> create_primary(const Progress& progress);
    /// Base backup of the running primary.
    Result<void> create_standby(const Progress& progress);

    /// Nothing of an earlier start may live; `family` finds what this one starts.
    Result<ProcessName> start(Node node, std::string family) const;
    /// Waits until the node accepts connections. Error Deadline "database_not_ready" with the tail
    /// of its log.
    Result<void> wait_ready(Node node, Duration timeout) const;
    /// Creates the database on the first start.
    Result<void> ensure_database() const;
    /// Gives every role its password, once the roles exist.
    Result<void> set_passwords() const;
    /// From now on a commit waits for the standby (or no more), by reload.
    Result<void> require_standby(bool required) const;
    /// The standby streams and its WAL is flushed up to the primary's: a commit will not wait for
    /// catching up.
    Result<bool> standby_in_sync() const;

    /// Makes the log's next segments on both nodes before a commit needs them, up to min_wal_size;
    /// later ones are recycled by checkpoints. Both must run and be in sync. Error Deadline
    /// "standby_not_replaying".
    Result<void> make_log_ahead(Duration timeout) const;

    /// Passwords by passfile, for processes of ours.
    std::string url(Node node, std::string_view role) const;
    /// With the password inside, for the ready file and for people.
    std::string url_with_password(Node node, std::string_view role) const;

    std::string directory(Node node) const;
    std::string log_path(Node node) const;

    /// Removes both clusters and their secrets. Nothing may run.
    Result<void> destroy() const;

  private:
    EmbeddedCluster(Env& env, ClusterOptions options, std::string programs, std::string sockets);
    Result<void> ensure_secrets();
    std::string program(std::string_view name) const;
    std::string passfile(std::string_view role) const;
    Result<SecretString> password(std::string_view role) const;
    std::string configuration() const;
    /// Until the standby has replayed all that the primary has written.
    Result<void> wait_replayed(MonoTime until) const;
    Result<std::string> admin(Node node, const std::string& statement) const;

    Env* env_;
    ClusterOptions options_;
    std::string programs_; ///< directory of postgres, initdb, pg_basebackup
    std::string sockets_;
};

} // namespace holdfast::db
