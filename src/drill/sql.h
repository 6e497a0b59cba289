#pragma once

// The SQL of drills, all of it. A drill acts as an outsider: a migration that locks, a job that
// rewrites a table, a witness who reads what is stored without asking the code that stored it. None
// of that may go through src/store, which exists to make such things impossible (docs/style.md).

#include "db/statement.h"

namespace holdfast::drill::sql {

using db::Statement;
namespace oid = db::oid;

// --- The ledger as a witness --------------------------------------------------------------------

/// (purchase, status, received, lacks its event), oldest first; at most $1.
inline constexpr Statement ledger_purchases{
    "drill_ledger_purchases",
    "SELECT p.metadata->>'purchase_id', p.status, p.amount_received_minor,"
    " p.status = 'succeeded' AND NOT EXISTS (SELECT FROM events AS e"
    " WHERE e.account_id = p.account_id AND e.object_id = p.id"
    " AND e.type = 'payment_intent.succeeded')"
    " FROM payment_intents AS p WHERE p.metadata ? 'purchase_id' ORDER BY p.created LIMIT $1",
    {oid::int4}};

// --- Faults -------------------------------------------------------------------------------------

/// Of the tables of one design.
struct TableFaults {
    const char* lock;      ///< what a careless migration holds for its whole length
    const char* old;       ///< $1 rows of a merchant who is long gone, for a job to work on
    const char* rewrite;   ///< the unthrottled job itself
    const char* lock_up;   ///< two of these in opposite directions ...
    const char* lock_down; ///< ... are a deadlock
    const char* table;     ///< of which a page is damaged
    const char* page;      ///< which one, and the purchases on it: a row each
};

/// How many wait for a lock that $1 (a backend) holds.
inline constexpr Statement waiting_for{
    "drill_waiting_for",
    "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))",
    {oid::int4}};

inline constexpr TableFaults of_holdfast{
    .lock = "LOCK TABLE payment_intents, charges, operations IN ACCESS EXCLUSIVE MODE",
    .old =
        "INSERT INTO payment_intents (account_id, id, created, request_fingerprint, version,"
        " failed_attempts, operations, amount_minor, amount_capturable_minor,"
        " amount_received_minor, currency, status, capture_method, confirmation_method, details)"
        " SELECT '00000000-0000-0000-0000-00000000d811', gen_random_uuid(), p.created,"
        " p.request_fingerprint, p.version, 0, 0, p.amount_minor, 0, 0, p.currency,"
        " 'requires_payment_method', p.capture_method, p.confirmation_method, p.details"
        " FROM (SELECT * FROM payment_intents LIMIT 1) AS p CROSS JOIN generate_series(1, $1)",
    .rewrite =
        "UPDATE payment_intents"
        " SET metadata = coalesce(metadata, '{}') || '{\"migrated\":\"yes\"}'",
    .lock_up =
        "SELECT p.id FROM (SELECT account_id, id FROM payment_intents"
        " ORDER BY created DESC LIMIT 200) AS newest"
        " JOIN payment_intents AS p USING (account_id, id) ORDER BY p.id FOR UPDATE OF p",
    .lock_down =
        "SELECT p.id FROM (SELECT account_id, id FROM payment_intents"
        " ORDER BY created DESC LIMIT 200) AS newest"
        " JOIN payment_intents AS p USING (account_id, id) ORDER BY p.id DESC"
        " FOR UPDATE OF p",
    .table = "payment_intents",
    // Of those with nothing but payments of customers beside the load, the fullest one.
    .page =
        "WITH pages AS (SELECT (ctid::text::point)[0]::int8 AS block, count(*) AS payments"
        " FROM payment_intents GROUP BY 1"
        " HAVING bool_and(coalesce(metadata ? 'beside_load', false))),"
        " fullest AS (SELECT block FROM pages ORDER BY payments DESC, block LIMIT 1)"
        " SELECT f.block, p.metadata->>'purchase_id' FROM fullest AS f JOIN payment_intents AS p"
        " ON (p.ctid::text::point)[0]::int8 = f.block"};

inline constexpr TableFaults of_ordinary{
    .lock = "LOCK TABLE ordinary_payments IN ACCESS EXCLUSIVE MODE",
    .old =
        "INSERT INTO ordinary_payments (id, card, amount_minor, status)"
        " SELECT gen_random_uuid()::text, 'none', 1, 'requires_payment_method'"
        " FROM generate_series(1, $1)",
    .rewrite = "UPDATE ordinary_payments SET note = coalesce(note, '') || 'migrated '",
    .lock_up =
        "SELECT id FROM ordinary_payments WHERE id IN (SELECT id FROM ordinary_payments"
        " ORDER BY created DESC LIMIT 200) ORDER BY id FOR UPDATE",
    .lock_down =
        "SELECT id FROM ordinary_payments WHERE id IN (SELECT id FROM ordinary_payments"
        " ORDER BY created DESC LIMIT 200) ORDER BY id DESC FOR UPDATE",
    .table = "ordinary_balance",
    // It has one: the page that every payment goes through.
    .page = "SELECT 0::int8, ''::text"};

// A relation that is moved to another tablespace and back is copied page by page and has none left
// in the server's memory. In the transaction that does so nobody else can read one before it is
// damaged.
inline constexpr const char* allow_spare_place = "SET allow_in_place_tablespaces = on";
inline constexpr const char* make_spare_place = "CREATE TABLESPACE drill_spare LOCATION ''";
inline constexpr const char* move_away = "ALTER TABLE {} SET TABLESPACE drill_spare";
inline constexpr const char* move_back = "ALTER TABLE {} SET TABLESPACE pg_default";
inline constexpr const char* file_of =
    "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{}')";
/// Whatever is the first row there.
inline constexpr const char* read_page = "SELECT count(*) FROM {} WHERE ctid = '({},1)'";

/// Each commit waits so long before its log is flushed.
inline constexpr const char* slow_commits =
    "ALTER SYSTEM SET commit_delay = 100000; ALTER SYSTEM SET commit_siblings = 0";
inline constexpr const char* usual_commits =
    "ALTER SYSTEM RESET commit_delay; ALTER SYSTEM RESET commit_siblings";
inline constexpr const char* reload = "SELECT pg_reload_conf()";
/// A commit that writes and changes nothing of ours.
inline constexpr const char* some_commit = "SELECT pg_logical_emit_message(true, 'drill', 'x')";

/// Needs more pages than a full disk has.
inline constexpr const char* more_pages =
    "CREATE TABLE drill_more AS SELECT repeat('x', 100) FROM generate_series(1, 100000)";
/// Goes on to the next file of the log.
inline constexpr const char* next_log_file =
    "SELECT pg_logical_emit_message(false, 'drill', ''), pg_switch_wal()";

/// Everybody has to connect anew.
inline constexpr const char* end_all_sessions =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'walsender')";
/// (sessions of serve processes, standbys that stream)
inline constexpr Statement who_is_connected{
    "drill_who_is_connected",
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE usename = 'holdfast_app'),"
    " (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')",
    {}};

