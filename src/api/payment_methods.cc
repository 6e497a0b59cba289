#include "api/handlers.h"
#include "api/instruments.h"

#include "gateway/cards.h"

namespace holdfast::api {

using core::ObjectKind;
using core::PaymentMethod;

Task<Reply> retrieve_payment_method(Services& services, Call& call) {
    return retrieve<PaymentMethod>(services, call, ObjectKind::PaymentMethod, "PaymentMethod");
}

Task<Reply> update_payment_method(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<PaymentMethod>(call, "PaymentMethod"));
    core::UpdatePaymentMethod update{.id = id};
    Params card = params.map("card");
    if (auto month = card.integer("exp_month", 1, 12))
        update.exp_month = {true, static_cast<std::int32_t>(*month)};
    if (auto year = card.integer("exp_year", 2000, 9999))
        update.exp_year = {true, static_cast<std::int32_t>(*year)};
    if (params.has("billing_details")) update.billing_details = {true, params.billing_details()};
    if (auto redisplay = allow_redisplay(params))
        update.allow_redisplay = {true, std::move(*redisplay)};
    update.metadata = params.metadata_change();
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod));
    CO_TRY_VOID(params.done());
    co_return co_await execute(services, call, std::move(update), std::move(expand));
}

namespace {

/// pm_card_visa and its kin name no row: attaching one makes a payment method first. Both halves
/// have ids derived from the request, so a repeat finds what the first did. Without a customer to
/// keep it none is made.
Task<Id<PaymentMethod>> materialize_built_in(Services& services, Call& call,
                                             Id<core::Customer> customer,
                                             gateway::Vaulted vaulted) {
    core::CreatePaymentMethod create;
    PaymentMethod& method = create.payment_method;
    method.id = new_id<PaymentMethod>(services, call);
    method.account = call.account->id;
    method.card = std::move(vaulted.card);
    method.vault_token = std::move(vaulted.vault_token);
    const Id<PaymentMethod> id = method.id;
    CO_TRY(auto existing, co_await services.store.find(call.account->id, id, call.deadline));
    if (existing) co_return id;
    CO_TRY(auto keeper, co_await services.store.find(call.account->id, customer, call.deadline));
    if (!keeper || keeper->deleted)
        co_return fail(missing_reference("customer", customer.str(), "customer"));
    core::RequestContext keyless{.request_id = call.request.request_id};
    core::Command command{.account = call.account->id,
                          .request = std::move(keyless),
                          .received = call.received,
                          .body = std::move(create)};
    CO_TRY(auto outcome, co_await services.processor.pay(std::move(command), call.deadline));
    co_return id;
}

} // namespace

namespace {

/// Cards that an issuer refuses are refused when a customer is to keep them, in Stripe's words.
/// Only test cards are known by their vault token; a real one is found out by its first payment.
std::optional<Reply> refused_at_attach(const Call& call, const std::string& vault_token) {
    if (call.account->livemode) return std::nullopt;
    auto failure = gateway::attach_refusal(vault_token);
    if (!failure) return std::nullopt;
    return declined_reply(core::PaymentError{.failure = std::move(*failure)}, "");
}

} // namespace

Task<Reply> attach_payment_method(Services& services, Call& call) {
    Params& params = call.params;
    params.require("customer");
    auto customer = params.id<core::Customer>("customer", "customer");
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod));
    CO_TRY_VOID(params.done());
    core::AttachPaymentMethod attach{.customer = *customer};
    const std::string& name = call.path_ids.at(0);
    if (auto id = Id<PaymentMethod>::parse(name)) {
        attach.id = *id;
        CO_TRY(auto method, co_await services.store.find(call.account->id, *id, call.deadline));
        if (!method) co_return fail(missing_resource("PaymentMethod", name, "id"));
        if (auto refused = refused_at_attach(call, method->vault_token)) co_return *refused;
    } else {
        auto built_in = call.account->livemode ? std::nullopt : gateway::built_in_card(name);
        if (!built_in) co_return fail(missing_resource("PaymentMethod", name, "id"));
        if (auto refused = refused_at_attach(call, built_in->vault_token)) co_return *refused;
        CO_TRY(attach.id,
               co_await materialize_built_in(services, call, *customer, std::move(*built_in)));
    }
    co_return co_await execute(services, call, attach, std::move(expand));
}

Task<Reply> detach_payment_method(Services& services, Call& call) {
    CO_TRY(auto id, path_id<PaymentMethod>(call, "PaymentMethod"));
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod));
    CO_TRY_VOID(call.params.done());
    // Names the customer, whose row is locked too: a default that is detached is no default.
    CO_TRY(auto method, co_await services.store.find(call.account->id, id, call.deadline));
    core::DetachPaymentMethod detach{id, method ? method->customer : Id<core::Customer>()};
    co_return co_await execute(services, call, detach, std::move(expand));
}

Task<Reply> list_payment_methods(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    if (auto id = call.params.id<core::Customer>("customer", "customer")) query.customer = *id;
    (void)call.params.one_of("type", {"card"});
    call.params.ignore("allow_redisplay");
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod, true));
    CO_TRY_VOID(call.params.done());
    if (query.customer) {
        CO_TRY(auto customer,
               co_await services.store.find(call.account->id, query.customer, call.deadline));
        if (!customer || customer->deleted)
            co_return fail(missing_reference("customer", query.customer.str(), "customer"));
    }
    CO_TRY(auto page, co_await services.store.list_payment_methods(
                          call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

} // namespace holdfast::api
