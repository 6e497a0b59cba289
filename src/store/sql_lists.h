#pragma once

// The statements behind lists: one page of a table, newest or oldest first, between two exclusive
// bounds of (created, sequence). One statement per filter that has an index of its own, so that a
// generic plan walks that index and stops after one page; what has none is checked on the way.
//
// Parameters: $1 account, $2 $3 lower bound, $4 $5 upper bound, $6 rows, then those of the filter.

#include "store/tables.h"

namespace holdfast::store {

struct ListFilter {
    const Table& table;
    std::string_view name;
    std::string_view where; ///< begins with " AND " unless empty
    ParamTypes types;
    std::string_view from = {}; ///< in place of the table, if its rows are not found by an index
};

namespace detail {

constexpr SqlText list_sql(const ListFilter& filter, bool newest_first) {
    SqlText sql;
    sql.add("SELECT ");
    add_columns(sql, filter.table, "t.", true);
    sql.add(" FROM ");
    if (filter.from.empty())
        sql.add(filter.table.name).add(" AS t");
    else
        sql.add(filter.from);
    sql.add(" WHERE t.account_id = $1");
    sql.add(" AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5)");
    sql.add(filter.where);
    sql.add(newest_first ? " ORDER BY t.created DESC, t.sequence DESC LIMIT $6"
                         : " ORDER BY t.created, t.sequence LIMIT $6");
    return sql;
}

constexpr ParamTypes list_types(const ListFilter& filter) {
    ParamTypes types{oid::uuid,        oid::timestamptz, oid::int8,
                     oid::timestamptz, oid::int8,        oid::int4};
    for (Oid type : filter.types.span()) types.append(type);
    return types;
}

} // namespace detail

template <const ListFilter& filter> class List {
    static constexpr SqlText name(std::string_view suffix) {
        SqlText name;
        return name.add("list_").add(filter.name).add(suffix);
    }
    static constexpr SqlText newest_name = name("_newest"), oldest_name = name("_oldest");
    static constexpr SqlText newest_sql = detail::list_sql(filter, true);
    static constexpr SqlText oldest_sql = detail::list_sql(filter, false);

  public:
    static constexpr Statement newest{newest_name.c_str(), newest_sql.c_str(),
                                      detail::list_types(filter)};
    static constexpr Statement oldest{oldest_name.c_str(), oldest_sql.c_str(),
                                      detail::list_types(filter)};
};

/// Allows the index by created, for lists that have no other (schema/0003_payments.sql).
#define HF_BY_CREATED " AND t.created IS NOT NULL"

inline constexpr ListFilter all_customers{
    customers, "customers", HF_BY_CREATED " AND NOT t.deleted", {}};
inline constexpr ListFilter customers_by_email{
    customers, "customers_by_email", " AND NOT t.deleted AND t.email = $7", {oid::text}};

inline constexpr ListFilter all_payment_methods{
    payment_methods, "payment_methods", HF_BY_CREATED, {}};
inline constexpr ListFilter payment_methods_by_customer{
    payment_methods, "payment_methods_by_customer", " AND t.customer = $7", {oid::uuid}};

inline constexpr ListFilter all_payment_intents{
    payment_intents, "payment_intents", HF_BY_CREATED, {}};
inline constexpr ListFilter payment_intents_by_customer{
    payment_intents, "payment_intents_by_customer", " AND t.customer = $7", {oid::uuid}};

inline constexpr ListFilter all_charges{charges, "charges", HF_BY_CREATED, {}};
inline constexpr ListFilter charges_by_customer{
    charges, "charges_by_customer", " AND t.customer = $7", {oid::uuid}};
inline constexpr ListFilter charges_by_payment_intent{
    charges,
    "charges_by_payment_intent",
    " AND t.payment_intent = $7 AND ($8 IS NULL OR t.customer = $8)",
    {oid::uuid, oid::uuid}};

inline constexpr ListFilter all_refunds{refunds, "refunds", HF_BY_CREATED, {}};
inline constexpr ListFilter refunds_by_payment_intent{
    refunds, "refunds_by_payment_intent", " AND t.payment_intent = $7", {oid::uuid}};
inline constexpr ListFilter refunds_by_charge{
    refunds,
    "refunds_by_charge",
    " AND t.charge = $7 AND ($8 IS NULL OR t.payment_intent = $8)",
    {oid::uuid, oid::uuid}};

inline constexpr ListFilter all_balance_transactions{
    balance_transactions,
    "balance_transactions",
    HF_BY_CREATED " AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8)",
    {oid::text, oid::text}};
/// A charge and a refund know their balance transactions, so no index on the source is needed.
inline constexpr ListFilter balance_transactions_by_source{
    balance_transactions,
    "balance_transactions_by_source",
    " AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8)",
    {oid::text, oid::text, oid::uuid},
    "(SELECT c.balance_transaction AS id FROM charges AS c"
    " WHERE c.account_id = $1 AND c.id = $9"
    " UNION ALL SELECT unnest(ARRAY[r.balance_transaction, r.failure_balance_transaction])"
    " FROM refunds AS r WHERE r.account_id = $1 AND r.id = $9) AS k"
    " CROSS JOIN LATERAL (SELECT * FROM balance_transactions AS b"
    " WHERE b.account_id = $1 AND b.id = k.id OFFSET 0) AS t"};

/// $7: LIKE patterns.
inline constexpr ListFilter all_events{
    events, "events", HF_BY_CREATED " AND ($7 IS NULL OR t.type LIKE ANY ($7))", {oid::text_array}};

#undef HF_BY_CREATED

} // namespace holdfast::store
