#pragma once

// The statements that src/db itself sends: the ends of transactions, the timeouts of the session,
// and what the pool asks of a server. Prepared like any other, so that they cost a few bytes each.

#include "db/statement.h"

namespace holdfast::db::own_statements {

inline constexpr Statement begin{"hf_begin", "BEGIN"};
inline constexpr Statement begin_snapshot{"hf_begin_snapshot",
                                          "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
inline constexpr Statement commit{"hf_commit", "COMMIT"};
inline constexpr Statement rollback{"hf_rollback", "ROLLBACK"};

/// Both in one statement; the values hold for the session, until they are set again.
inline constexpr Statement set_timeouts{
    "hf_set_timeouts",
    "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)",
    {oid::text, oid::text}};

/// Whether anybody answers.
inline constexpr Statement ping{"hf_ping", "SELECT 1"};

inline constexpr Statement set_application_name{
    "hf_set_application_name", "SELECT set_config('application_name', $1, false)", {oid::text}};

/// Places for sessions. reserved_connections is there from PostgreSQL 16 on.
inline constexpr Statement server_limits{
    "hf_server_limits",
    "SELECT current_setting('max_connections')::int8, "
    "current_setting('superuser_reserved_connections')::int8 "
    "+ coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int8, "
    "coalesce((SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user), -1)::int8, "
    "(SELECT datconnlimit FROM pg_database WHERE datname = current_database())::int8"};

/// Who sits on them: clients only. Background workers have no user, those that send the log no
/// database; the kind of other users' sessions is hidden from us.
inline constexpr Statement sessions{
    "hf_sessions",
    "SELECT coalesce(application_name, ''), usesysid = r.oid, datname = current_database(), "
    "count(*) FROM pg_stat_activity, pg_roles AS r WHERE r.rolname = session_user "
    "AND datname IS NOT NULL AND usesysid IS NOT NULL "
    "AND coalesce(backend_type, 'client backend') = 'client backend' GROUP BY 1, 2, 3"};

/// The relation of a file, by its tablespace (0: the database's own) and number; empty: none.
inline constexpr Statement relation_of_file{
    "hf_relation_of_file",
    "SELECT coalesce(pg_filenode_relation($1::oid, $2::oid)::regclass::text, '')",
    {oid::int8, oid::int8}};

} // namespace holdfast::db::own_statements
