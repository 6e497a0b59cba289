#include "api/instruments.h"

#include "gateway/cards.h"

namespace holdfast::api {
namespace {

Error raw_card_in_live_mode() {
    return {.kind = ErrorClass::Forbidden,
            .code = "raw_card_data_not_allowed",
            .message =
                "Sending credit card numbers directly to the Holdfast API is for test mode. "
                "Tokenize the card from the payer's browser instead."};
}

core::PaymentMethod payment_method_of(const Call& call, Id<core::PaymentMethod> id,
                                      ResolvedCard resolved, core::BillingDetails billing) {
    core::PaymentMethod method;
    method.id = id;
    method.account = call.account->id;
    method.card = std::move(resolved.vaulted.card);
    method.vault_token = std::move(resolved.vaulted.vault_token);
    method.billing_details = billing == core::BillingDetails{} ? std::move(resolved.billing_details)
                                                               : std::move(billing);
    return method;
}

} // namespace

std::optional<std::string> allow_redisplay(Params& params) {
    return params.one_of("allow_redisplay", {"always", "limited", "unspecified"});
}

std::optional<CardInput> read_card(Params card) {
    if (card.absent()) return std::nullopt;
    CardInput input;
    if (auto token = card.text("token", 255)) {
        input.token = *token;
        return input;
    }
    card.require("number");
    card.require("exp_month");
    card.require("exp_year");
    gateway::CardData data;
    data.number = card.text("number", 32).value_or("");
    data.cvc = card.text("cvc", 4).value_or("");
    data.exp_month = static_cast<std::int32_t>(card.integer("exp_month", 1, 12).value_or(0));
    data.exp_year = static_cast<std::int32_t>(card.integer("exp_year", 0, 9999).value_or(0));
    card.ignore("networks");
    input.data = std::move(data);
    return input;
}

Task<ResolvedCard> resolve_card(Services& services, Call& call, CardInput input,
                                std::string param) {
    if (input.data) {
        if (call.account->livemode) co_return fail(raw_card_in_live_mode());
        CO_TRY(auto vaulted, co_await services.connector.tokenize(
                                 call.account->id, std::move(*input.data), call.deadline));
        co_return ResolvedCard{.vaulted = std::move(vaulted)};
    }
    if (!call.account->livemode) {
        if (auto built_in = gateway::built_in_card(input.token))
            co_return ResolvedCard{.vaulted = std::move(*built_in)};
    }
    auto id = Id<core::Token>::parse(input.token);
    if (!id) co_return fail(missing_reference("token", input.token, param));
    CO_TRY(auto token, co_await services.store.find(call.account->id, *id, call.deadline));
    if (!token) co_return fail(missing_reference("token", input.token, param));
    co_return ResolvedCard{.vaulted = {token->vault_token, token->card},
                           .billing_details = token->billing_details,
                           .token = *id};
}

InstrumentInput read_instrument(Params& params) {
    InstrumentInput input;
    if (params.cleared("payment_method"))
        input.cleared = true;
    else
        input.payment_method = params.text("payment_method", 255);
    Params data = params.map("payment_method_data");
    if (!data.absent()) {
        data.require("type");
        (void)data.one_of("type", {"card"});
        data.require("card");
        input.card = read_card(data.map("card"));
        input.billing_details = data.billing_details();
        input.metadata = data.metadata();
        input.allow_redisplay = allow_redisplay(data).value_or("unspecified");
        data.ignore("radar_options");
        if (input.payment_method)
            params.problem(invalid_parameter("parameter_invalid", "payment_method_data",
                                             "You may only specify one of these parameters: "
                                             "payment_method, payment_method_data."));
    }
    return input;
}

Task<std::optional<core::PaymentMethodChoice>> resolve_instrument(Services& services, Call& call,
                                                                  InstrumentInput input) {
    core::PaymentMethodChoice choice;
    if (input.payment_method) {
        if (auto id = Id<core::PaymentMethod>::parse(*input.payment_method)) {
            choice.id = *id;
            co_return choice;
        }
        const bool built_in =
            !call.account->livemode && gateway::built_in_card(*input.payment_method).has_value();
        if (!built_in)
            co_return fail(
                missing_reference("PaymentMethod", *input.payment_method, "payment_method"));
        input.card = CardInput{.token = *input.payment_method};
    }
    if (!input.card) co_return std::nullopt;
    CO_TRY(auto resolved, co_await resolve_card(services, call, std::move(*input.card),
                                                "payment_method_data[card][token]"));
    choice.from_token = resolved.token;
    choice.id = new_id<core::PaymentMethod>(services, call);
    choice.create =
        payment_method_of(call, choice.id, std::move(resolved), std::move(input.billing_details));
    choice.create->metadata = std::move(input.metadata);
    choice.create->allow_redisplay = std::move(input.allow_redisplay);
    co_return choice;
}

Task<Reply> create_token(Services& services, Call& call) {
    Params& params = call.params;
    params.require("card");
    auto input = read_card(params.map("card"));
    core::BillingDetails billing;
    Params card = params.map("card");
    billing.name = card.text("name");
    core::Address address{.city = card.text("address_city"),
                          .country = card.text("address_country"),
                          .line1 = card.text("address_line1"),
                          .line2 = card.text("address_line2"),
                          .postal_code = card.text("address_zip"),
                          .state = card.text("address_state")};
    if (address != core::Address{}) billing.address = std::move(address);
    card.ignore("currency");
    CO_TRY(auto expand, expand_of(call, core::ObjectKind::Token));
    CO_TRY_VOID(params.done());
    if (!input->data)
        co_return fail(invalid_parameter("parameter_missing", "card[number]",
                                         "Missing required param: card[number]."));
    CO_TRY(auto resolved, co_await resolve_card(services, call, std::move(*input), "card"));
    core::Token token;
    token.id = new_id<core::Token>(services, call);
    token.account = call.account->id;
    token.card = std::move(resolved.vaulted.card);
    token.vault_token = std::move(resolved.vaulted.vault_token);
    token.billing_details = std::move(billing);
    co_return co_await execute(services, call, core::CreateToken{std::move(token)},
                               std::move(expand));
}

Task<Reply> retrieve_token(Services& services, Call& call) {
    return retrieve<core::Token>(services, call, core::ObjectKind::Token, "token");
}

Task<Reply> create_payment_method(Services& services, Call& call) {
    Params& params = call.params;
    params.require("type");
    (void)params.one_of("type", {"card"});
    params.require("card");
    auto input = read_card(params.map("card"));
    core::BillingDetails billing = params.billing_details();
    core::Metadata metadata = params.metadata();
    std::string redisplay = allow_redisplay(params).value_or("unspecified");
    CO_TRY(auto expand, expand_of(call, core::ObjectKind::PaymentMethod));
    CO_TRY_VOID(params.done());
    CO_TRY(auto resolved, co_await resolve_card(services, call, std::move(*input), "card[token]"));
    core::CreatePaymentMethod create;
    create.from_token = resolved.token;
    create.payment_method = payment_method_of(call, new_id<core::PaymentMethod>(services, call),
                                              std::move(resolved), std::move(billing));
    create.payment_method.metadata = std::move(metadata);
    create.payment_method.allow_redisplay = std::move(redisplay);
    co_return co_await execute(services, call, std::move(create), std::move(expand));
}

} // namespace holdfast::api
