#include "api/handlers.h"

namespace holdfast::api {

using core::Charge;
using core::ObjectKind;

Task<Reply> retrieve_charge(Services& services, Call& call) {
    return retrieve<Charge>(services, call, ObjectKind::Charge, "charge");
}

namespace {

/// The charge in the path; commands on it need its payment intent, whose row is the lock.
Task<Charge> charge_in_path(Services& services, Call& call) {
    CO_TRY(auto id, path_id<Charge>(call, "charge"));
    CO_TRY(auto row, co_await services.store.find(call.account->id, id, call.deadline));
    if (!row) co_return fail(missing_resource("charge", id.str(), "id"));
    co_return std::move(*row);
}

} // namespace

Task<Reply> update_charge(Services& services, Call& call) {
    Params& params = call.params;
    core::UpdateCharge update;
    update.description = params.text_change("description", 40'000);
    update.receipt_email = params.text_change("receipt_email", 800);
    update.transfer_group = params.text_change("transfer_group");
    update.shipping = params.shipping_change();
    update.metadata = params.metadata_change();
    CO_TRY(auto expand, expand_of(call, ObjectKind::Charge));
    CO_TRY_VOID(params.done());
    CO_TRY(auto charge, co_await charge_in_path(services, call));
    update.id = charge.id;
    update.payment_intent = charge.payment_intent;
    co_return co_await execute(services, call, std::move(update), std::move(expand));
}

Task<Reply> capture_charge(Services& services, Call& call) {
    Params& params = call.params;
    core::CapturePaymentIntent capture;
    capture.amount_to_capture_minor = params.integer("amount", 1);
    capture.statement_descriptor = params.text_change("statement_descriptor", 22);
    capture.statement_descriptor_suffix = params.text_change("statement_descriptor_suffix", 22);
    CO_TRY(auto expand, expand_of(call, ObjectKind::Charge));
    CO_TRY_VOID(params.done());
    CO_TRY(auto charge, co_await charge_in_path(services, call));
    capture.id = charge.payment_intent;
    // Asked even when it is captured: that may be what an earlier request under this key did.
    auto executed = co_await execute(services, call, std::move(capture), ExpandTree{});
    if (!executed && charge.captured && executed.error().code == "payment_intent_unexpected_state")
        co_return fail(ErrorClass::Conflict, "charge_already_captured",
                       "Charge " + charge.id.str() + " has already been captured.");
    if (!executed && executed.error().param == "amount_to_capture")
        executed.error().param = "amount"; // its name here
    CO_TRY(auto reply, std::move(executed));
    if (reply.status != 200) co_return reply;
    CO_TRY(auto captured, co_await services.store.find(call.account->id, charge.id, call.deadline));
    CHECK(captured.has_value());
    CO_TRY(auto shown,
           co_await show(services, call, Object(std::move(*captured)), std::move(expand)));
    reply.body = std::move(shown.body);
    co_return reply;
}

Task<Reply> list_charges(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    if (auto id = call.params.id<core::Customer>("customer", "customer")) query.customer = *id;
    if (auto id = call.params.id<core::PaymentIntent>("payment_intent", "payment_intent"))
        query.payment_intent = *id;
    CO_TRY(auto expand, expand_of(call, ObjectKind::Charge, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page,
           co_await services.store.list_charges(call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

Task<Reply> list_charge_refunds(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    CO_TRY(auto expand, expand_of(call, ObjectKind::Refund, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto charge, co_await charge_in_path(services, call));
    query.charge = charge.id;
    CO_TRY(auto page,
           co_await services.store.list_refunds(call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

} // namespace holdfast::api
