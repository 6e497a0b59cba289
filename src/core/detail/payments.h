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

/// The reference under which this attempt at `payment` asks for money, with the database and
/// without it.
Id<Operation> authorization_of(const Decision& decision, const PaymentIntent& payment);

/// Was it this amount of this card that stand-in has held?
inline bool is_held_for(const StandIn& held, Money amount, const std::string& vault_token) {
    return held.amount == amount && held.vault_token == vault_token;
}

/// The card error of an attempt, as long as it is the last thing that happened to the payment.
inline std::optional<PaymentError> last_decline(const PaymentIntent& payment,
                                                const Operation& attempt) {
    const bool its_own = payment.last_error && payment.last_error->charge == attempt.charge;
    return its_own ? payment.last_error : std::nullopt;
}

/// What stand-in has held money for, where the database has that attempt: its present state,
/// whatever the rules say by now, which from then on is the answer to this request. While the
/// attempt is open it is `started`, not ours to answer where another request has begun it. Error
/// Conflict while an attempt under this reference with other money is open.
Result<std::optional<Verdict>> known_attempt(Decision& decision);

/// Makes `payment` processing and returns the authorization or sale to start for it. What was held
/// in stand-in and is not what the payment would hold now, or was held too long ago, is started to
/// be reversed: the attempt fails, and nobody asks under its reference again.
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
