#pragma once

// Instruments: from what a request says about a card to a payment method.
//
// A card number only ever passes through: it comes from the form, goes to the acquirer's
// tokenization, and what is kept is the vault token and the details that may be shown. Numbers by
// API are for test mode; in live mode cards reach the acquirer from the payer's browser.
// Built-in names (pm_card_visa, tok_visa ...) exist in test mode only.

#include "api/call.h"

namespace holdfast::api {

/// A card a request described: in the form, behind a token, or built in.
struct CardInput {
    std::optional<gateway::CardData> data;
    std::string token; ///< tok_... (ours or built in) or a built-in name; empty when data is set
};

/// Reads card[...]: number, exp_month, exp_year, cvc, or token. Empty when nothing was sent.
std::optional<CardInput> read_card(Params card);

/// Tokenizes or looks up. A token of ours that is used up is refused.
struct ResolvedCard {
    gateway::Vaulted vaulted;
    core::BillingDetails billing_details;
    Id<core::Token> token;
};
Task<ResolvedCard> resolve_card(Services& services, Call& call, CardInput input, std::string param);

/// payment_method, payment_method_data and confirmation tokens of a payment intent request.
struct InstrumentInput {
    std::optional<std::string> payment_method;
    std::optional<CardInput> card; ///< payment_method_data[card]
    core::BillingDetails billing_details;
    core::Metadata metadata;
    std::string allow_redisplay = "unspecified";
    bool cleared = false; ///< payment_method=""
};
InstrumentInput read_instrument(Params& params);

Task<std::optional<core::PaymentMethodChoice>> resolve_instrument(Services& services, Call& call,
                                                                  InstrumentInput input);

/// allow_redisplay as the API spells it.
std::optional<std::string> allow_redisplay(Params& params);

} // namespace holdfast::api
