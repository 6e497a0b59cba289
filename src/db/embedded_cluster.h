#pragma once

// EmbeddedCluster: the private PostgreSQL pair of `holdfast up`: two nodes, one of which is the
// primary and the other its synchronous standby, under the data directory, on unix sockets only,
// with page checksums. Which is which changes with time and is not written into any name: it is the
// caller who knows (app/failover.h).
//
//   DATA/postgres-a, DATA/postgres-b   the nodes     DATA/secrets   a password file per role
//   DATA/postgres-a.made, ...          that node is whole (beside it: a copy brings all files
//   along) DATA/run (or a short path under /tmp when that is too long for a socket)
//
// This class knows how a node is made, configured and started, how one that was the primary becomes
// a standby again, and how to tell that it serves; who is started when, and what happens when one
// dies, is the supervisor's business (app/supervisor.h, app/cluster_keeper.h). Nodes run as an
// unprivileged user when we are root. Every call may block for seconds: use it at start-up, never
// on a serving loop.
//
// holdfast.conf in each node says how it finds the other and whom its commits wait for, so that
// roles can change without editing anything but that file.
//
// Passwords are random, one per role, in files of mode 0600 in libpq's passfile form, so that a
// URL names a file and never a password. The superuser's file belongs to whoever started us.
//
// Failure: a node that is not marked as made was made or copied by half; it is removed and made
// again. The mark is taken away before anything is done to a node's files and put back when all of
// them are durable. What is removed to be copied again is a standby, after its primary has
// answered.

#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/subprocess.h"

#include <functional>
#include <optional>
#include <string>

namespace holdfast::db {

enum class Node : std::uint8_t { A, B };
constexpr Node other(Node node) { return node == Node::A ? Node::B : Node::A; }
constexpr std::string_view name_of(Node node) { return node == Node::A ? "a" : "b"; }

/// Whether a primary's commits wait for the other node.
enum class Commits : std::uint8_t { Alone, WaitForOther };

struct ClusterOptions {
    std::string data_directory; ///< absolute
    std::optional<UserIdentity> user;
    std::string family; ///< of the programs that make a server (base/subprocess.h); may be empty
    /// 60 connections leave room for pools, the slow lane, people and probes on a small machine.
    int max_connections = 100;
};

/// Said to people while something takes long.
using Progress = std::function<void(std::string_view)>;

class EmbeddedCluster {
  public:
    static constexpr std::string_view database = "holdfast";

    /// Finds the server programs and prepares directories and secrets; starts nothing.
    /// Errors: Unavailable "postgres_missing" (says what to install), Io.
    static Result<EmbeddedCluster> open(Env& env, ClusterOptions options);

    /// It is whole.
    bool made(Node node) const;
    Result<void> mark_made(Node node) const;
    /// It is to be copied anew when it starts next. Not for a primary.
    Result<void> unmark_made(Node node) const;
    /// A pair in the layout of an earlier build is here, which this one can't use.
    bool earlier_layout() const;
    /// initdb with checksums, configuration, no standby required yet. Not marked as made: that is
    /// for who has filled it.
    Result<void> create(Node node, const Progress& progress);
    /// Makes a node a standby of the other one, which runs as the primary: by a base backup when it
    /// is not whole, by pg_rewind when it was a primary itself, by a base backup when that fails.
    /// Nothing of it may run.
    Result<void> follow(Node node, const Progress& progress);
    /// The node is configured as a standby (which it stays, when promoted, until it has read so).
    bool follows(Node node) const;

    /// The program of a node with its arguments. Nothing of an earlier start may live.
    std::vector<std::string> command_line(Node node) const;
    /// Waits until the node accepts connections. Error Deadline "database_not_ready" with the tail
    /// of its log.
    Result<void> wait_ready(Node node, Duration timeout) const;
    /// Creates the database on the first start.
    Result<void> ensure_database(Node primary) const;
    /// Gives every role its password and what it may do outside our database, once roles exist.
    Result<void> set_up_roles(Node primary) const;
    /// Of a node as a standby: its slot on the other one, and the application_name of its receiver.
    static std::string standby_name_of(Node node);
    /// How a node finds the other, and whether its commits wait for it. Counts from the next start
    /// or reload.
    Result<void> configure(Node node, Commits commits) const;

    /// Makes the log's next segments on both nodes before a commit needs them, up to min_wal_size;
    /// later ones are recycled by checkpoints. Both must run and be in sync. Error Deadline
    /// "standby_not_replaying".
    Result<void> make_log_ahead(Node primary, Duration timeout) const;

    /// Both nodes, whoever is the primary now. Passwords by passfile, for processes of ours.
    std::string url(std::string_view role) const;
    /// One node, as `url`.
    std::string url_of(Node node, std::string_view role) const;
    /// Both nodes with the password inside, for the ready file and for people. `attrs` as libpq's
    /// target_session_attrs: read-write, prefer-standby.
    std::string url_with_password(std::string_view role, std::string_view attrs) const;

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
    std::string find_other(Node node, std::string_view application) const;
    std::string marker(Node node) const;
    Result<void> make_directory(Node node) const;
    Result<void> base_backup(Node node, const Progress& progress) const;
    Result<void> rewind(Node node, const Progress& progress) const;
    Result<void> wait_other_is_primary(Node node) const;
    /// Until the other node has replayed all that the primary has written.
    Result<void> wait_replayed(Node primary, MonoTime until) const;
    Result<std::string> admin(Node node, const std::string& statement) const;

    Env* env_;
    ClusterOptions options_;
    std::string programs_; ///< directory of postgres, initdb, pg_basebackup
    std::string sockets_;
};

} // namespace holdfast::db
