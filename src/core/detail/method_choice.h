#pragma once

// MethodChoice: the payment method that a request brought along, checked. Private to core.
//
// A request names a payment method, or brings the data for a new one, possibly out of a token that
// is used up by it. choose_method() decides whether it may be used for a customer's payment and
// writes nothing; keep() writes what is new.

#include "core/detail/decision.h"

namespace holdfast::core {

struct MethodChoice {
    PaymentMethod method;
    bool is_new = false; ///< made by this request: keep() inserts it
    Id<Token> token;     ///< used up by keep()
};

/// Can `method` pay for `customer` (nil: a payment without a customer)?
Result<void> check_usable(const PaymentMethod& method, Id<Customer> customer);

/// Error token_already_used, resource_missing. A nil token is fine.
Result<void> check_token(const Decision& decision, Id<Token> token, std::string_view param);
void use_up(Decision& decision, Id<Token> token);

/// Fills what core decides about a new payment method.
PaymentMethod fresh_method(const Decision& decision, PaymentMethod method);

Result<MethodChoice> choose_method(const Decision& decision, const PaymentMethodChoice& wanted,
                                   Id<Customer> customer);
void keep(Decision& decision, const MethodChoice& choice);

/// Error resource_missing when `id` is neither nil nor a living customer.
Result<void> check_customer(const Decision& decision, Id<Customer> id);

} // namespace holdfast::core
