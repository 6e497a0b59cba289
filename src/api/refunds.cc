#include "api/handlers.h"

namespace holdfast::api {

using core::ObjectKind;
using core::Refund;

namespace {

Task<Refund> refund_in_path(Services& services, Call& call) {
    CO_TRY(auto id, path_id<Refund>(call, "refund"));
    CO_TRY(auto row, co_await services.store.find(call.account->id, id, call.deadline));
    if (!row) co_return fail(missing_resource("refund", id.str(), "id"));
    co_return std::move(*row);
}

} // namespace

Task<Reply> create_refund(Services& services, Call& call) {
    Params& params = call.params;
    core::CreateRefund create;
    create.id = new_id<Refund>(services, call);
    auto charge_id = params.id<core::Charge>("charge", "charge");
    auto payment_id = params.id<core::PaymentIntent>("payment_intent", "payment_intent");
    create.amount_minor = params.integer("amount", 1);
    create.reason = params.one_of("reason", {"duplicate", "fraudulent", "requested_by_customer"});
    create.metadata = params.metadata();
    if (auto currency = params.currency("currency")) create.currency = {true, *currency};
    for (std::string_view unused :
         {"instructions_email", "origin", "refund_application_fee", "reverse_transfer"})
        params.ignore(unused);
    if (!params.has("charge") && !params.has("payment_intent"))
        params.problem(invalid_parameter("parameter_missing", "charge",
                                         "One of the following params should be provided for this "
                                         "request: payment_intent or charge."));
    CO_TRY(auto expand, expand_of(call, ObjectKind::Refund));
    CO_TRY_VOID(params.done());

    if (charge_id) {
        CO_TRY(auto charge,
               co_await services.store.find(call.account->id, *charge_id, call.deadline));
        if (!charge) co_return fail(missing_reference("charge", charge_id->str(), "charge"));
        if (payment_id && charge->payment_intent != *payment_id)
            co_return fail(invalid_parameter("parameter_invalid", "charge",
                                             "The charge does not belong to the payment_intent."));
        create.charge = *charge_id;
        create.payment_intent = charge->payment_intent;
    } else {
        create.payment_intent = *payment_id;
    }
    co_return co_await execute(services, call, std::move(create), std::move(expand));
}

Task<Reply> retrieve_refund(Services& services, Call& call) {
    return retrieve<Refund>(services, call, ObjectKind::Refund, "refund");
}

Task<Reply> update_refund(Services& services, Call& call) {
    core::UpdateRefund update;
    update.metadata = call.params.metadata_change();
    CO_TRY(auto expand, expand_of(call, ObjectKind::Refund));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto refund, co_await refund_in_path(services, call));
    update.id = refund.id;
    update.payment_intent = refund.payment_intent;
    co_return co_await execute(services, call, std::move(update), std::move(expand));
}

Task<Reply> cancel_refund(Services& services, Call& call) {
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto refund, co_await refund_in_path(services, call));
    co_return fail(ErrorClass::Conflict, "resource_not_cancelable",
                   "Only a refund with a status of requires_action can be canceled; card refunds "
                   "go to the card network at once. Refund: " +
                       refund.id.str());
}

Task<Reply> list_refunds(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    if (auto id = call.params.id<core::Charge>("charge", "charge")) query.charge = *id;
    if (auto id = call.params.id<core::PaymentIntent>("payment_intent", "payment_intent"))
        query.payment_intent = *id;
    CO_TRY(auto expand, expand_of(call, ObjectKind::Refund, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page,
           co_await services.store.list_refunds(call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

} // namespace holdfast::api
