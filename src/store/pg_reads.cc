#include "store/pg_reads.h"

#include "store/page.h"
#include "store/rows.h"
#include "store/sql_jobs.h"
#include "store/sql_lists.h"
#include "store/wire.h"

namespace holdfast::store {

using db::Effect;
using db::Pipeline;
using db::Priority;

struct PgReads::Asking {
    template <const Table& table, class T>
    static Task<std::optional<T>> row(PgReads& reads, Id<core::Account> account, Id<T> id,
                                      Deadline deadline) {
        db::ParamArray<Id<core::Account>> accounts;
        db::ParamArray<Id<T>> ids;
        accounts.append(account);
        ids.append(id);
        Pipeline pipeline{Effect::Read};
        pipeline.add(Sql<table>::read, accounts, ids);
        CO_TRY(auto results, co_await reads.ask(Priority::Payment, pipeline, deadline));
        if (results[0].empty()) co_return std::nullopt;
        CO_TRY(T value, read_row<T>(results[0].front()));
        co_return value;
    }

    /// Where the query's cursor stands.
    template <const Table& table, class T>
    static Task<std::optional<Position>> cursor(PgReads& reads, Id<core::Account> account,
                                                const ListQuery& query, Deadline deadline) {
        if (!query.cursor) co_return std::nullopt;
        Pipeline pipeline{Effect::Read};
        pipeline.add(Sql<table>::position, account, *query.cursor);
        CO_TRY(auto results, co_await reads.ask(Priority::Browse, pipeline, deadline));
        if (results[0].empty()) co_return cursor_missing<T>(query);
        Position position;
        CO_TRY_VOID(results[0].front().read(position.first, position.second));
        co_return position;
    }

