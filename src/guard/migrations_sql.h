#pragma once

// The statements of the migration runner, and the scripts it makes of schema files.

#include "db/statement.h"
#include "guard/migration_plan.h"

#include <fmt/format.h>

#include <string>

namespace holdfast::guard::sql {

using db::Statement;
namespace oid = db::oid;

/// The two parts of the runner's advisory lock: "migr", and 1.
inline constexpr std::int32_t runner_lock = 0x6d696772, runner_lock_part = 1;

inline constexpr Statement try_lock{
    "migrations_try_lock", "SELECT pg_try_advisory_lock($1, $2)", {oid::int4, oid::int4}};
inline constexpr Statement lock_holder{
    "migrations_lock_holder",
    "SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),"
    " coalesce(a.state, ''), coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)"
    "::bigint FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::oid AND l.objid = $2::oid"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    {oid::int4, oid::int4}};
inline constexpr Statement blockers{
    "migrations_blockers",
    "SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),"
    " coalesce(a.state, ''), coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)"
    "::bigint FROM unnest(pg_blocking_pids($1)) AS b (pid) JOIN pg_stat_activity AS a USING (pid)",
    {oid::int4}};

inline constexpr Statement is_registered{
    "migrations_registered", "SELECT to_regclass('public.schema_migrations') IS NOT NULL"};
inline constexpr Statement list_applied{
    "migrations_applied",
    "SELECT version, name, checksum, applied_at, attempts, duration_ms FROM schema_migrations"
    " ORDER BY version"};

/// Names and checksums come from file names and hexadecimal digits, so they need no quoting.
inline std::string step_script(const Step& step, int attempt) {
    return fmt::format(
        "BEGIN;\nSET LOCAL search_path = public;\n{}{}\n"
        "INSERT INTO public.schema_migrations (version, name, checksum, attempts, duration_ms)"
        " VALUES ({}, '{}', '{}', {},"
        " (extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000)::bigint);\n"
        "COMMIT;",
        step.as_owner ? "SET LOCAL ROLE holdfast_owner;\n" : "", step.sql, step.version, step.name,
        step.checksum, attempt);
}

inline std::string inverse_script(const Step& step) {
    return fmt::format(
        "BEGIN;\nSET LOCAL search_path = public;\n{}"
        "DELETE FROM public.schema_migrations WHERE version = {};\n{}\nCOMMIT;",
        step.as_owner ? "SET LOCAL ROLE holdfast_owner;\n" : "", step.version, step.inverse_sql);
}

} // namespace holdfast::guard::sql
