#pragma once

// The statements of a lane, beside those that every table has (sql_table.h): its lock and its chain
// of seals, claims, and what hangs on a payment intent.

#include "store/sql_locks.h"
#include "store/tables.h"

namespace holdfast::store::sql {

inline constexpr Statement register_lane{
    "register_lane", "INSERT INTO lanes (id) VALUES ($1) RETURNING number", {oid::uuid}};

/// The write barrier: waits until the transaction that held the lane before has ended.
inline constexpr Statement lock_lane{
    "lock_lane", "SELECT pg_advisory_xact_lock($1, $2), clock_timestamp()", {oid::int4, oid::int4}};

/// A small durable write: once it is committed, so is all that could be seen before it.
inline constexpr Statement raise_barrier{
    "raise_barrier", "UPDATE lanes SET barriers = barriers + 1 WHERE id = $1", {oid::uuid}};

#define HF_SEAL                                                                             \
    "lane, sequence, created, commands, rows, events, entries, entries_sum_minor, digest, " \
    "previous, hash"

inline constexpr Statement last_seal{"last_seal",
                                     "SELECT " HF_SEAL
                                     " FROM seals WHERE lane = $1 ORDER BY sequence DESC LIMIT 1",
                                     {oid::uuid}};

inline constexpr Statement insert_seal{
    "insert_seal",
    "INSERT INTO seals (" HF_SEAL ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    {oid::uuid, oid::int8, oid::timestamptz, oid::int4, oid::int4, oid::int4, oid::int4, oid::int8,
     oid::bytea, oid::bytea, oid::bytea}};

#undef HF_SEAL

inline constexpr Statement read_replays{
    "read_replays",
    "SELECT t.account_id, t.replay_key, t.fingerprint, t.request_id, t.created, t.answer"
    " FROM (SELECT unnest($1) AS account_id, unnest($2) AS replay_key) AS k"
    " JOIN replays AS t ON t.account_id = k.account_id AND t.replay_key = k.replay_key",
    {oid::uuid_array, oid::uuid_array}};

/// Claims: one row per number, whether it is ours.
inline constexpr Statement claim{
    "claim", "SELECT pg_try_advisory_xact_lock(n) FROM unnest($1) AS n", {oid::int8_array}};
inline constexpr Statement claim_wait{
    "claim_wait", "SELECT pg_advisory_xact_lock(n) FROM unnest($1) AS n", {oid::int8_array}};

} // namespace holdfast::store::sql

namespace holdfast::store {

/// Rows that a column of these payment intents names: ($1, $2) as in Sql<>::read. Selected after
/// the payment intents were locked, in a statement of its own, so that they are current.
template <const Table& table, const std::string_view& column> class Related {
    static constexpr SqlText make_name() {
        SqlText name;
        return name.add("read_by_").add(column);
    }
    static constexpr SqlText make_sql() {
        SqlText sql;
        sql.add("SELECT ");
        detail::add_columns(sql, table, "t.", true);
        sql.add(
            " FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k"
            " JOIN payment_intents AS p ON p.account_id = k.account_id AND p.id = k.id"
            " JOIN ");
        sql.add(table.name).add(" AS t ON t.account_id = p.account_id AND t.id = p.").add(column);
        return sql;
    }
    static constexpr SqlText read_name = make_name(), read_sql = make_sql();

  public:
    static constexpr Statement read{
        read_name.c_str(), read_sql.c_str(), {oid::uuid_array, oid::uuid_array}};
};

namespace detail {
inline constexpr std::string_view latest_charge = "latest_charge",
                                  active_operation = "active_operation",
                                  payment_method = "payment_method";
}
using LatestCharges = Related<charges, detail::latest_charge>;
using ActiveOperations = Related<operations, detail::active_operation>;
using ChosenPaymentMethods = Related<payment_methods, detail::payment_method>;

} // namespace holdfast::store