    /// One page through `filter`, whose parameters are `arguments`.
    template <const ListFilter& filter, class T, class... Arguments>
    static Task<Page<T>> page(PgReads& reads, Id<core::Account> account, ListQuery query,
                              Deadline deadline, Arguments... arguments) {
        CO_TRY(auto place, (co_await cursor<filter.table, T>(reads, account, query, deadline)));
        const PageBounds bounds = page_bounds(query, place);
        const std::int32_t enough = query.limit + 1;
        Pipeline pipeline{Effect::Read};
        pipeline.add(bounds.newest_first ? List<filter>::newest : List<filter>::oldest, account,
                     bounds.after.first, bounds.after.second, bounds.before.first,
                     bounds.before.second, enough, arguments...);
        CO_TRY(auto results, co_await reads.ask(Priority::Browse, pipeline, deadline));
        CO_TRY(auto rows, read_rows<T>(results[0]));
        co_return make_page(std::move(rows), query.limit, bounds);
    }
};

namespace {

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

Task<std::optional<core::Customer>> PgReads::find(Id<core::Account> account, Id<core::Customer> id,
                                                  Deadline deadline) {
    return Asking::row<customers>(*this, account, id, deadline);
}
Task<std::optional<core::PaymentMethod>> PgReads::find(Id<core::Account> account,
                                                       Id<core::PaymentMethod> id,
                                                       Deadline deadline) {
    return Asking::row<payment_methods>(*this, account, id, deadline);
}
Task<std::optional<core::Token>> PgReads::find(Id<core::Account> account, Id<core::Token> id,
                                               Deadline deadline) {
    return Asking::row<tokens>(*this, account, id, deadline);
}
Task<std::optional<core::PaymentIntent>> PgReads::find(Id<core::Account> account,
                                                       Id<core::PaymentIntent> id,
                                                       Deadline deadline) {
    return Asking::row<payment_intents>(*this, account, id, deadline);
}
Task<std::optional<core::Charge>> PgReads::find(Id<core::Account> account, Id<core::Charge> id,
                                                Deadline deadline) {
    return Asking::row<charges>(*this, account, id, deadline);
}
Task<std::optional<core::Refund>> PgReads::find(Id<core::Account> account, Id<core::Refund> id,
                                                Deadline deadline) {
    return Asking::row<refunds>(*this, account, id, deadline);
}
Task<std::optional<core::BalanceTransaction>> PgReads::find(Id<core::Account> account,
                                                            Id<core::BalanceTransaction> id,
                                                            Deadline deadline) {
    return Asking::row<balance_transactions>(*this, account, id, deadline);
}
Task<std::optional<core::Event>> PgReads::find(Id<core::Account> account, Id<core::Event> id,
                                               Deadline deadline) {
    return Asking::row<events>(*this, account, id, deadline);
}

Task<Balance> PgReads::balance(Id<core::Account> account, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::read_balance, account);
    CO_TRY(auto results, co_await ask(Priority::Browse, pipeline, deadline));
    Balance balance;
    for (db::Row row : results[0]) {
        Balance::Amount amount{};
        CO_TRY_VOID(row.read(amount.kind, amount.currency, amount.amount_minor));
        balance.amounts.push_back(amount);
    }
    co_return balance;
}

Task<Page<core::Customer>> PgReads::list_customers(Id<core::Account> account, ListQuery query,
                                                   Deadline deadline) {
    if (query.email) {
        const std::string email = *query.email;
        return Asking::page<customers_by_email, core::Customer>(*this, account, std::move(query),
                                                                deadline, email);
    }
    return Asking::page<all_customers, core::Customer>(*this, account, std::move(query), deadline);
}

Task<Page<core::PaymentMethod>> PgReads::list_payment_methods(Id<core::Account> account,
                                                              ListQuery query, Deadline deadline) {
    using T = core::PaymentMethod;
    const auto customer = query.customer;
    if (customer) {
        return Asking::page<payment_methods_by_customer, T>(*this, account, std::move(query),
                                                            deadline, customer);
    }
    return Asking::page<all_payment_methods, T>(*this, account, std::move(query), deadline);
}

Task<Page<core::PaymentIntent>> PgReads::list_payment_intents(Id<core::Account> account,
                                                              ListQuery query, Deadline deadline) {
    using T = core::PaymentIntent;
    const auto customer = query.customer;
    if (customer) {
        return Asking::page<payment_intents_by_customer, T>(*this, account, std::move(query),
                                                            deadline, customer);
    }
    return Asking::page<all_payment_intents, T>(*this, account, std::move(query), deadline);
}

Task<Page<core::Charge>> PgReads::list_charges(Id<core::Account> account, ListQuery query,
                                               Deadline deadline) {
    using T = core::Charge;
    const auto customer = query.customer;
    const auto payment = query.payment_intent;
    if (payment) {
        return Asking::page<charges_by_payment_intent, T>(*this, account, std::move(query),
                                                          deadline, payment, null_if_nil(customer));
    }
    if (customer) {
        return Asking::page<charges_by_customer, T>(*this, account, std::move(query), deadline,
                                                    customer);
    }
    return Asking::page<all_charges, T>(*this, account, std::move(query), deadline);
}

Task<Page<core::Refund>> PgReads::list_refunds(Id<core::Account> account, ListQuery query,
                                               Deadline deadline) {
    using T = core::Refund;
    const auto charge = query.charge;
    const auto payment = query.payment_intent;
    if (charge) {
        return Asking::page<refunds_by_charge, T>(*this, account, std::move(query), deadline,
                                                  charge, null_if_nil(payment));
    }
    if (payment) {
        return Asking::page<refunds_by_payment_intent, T>(*this, account, std::move(query),
                                                          deadline, payment);
    }
    return Asking::page<all_refunds, T>(*this, account, std::move(query), deadline);
}

Task<Page<core::BalanceTransaction>> PgReads::list_balance_transactions(Id<core::Account> account,
                                                                        ListQuery query,
                                                                        Deadline deadline) {
    using T = core::BalanceTransaction;
    const auto posting = query.posting;
    const auto currency = query.currency;
    const Uuid source = query.source;
    if (!source.is_nil()) {
        return Asking::page<balance_transactions_by_source, T>(*this, account, std::move(query),
                                                               deadline, posting, currency, source);
    }
    return Asking::page<all_balance_transactions, T>(*this, account, std::move(query), deadline,
                                                     posting, currency);
}

Task<Page<core::Event>> PgReads::list_events(Id<core::Account> account, ListQuery query,
                                             Deadline deadline) {
    auto patterns = like_patterns(query.types);
    return Asking::page<all_events, core::Event>(*this, account, std::move(query), deadline,
                                                 std::move(patterns));
}

} // namespace holdfast::store
