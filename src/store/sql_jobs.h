#pragma once

// The statements of balances and of the jobs of the background: folding deltas, finding operations
// that nobody concluded, removing old replay answers.

#include "store/sql_locks.h"
#include "store/tables.h"

namespace holdfast::store::sql {

inline constexpr Statement read_balance{
    "read_balance",
    "SELECT ledger, currency, sum(amount_minor)::bigint FROM ("
    "SELECT ledger, currency, amount_minor FROM balances WHERE account_id = $1"
    " UNION ALL "
    "SELECT ledger, currency, amount_minor FROM balance_deltas WHERE account_id = $1"
    ") AS parts GROUP BY ledger, currency HAVING sum(amount_minor) <> 0 ORDER BY ledger, currency",
    {oid::uuid}};

/// One folder at a time. Not needed for the sums (a delta is added by whoever deletes it), but two
/// would wait for each other's rows.
inline constexpr Statement try_job_lock{
    "try_job_lock", "SELECT pg_try_advisory_xact_lock($1, $2)", {oid::int4, oid::int4}};

/// For jobs that have to be done by each.
inline constexpr Statement job_lock{
    "job_lock", "SELECT pg_advisory_xact_lock($1, $2)", {oid::int4, oid::int4}};

inline constexpr Statement fold_balances{
    "fold_balances",
    "WITH folded AS (DELETE FROM balance_deltas AS d USING ("
    "SELECT account_id, sequence FROM balance_deltas ORDER BY account_id, sequence LIMIT $1"
    ") AS k WHERE d.account_id = k.account_id AND d.sequence = k.sequence"
    " RETURNING d.account_id, d.ledger, d.currency, d.amount_minor),"
    " added AS (INSERT INTO balances AS b (account_id, ledger, currency, amount_minor)"
    " SELECT account_id, ledger, currency, sum(amount_minor)::bigint FROM folded"
    " GROUP BY account_id, ledger, currency"
    " ON CONFLICT (account_id, ledger, currency)"
    " DO UPDATE SET amount_minor = b.amount_minor + excluded.amount_minor)"
    " SELECT count(*) FROM folded",
    {oid::int4}};

/// Looks at the operations that the last sweep could not see, which are those of transactions that
/// ran then or began later, and lists those that are open; drops from the list those that no longer
/// are. Does nothing while another instance does it. A snapshot and not its oldest transaction
/// marks the place: somebody's transaction that stays open must hide nothing.
inline constexpr Statement sweep_operations{
    "sweep_operations",
    "WITH sweep AS MATERIALIZED (SELECT seen, pg_current_snapshot() AS sees"
    " FROM operation_sweep FOR UPDATE SKIP LOCKED),"
    " fresh AS (SELECT o.account_id, o.id, o.state"
    " FROM sweep JOIN operations AS o ON o.started_in >= pg_snapshot_xmax(sweep.seen)"
    " UNION ALL SELECT o.account_id, o.id, o.state"
    " FROM sweep CROSS JOIN LATERAL pg_snapshot_xip(sweep.seen) AS ran(number)"
    " JOIN operations AS o ON o.started_in = ran.number),"
    " found AS (INSERT INTO open_operations (account_id, id) SELECT account_id, id FROM fresh"
    " WHERE state = 'started' ON CONFLICT DO NOTHING),"
    " concluded AS (DELETE FROM open_operations AS p USING sweep WHERE (SELECT o.state"
    " FROM operations AS o WHERE o.account_id = p.account_id AND o.id = p.id) <> 'started')"
    " UPDATE operation_sweep AS s SET seen = sweep.sees FROM sweep"
    " WHERE pg_snapshot_xmax(sweep.sees) > pg_snapshot_xmax(sweep.seen)"};

inline constexpr SqlText stale_operations_sql = [] {
    SqlText sql;
    sql.add("SELECT ");
    detail::add_columns(sql, operations, "t.", true);
    sql.add(" FROM open_operations AS p CROSS JOIN LATERAL (SELECT ");
    detail::add_columns(sql, operations, "t.", true);
    return sql.add(
        " FROM operations AS t WHERE t.account_id = p.account_id AND t.id = p.id"
        " OFFSET 0) AS t WHERE t.state = 'started' AND t.valid_until < $1"
        " ORDER BY t.valid_until, t.id LIMIT $2");
}();
inline constexpr Statement stale_operations{
    "stale_operations", stale_operations_sql.c_str(), {oid::timestamptz, oid::int4}};

/// Every operation, in key order, for the comparison with the acquirer.
inline constexpr SqlText operations_after_sql = [] {
    SqlText sql;
    sql.add("SELECT ");
    detail::add_columns(sql, operations, "t.", true);
    return sql.add(
        " FROM operations AS t WHERE (t.account_id, t.id) > ($1, $2)"
        " ORDER BY t.account_id, t.id LIMIT $3");
}();
inline constexpr Statement operations_after{
    "operations_after", operations_after_sql.c_str(), {oid::uuid, oid::uuid, oid::int4}};

/// The one plan that may use a bitmap: replays_by_created is a BRIN index.
inline constexpr Statement allow_bitmap_scan{"allow_bitmap_scan",
                                             "SELECT set_config('enable_bitmapscan', 'on', true)"};
inline constexpr Statement expire_replays{
    "expire_replays",
    "DELETE FROM replays AS r USING ("
    "SELECT account_id, replay_key FROM replays WHERE created < $1 LIMIT $2"
    ") AS old WHERE r.account_id = old.account_id AND r.replay_key = old.replay_key",
    {oid::timestamptz, oid::int4}};

/// Answers whether a commit is possible here: a standby is in recovery.
inline constexpr Statement ping{
    "ping", "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"};

} // namespace holdfast::store::sql
