#include "api/handlers.h"

namespace holdfast::api {

using core::ObjectKind;

Task<Reply> retrieve_event(Services& services, Call& call) {
    return retrieve<core::Event>(services, call, ObjectKind::Event, "event");
}

Task<Reply> list_events(Services& services, Call& call) {
    constexpr std::size_t types_max = 20;
    store::ListQuery query = list_query(call);
    query.types = call.params.texts("types", 100);
    if (auto type = call.params.text("type", 100)) query.types.push_back(*type);
    if (query.types.size() > types_max)
        call.params.problem(
            invalid_parameter("parameter_invalid", "types", "You can pass at most 20 types."));
    call.params.ignore("delivery_success"); // deliveries come with webhooks
    CO_TRY(auto expand, expand_of(call, ObjectKind::Event, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page,
           co_await services.store.list_events(call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

Task<Reply> retrieve_balance(Services& services, Call& call) {
    call.params.ignore("expand");
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto balance, co_await services.store.balance(call.account->id, call.deadline));
    co_return Reply{.body =
                        render_balance(balance, {*call.account, services.identity, call.received})};
}

Task<Reply> retrieve_balance_transaction(Services& services, Call& call) {
    return retrieve<core::BalanceTransaction>(services, call, ObjectKind::BalanceTransaction,
                                              "balance transaction");
}

namespace {

/// The posting behind a balance transaction's type, as core names it.
std::optional<core::PostingKind> posting_of_type(std::string_view type) {
    for (std::size_t i = 0; i < core::names_of<core::PostingKind>.size(); ++i) {
        const auto kind = static_cast<core::PostingKind>(i);
        if (core::balance_transaction_type(kind) == type) return kind;
    }
    return std::nullopt;
}

} // namespace

Task<Reply> list_balance_transactions(Services& services, Call& call) {
    Params& params = call.params;
    store::ListQuery query = list_query(call);
    if (auto currency = params.currency("currency")) query.currency = *currency;
    if (auto source = params.text("source", 255)) {
        auto id = Uuid::from_base62(std::string_view(*source).substr(source->rfind('_') + 1));
        if (id)
            query.source = *id;
        else
            params.problem(missing_reference("source", *source, "source"));
    }
    if (auto type = params.text("type", 100)) {
        query.posting = posting_of_type(*type);
        if (!query.posting)
            params.problem(
                invalid_parameter("parameter_invalid", "type", "Invalid type: " + *type));
    }
    CO_TRY(auto expand, expand_of(call, ObjectKind::BalanceTransaction, true));
    CO_TRY_VOID(params.done());
    CO_TRY(auto page, co_await services.store.list_balance_transactions(
                          call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

} // namespace holdfast::api
