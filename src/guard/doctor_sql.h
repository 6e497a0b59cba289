#pragma once

// The statements with which the doctor looks at a server. They read catalogs and statistics only,
// and change nothing. What only members of pg_monitor may see is in `standbys` and
// `data_directory`; to others they show less, without an error.

#include "db/statement.h"

namespace holdfast::guard::doctor_sql {

using db::Statement;

/// The timeline of a primary is that of the log it writes: the control file has it from the next
/// checkpoint on only.
inline constexpr Statement identity{
    "doctor_identity",
    "SELECT pg_backend_pid(), pg_is_in_recovery(),"
    " current_setting('transaction_read_only')::boolean,"
    " (SELECT system_identifier::text FROM pg_control_system()),"
    " CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())"
    " ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer END,"
    " session_user::text, pg_has_role('pg_monitor', 'USAGE'),"
    " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"};

inline constexpr Statement clock{"doctor_clock", "SELECT clock_timestamp()"};

inline constexpr Statement settings{
    "doctor_settings",
    "SELECT name, coalesce(reset_val, ''), pending_restart FROM pg_settings"
    " WHERE pending_restart OR name IN ('max_connections', 'superuser_reserved_connections',"
    " 'reserved_connections', 'shared_buffers', 'work_mem', 'max_locks_per_transaction',"
    " 'max_prepared_transactions', 'max_wal_senders', 'max_worker_processes', 'max_wal_size',"
    " 'wal_keep_size', 'max_slot_wal_keep_size', 'fsync',"
    " 'full_page_writes', 'data_checksums', 'synchronous_commit', 'synchronous_standby_names',"
    " 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',"
    " 'default_transaction_isolation', 'plan_cache_mode', 'enable_seqscan', 'enable_bitmapscan',"
    " 'enable_hashjoin', 'enable_mergejoin') ORDER BY name"};

inline constexpr Statement roles{"doctor_roles",
                                 "SELECT rolname::text, rolconnlimit FROM pg_roles"
                                 " WHERE rolname LIKE 'holdfast\\_%' OR rolname = session_user"};

/// From general to particular, as they override each other.
inline constexpr Statement role_settings{
    "doctor_role_settings",
    "SELECT r.rolname::text, split_part(line, '=', 1), substr(line, strpos(line, '=') + 1)"
    " FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS line"
    " JOIN pg_roles AS r ON s.setrole IN (0, r.oid)"
    " WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
    " AND (r.rolname LIKE 'holdfast\\_%' OR r.rolname = session_user)"
    " ORDER BY s.setrole <> 0, s.setdatabase <> 0"};

/// Clients only: background workers have no user, those that send the log no database. The state of
/// other users' sessions is hidden from us; ours are of our user.
inline constexpr Statement sessions{
    "doctor_sessions",
    "SELECT coalesce(application_name, ''), coalesce(host(client_addr), ''),"
    " coalesce(usename::text, ''), datname::text, count(*),"
    " count(*) FILTER (WHERE state IN ('active', 'idle in transaction',"
    " 'idle in transaction (aborted)'))"
    " FROM pg_stat_activity WHERE datname IS NOT NULL AND usesysid IS NOT NULL"
    " AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'"
    " GROUP BY 1, 2, 3, 4"};

inline constexpr Statement standbys{
    "doctor_standbys",
    "SELECT coalesce(application_name, ''), coalesce(state, ''), coalesce(sync_state, '')"
    " FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'"};

/// In the primary's own database once it has the schema, and for who may read it.
inline constexpr Statement may_see_floor_limits{
    "doctor_may_see_floor_limits",
    "SELECT coalesce(bool_and(has_table_privilege(to_regclass(name), 'SELECT')), false)"
    " FROM unnest('{accounts,api_keys,floor_limits}'::text[]) AS name"};
inline constexpr Statement without_floor_limits{
    "doctor_without_floor_limits",
    "SELECT count(*)::integer FROM accounts AS a WHERE a.livemode"
    " AND EXISTS (SELECT FROM api_keys AS k WHERE k.account_id = a.id"
    " AND coalesce(k.expires > now(), true))"
    " AND NOT EXISTS (SELECT FROM floor_limits AS f WHERE f.account_id = a.id)"};

inline constexpr Statement data_directory{
    "doctor_data_directory", "SELECT coalesce(current_setting('data_directory', true), '')"};

} // namespace holdfast::guard::doctor_sql
