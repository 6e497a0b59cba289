#include "store/detail/ask.h"
#include "store/page.h"
#include "store/pg_store.h"
#include "store/rows.h"
#include "store/sql_lists.h"
#include "store/wire.h"

namespace holdfast::store {

using db::Effect;
using db::Pipeline;
using db::Priority;

namespace {

/// Where the query's cursor stands.
template <const Table& table, class T>
Task<std::optional<Position>> find_cursor(db::Pool& pool, Id<core::Account> account,
                                          const ListQuery& query, Deadline deadline) {
    if (!query.cursor) co_return std::nullopt;
    Pipeline pipeline{Effect::Read};
    pipeline.add(Sql<table>::position, account, *query.cursor);
    CO_TRY(auto results, co_await ask(pool, Priority::Browse, pipeline, deadline));
    if (results[0].empty()) co_return cursor_missing<T>(query);
    Position position;
    CO_TRY_VOID(results[0].front().read(position.first, position.second));
    co_return position;
}

/// One page through `filter`, whose parameters are `arguments`.
template <const ListFilter& filter, class T, class... Arguments>
Task<Page<T>> list_rows(db::Pool& pool, Id<core::Account> account, ListQuery query,
                        Deadline deadline, Arguments... arguments) {
    CO_TRY(auto cursor, (co_await find_cursor<filter.table, T>(pool, account, query, deadline)));
    const PageBounds bounds = page_bounds(query, cursor);
    const std::int32_t enough = query.limit + 1;
    Pipeline pipeline{Effect::Read};
    pipeline.add(bounds.newest_first ? List<filter>::newest : List<filter>::oldest, account,
                 bounds.after.first, bounds.after.second, bounds.before.first, bounds.before.second,
                 enough, arguments...);
    CO_TRY(auto results, co_await ask(pool, Priority::Browse, pipeline, deadline));
    CO_TRY(auto rows, read_rows<T>(results[0]));
    co_return make_page(std::move(rows), query.limit, bounds);
}

/// "payment_intent.*" as a LIKE pattern; the underscores are meant.
std::string like_pattern(const std::string& type) {
    std::string pattern;
    for (char c : type) {
        if (c == '_' || c == '%' || c == '\\') pattern += '\\';
        pattern += c;
    }
    if (pattern.ends_with('*')) pattern.back() = '%';
    return pattern;
}

std::optional<db::ParamArray<std::string>> like_patterns(const std::vector<std::string>& types) {
    if (types.empty()) return std::nullopt;
    db::ParamArray<std::string> patterns;
    for (const std::string& type : types) patterns.append(like_pattern(type));
    return patterns;
}

} // namespace

Task<Page<core::Customer>> PgStore::list_customers(Id<core::Account> account, ListQuery query,
                                                   Deadline deadline) {
    if (query.email) {
        const std::string email = *query.email;
        return list_rows<customers_by_email, core::Customer>(pool_, account, std::move(query),
                                                             deadline, email);
    }
    return list_rows<all_customers, core::Customer>(pool_, account, std::move(query), deadline);
}

Task<Page<core::PaymentMethod>> PgStore::list_payment_methods(Id<core::Account> account,
                                                              ListQuery query, Deadline deadline) {
    using T = core::PaymentMethod;
    const auto customer = query.customer;
    if (customer) {
        return list_rows<payment_methods_by_customer, T>(pool_, account, std::move(query), deadline,
                                                         customer);
    }
    return list_rows<all_payment_methods, T>(pool_, account, std::move(query), deadline);
}

Task<Page<core::PaymentIntent>> PgStore::list_payment_intents(Id<core::Account> account,
                                                              ListQuery query, Deadline deadline) {
    using T = core::PaymentIntent;
    const auto customer = query.customer;
    if (customer) {
        return list_rows<payment_intents_by_customer, T>(pool_, account, std::move(query), deadline,
                                                         customer);
    }
    return list_rows<all_payment_intents, T>(pool_, account, std::move(query), deadline);
}

Task<Page<core::Charge>> PgStore::list_charges(Id<core::Account> account, ListQuery query,
                                               Deadline deadline) {
    using T = core::Charge;
    const auto customer = query.customer;
    const auto payment = query.payment_intent;
    if (payment) {
        return list_rows<charges_by_payment_intent, T>(pool_, account, std::move(query), deadline,
                                                       payment, null_if_nil(customer));
    }
    if (customer) {
        return list_rows<charges_by_customer, T>(pool_, account, std::move(query), deadline,
                                                 customer);
    }
    return list_rows<all_charges, T>(pool_, account, std::move(query), deadline);
}

Task<Page<core::Refund>> PgStore::list_refunds(Id<core::Account> account, ListQuery query,
                                               Deadline deadline) {
    using T = core::Refund;
    const auto charge = query.charge;
    const auto payment = query.payment_intent;
    if (charge) {
        return list_rows<refunds_by_charge, T>(pool_, account, std::move(query), deadline, charge,
                                               null_if_nil(payment));
    }
    if (payment) {
        return list_rows<refunds_by_payment_intent, T>(pool_, account, std::move(query), deadline,
                                                       payment);
    }
    return list_rows<all_refunds, T>(pool_, account, std::move(query), deadline);
}

Task<Page<core::BalanceTransaction>> PgStore::list_balance_transactions(Id<core::Account> account,
                                                                        ListQuery query,
                                                                        Deadline deadline) {
    using T = core::BalanceTransaction;
    const auto posting = query.posting;
    const auto currency = query.currency;
    const Uuid source = query.source;
    if (!source.is_nil()) {
        return list_rows<balance_transactions_by_source, T>(pool_, account, std::move(query),
                                                            deadline, posting, currency, source);
    }
    return list_rows<all_balance_transactions, T>(pool_, account, std::move(query), deadline,
                                                  posting, currency);
}

Task<Page<core::Event>> PgStore::list_events(Id<core::Account> account, ListQuery query,
                                             Deadline deadline) {
    auto patterns = like_patterns(query.types);
    return list_rows<all_events, core::Event>(pool_, account, std::move(query), deadline,
                                              std::move(patterns));
}

} // namespace holdfast::store
