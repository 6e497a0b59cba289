#pragma once

// Cards: the test cards and built-in tokens of Stripe's test mode, and the checks a card number
// has to pass. Pure functions; no clock but the one passed in, no acquirer asked.
//
// A test card has a number, a name and a way to behave. Its name makes two built-in tokens, as at
// Stripe: pm_card_NAME and tok_NAME; built_in_card() turns one into what a payment method needs.
//
// The vault token of a card at the simulated acquirer says how the card behaves, so that the
// payment-api and the acquirer agree without asking each other:
//
//   test_NAME          a built-in token; it needs no vault
//   test_NAME.RANDOM   a test number that was tokenized
//   card.RANDOM        a number that is no test card: declined, as at Stripe in test mode
//
// Behaviour is one of: approved; declined when it is to be charged (and, as at Stripe, mostly when
// it is attached to a customer too); refund declined. Cards that require 3-D Secure are declined
// with authentication_required, because there is no challenge flow that could authenticate them;
// cards that only support it are approved. Disputes, risk levels, address checks and pending
// refunds of Stripe's special cards have no effect: those cards are approved.
//
//   auto visa = built_in_card("pm_card_visa");           // {"test_visa", {visa, 4242 ...}}
//   auto why = charge_refusal("test_visa_chargeDeclined");  // card_declined, generic_decline
//
// Source: docs.stripe.com/testing, docs.stripe.com/declines/codes; number check: ISO/IEC 7812-1.

#include "base/bytes.h"
#include "gateway/connector.h"

#include <optional>
#include <string_view>

namespace holdfast::gateway {

/// What pm_card_NAME or tok_NAME stands for; empty when there is no such built-in token.
std::optional<Vaulted> built_in_card(std::string_view token);

/// Why the acquirer will not charge, why a customer can't have, and why it will not refund to the
/// card behind `vault_token`; empty when it will. An unknown token is refused (invalid_account).
std::optional<core::CardFailure> charge_refusal(std::string_view vault_token);
std::optional<core::CardFailure> attach_refusal(std::string_view vault_token);
std::optional<core::CardFailure> refund_refusal(std::string_view vault_token);

/// What is known of a card from its number alone, after all checks.
struct CheckedCard {
    core::CardDetails card;   ///< without fingerprint unless it is a test card
    std::string number;       ///< digits only
    std::string token_prefix; ///< "test_NAME." or "card."
};

/// Errors, all of class Declined with `param` set: invalid_number, incorrect_number,
/// invalid_expiry_month, invalid_expiry_year, invalid_cvc. A card is good until its month ends.
Result<CheckedCard> check_card(const CardData& data, WallTime now);

/// The fingerprint of a card that is no test card: keyed, because card numbers can be guessed.
std::string card_fingerprint(const HmacKey& key, Id<core::Account> account,
                             std::string_view number);

bool luhn_valid(std::string_view digits);

/// visa, mastercard, amex, discover, diners, jcb, unionpay or unknown.
std::string_view card_brand(std::string_view digits);

/// True from the first instant after the month of expiry.
bool is_expired(std::int32_t exp_month, std::int32_t exp_year, WallTime now);

/// Failures that are not a card's own.
core::CardFailure expired_card();
core::CardFailure processing_error();
core::CardFailure invalid_account();

} // namespace holdfast::gateway
