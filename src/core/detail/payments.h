#pragma once

// What the rules of payment intents share: amounts, states, and starting an operation. Private to
// core.

#include "core/detail/method_choice.h"

namespace holdfast::core {

/// Not confirmed yet, or declined: everything about it may still change.
constexpr bool is_open(PaymentIntentStatus status) {
    return status == PaymentIntentStatus::RequiresPaymentMethod ||
           status == PaymentIntentStatus::RequiresConfirmation ||
           status == PaymentIntentStatus::RequiresAction;
}

/// Errors: amount_too_small, amount_too_large, invalid_charge_amount.
Result<void> check_amount(Money amount);

/// Captures and refunds too are multiples of what card networks carry. Error
/// invalid_charge_amount.
Result<void> check_step(Money amount, std::string_view param);

/// Makes `payment` processing and returns the authorization or sale to start for it.
Operation plan_authorization(const Decision& decision, PaymentIntent& payment,
                             const PaymentMethod& method);
/// The next capture, void or refund of `payment`, which becomes its active operation.
Operation plan_follow_up(const Decision& decision, PaymentIntent& payment, const Charge& charge,
                         OperationKind kind, Money amount);

/// The started operation as a verdict; its row is inserted.
Verdict start(Decision& decision, Operation operation);

/// How a capture or refund reaches the books; planned first, because planning can fail.
struct Booking {
    BalanceTransaction transaction;
    std::vector<Entry> entries;
};
Result<Booking> plan_capture_booking(const Decision& decision, const Operation& operation,
                                     const PaymentDetails& details);
Result<Booking> plan_refund_booking(const Decision& decision, const Refund& refund,
                                    const PaymentDetails& details);

/// Settles the refund that `operation` was started for; `payment` is already idle again.
Result<Verdict> settle_refund(Decision& decision, PaymentIntent payment, Operation operation,
                              const OperationOutcome& outcome);

} // namespace holdfast::core