/// How much of the log some standby has said that it has on disk.
inline constexpr const char* acknowledged_by_standby =
    "SELECT coalesce(max(flush_lsn)::text, 'nobody') FROM pg_stat_replication";

inline constexpr const char* answer_at_all = "SELECT 1";

// --- The ordinary design (ordinary.h) -----------------------------------------------------------

inline constexpr const char* ordinary_tables[] = {
    "CREATE TABLE ordinary_payments (id text PRIMARY KEY, purchase text, card text NOT NULL,"
    " amount_minor bigint NOT NULL, status text NOT NULL, note text,"
    " created timestamptz NOT NULL DEFAULT clock_timestamp())",
    "CREATE INDEX ON ordinary_payments (created)",
    "CREATE TABLE ordinary_balance (amount_minor bigint NOT NULL)",
    "INSERT INTO ordinary_balance VALUES (0)"};

inline constexpr Statement ordinary_create{
    "drill_ordinary_create",
    "INSERT INTO ordinary_payments (id, purchase, card, amount_minor, status)"
    " VALUES ($1, $2, $3, $4::bigint, 'requires_confirmation')",
    {oid::text, oid::text, oid::text, oid::text}};
inline constexpr Statement ordinary_lock{
    "drill_ordinary_lock",
    "SELECT status, card, purchase, amount_minor FROM ordinary_payments WHERE id = $1 FOR UPDATE",
    {oid::text}};
inline constexpr Statement ordinary_read{
    "drill_ordinary_read",
    "SELECT status, card, purchase, amount_minor FROM ordinary_payments WHERE id = $1",
    {oid::text}};
/// (id), newest first.
inline constexpr Statement ordinary_list{
    "drill_ordinary_list", "SELECT id FROM ordinary_payments ORDER BY created DESC LIMIT 10", {}};
inline constexpr Statement ordinary_finish{"drill_ordinary_finish",
                                           "UPDATE ordinary_payments SET status = $2 WHERE id = $1",
                                           {oid::text, oid::text}};
/// The row that every payment of the merchant waits for.
inline constexpr Statement ordinary_credit{
    "drill_ordinary_credit",
    "UPDATE ordinary_balance SET amount_minor = amount_minor + $1",
    {oid::int8}};
inline constexpr Statement ordinary_purchases{
    "drill_ordinary_purchases",
    "SELECT purchase, status, CASE status WHEN 'succeeded' THEN amount_minor ELSE 0 END, false"
    " FROM ordinary_payments WHERE purchase IS NOT NULL ORDER BY created LIMIT $1",
    {oid::int4}};
inline constexpr const char* ordinary_balanced =
    "SELECT (SELECT sum(amount_minor) FROM ordinary_balance) = (SELECT coalesce(sum(amount_minor),"
    " 0) FROM ordinary_payments WHERE status = 'succeeded')";

} // namespace holdfast::drill::sql
