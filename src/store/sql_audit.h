#pragma once

// The statements of audit.h. A check answers (id, label, expected, actual), one row per finding, at
// most $1 of them; a count answers one number.

#include "db/statement.h"

namespace holdfast::store::sql {

using db::Statement;
namespace oid = db::oid;

inline constexpr Statement audit_snapshot{
    "audit_snapshot", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"};

/// The application's role pins plans for payments; these are for reading everything. Nested loops
/// are off, so that missing statistics can't make an audit take the square of its time.
inline constexpr Statement audit_settings{
    "audit_settings",
    "SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),"
    " set_config('enable_mergejoin', 'on', true), set_config('enable_bitmapscan', 'on', true),"
    " set_config('enable_nestloop', 'off', true)"};

inline constexpr Statement audit_transaction_unbalanced{
    "audit_transaction_unbalanced",
    "SELECT transaction_id, currency, '0', sum(amount_minor)::text FROM entries"
    " GROUP BY account_id, transaction_id, currency HAVING sum(amount_minor) <> 0"
    " ORDER BY transaction_id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_transaction_net{
    "audit_transaction_net",
    "SELECT b.id, b.kind, (b.amount_minor - b.fee_minor)::text, coalesce(e.got, 0)::text"
    " FROM balance_transactions AS b LEFT JOIN ("
    "SELECT account_id, transaction_id, sum(amount_minor) AS got FROM entries"
    " WHERE ledger IN ('pending', 'available') GROUP BY account_id, transaction_id) AS e"
    " ON e.account_id = b.account_id AND e.transaction_id = b.id"
    " WHERE b.kind IN ('capture', 'refund', 'refund_failed')"
    " AND coalesce(e.got, 0) <> b.amount_minor - b.fee_minor ORDER BY b.id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_balance_mismatch{
    "audit_balance_mismatch",
    "SELECT account_id, ledger || ' ' || currency, coalesce(sum(posted), 0)::text,"
    " coalesce(sum(kept), 0)::text FROM ("
    "SELECT CASE WHEN ledger IN ('fee_income', 'acquirer_receivable', 'acquirer_cost', 'bank',"
    " 'suspense') THEN '00000000-0000-0000-0000-000000000000' ELSE account_id END AS account_id,"
    " ledger, currency, amount_minor AS posted, 0 AS kept FROM entries"
    " UNION ALL SELECT account_id, ledger, currency, 0, amount_minor FROM balances"
    " UNION ALL SELECT account_id, ledger, currency, 0, amount_minor FROM balance_deltas"
    ") AS parts GROUP BY account_id, ledger, currency HAVING sum(posted) <> sum(kept)"
    " ORDER BY account_id, ledger, currency LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_charge_captured{
    "audit_charge_captured",
    "SELECT c.id, 'captured', coalesce(p.posted, 0)::text, c.amount_captured_minor::text"
    " FROM charges AS c LEFT JOIN ("
    "SELECT account_id, source, sum(amount_minor) AS posted FROM balance_transactions"
    " WHERE kind = 'capture' GROUP BY account_id, source) AS p"
    " ON p.account_id = c.account_id AND p.source = c.id"
    " WHERE coalesce(p.posted, 0) <> c.amount_captured_minor ORDER BY c.id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_charge_refunded{
    "audit_charge_refunded",
    "SELECT id, 'refunded', expected::text, actual::text FROM ("
    "SELECT c.id, c.amount_refunded_minor AS actual, coalesce(r.refunded, 0) + CASE"
    " WHEN c.captured THEN c.amount_minor - c.amount_captured_minor"
    " WHEN c.status = 'succeeded' AND p.status = 'canceled' THEN c.amount_minor"
    " ELSE 0 END AS expected"
    " FROM charges AS c"
    " LEFT JOIN payment_intents AS p"
    " ON p.account_id = c.account_id AND p.id = c.payment_intent"
    " LEFT JOIN (SELECT account_id, charge, sum(amount_minor) AS refunded FROM refunds"
    " WHERE status IN ('pending', 'succeeded') GROUP BY account_id, charge) AS r"
    " ON r.account_id = c.account_id AND r.charge = c.id"
    ") AS charge WHERE expected <> actual ORDER BY id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_refund_posted{
    "audit_refund_posted",
    "SELECT id, status, expected::text, actual::text FROM ("
    "SELECT r.id, r.status, CASE r.status WHEN 'succeeded' THEN -r.amount_minor ELSE 0 END"
    " AS expected, coalesce(p.posted, 0) AS actual FROM refunds AS r LEFT JOIN ("
    "SELECT account_id, source, sum(amount_minor) AS posted FROM balance_transactions"
    " WHERE kind IN ('refund', 'refund_failed') GROUP BY account_id, source) AS p"
    " ON p.account_id = r.account_id AND p.source = r.id"
    ") AS refund WHERE expected <> actual ORDER BY id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_payment_received{
    "audit_payment_received",
    "SELECT p.id, p.status, coalesce(c.captured, 0)::text, p.amount_received_minor::text"
    " FROM payment_intents AS p LEFT JOIN ("
    "SELECT account_id, payment_intent, sum(amount_captured_minor) AS captured FROM charges"
    " GROUP BY account_id, payment_intent) AS c"
    " ON c.account_id = p.account_id AND c.payment_intent = p.id"
    " WHERE coalesce(c.captured, 0) <> p.amount_received_minor"
    " OR (p.status = 'succeeded' AND p.amount_received_minor = 0) ORDER BY p.id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_event_missing{
    "audit_event_missing",
    "SELECT o.id, o.type, 'announced', 'no event' FROM ("
    "SELECT account_id, id, 'payment_intent.' || status AS type FROM payment_intents"
    " WHERE status IN ('succeeded', 'canceled') UNION ALL "
    "SELECT account_id, id, 'charge.' || status FROM charges"
    " WHERE status IN ('succeeded', 'failed')) AS o WHERE NOT EXISTS ("
    "SELECT FROM events AS e WHERE e.account_id = o.account_id AND e.object_id = o.id"
    " AND e.type = o.type) ORDER BY o.id LIMIT $1",
    {oid::int4}};

inline constexpr Statement audit_operation_active{
    "audit_operation_active",
    "SELECT o.id, o.kind, o.state, coalesce(p.status, 'no payment') FROM operations AS o"
    " LEFT JOIN payment_intents AS p ON p.account_id = o.account_id AND p.id = o.payment_intent"
    " WHERE (o.state = 'started') <> coalesce(p.active_operation = o.id, false)"
    " ORDER BY o.id LIMIT $1",
    {oid::int4}};

/// (seals' entries, their sum, their events; entries, their sum, events)
inline constexpr Statement audit_totals{
    "audit_totals",
    "SELECT coalesce(s.entries, 0)::bigint, coalesce(s.amount, 0)::bigint,"
    " coalesce(s.events, 0)::bigint, e.entries, coalesce(e.amount, 0)::bigint,"
    " (SELECT count(*) FROM events) FROM"
    " (SELECT sum(entries) AS entries, sum(entries_sum_minor) AS amount, sum(events) AS events"
    " FROM seals) AS s,"
    " (SELECT count(*) AS entries, sum(abs(amount_minor)) AS amount FROM entries) AS e"};

inline constexpr Statement audit_counts{
    "audit_counts",
    "SELECT (SELECT count(*) FROM payment_intents), (SELECT count(*) FROM charges),"
    " (SELECT count(*) FROM refunds), (SELECT count(*) FROM operations),"
    " (SELECT count(*) FROM balance_transactions)"};

/// One page of seals after ($1, $2), by lane and sequence.
inline constexpr Statement audit_seals{
    "audit_seals",
    "SELECT lane, sequence, created, commands, rows, events, entries, entries_sum_minor, digest,"
    " previous, hash FROM seals WHERE (lane, sequence) > ($1, $2) ORDER BY lane, sequence LIMIT $3",
    {oid::uuid, oid::int8, oid::int4}};

} // namespace holdfast::store::sql
