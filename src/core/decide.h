#pragma once

// decide: the rules of payments, as pure functions over a UnitOfWork. No I/O, no clock, no
// randomness: the same command on the same rows always comes to the same verdict, which is what
// makes batches re-runnable and the whole processor simulable.
//
// The processor asks `needs` what a command must see, has the store load and lock that, and calls
// `decide`. On success the UnitOfWork holds the changes: rows, events (outbox), postings and the
// replay record. On an Error it is unchanged. A verdict may carry an Operation that was started:
// once the batch is durable, its owner must run it at the acquirer and submit RecordOutcome.
//
// State machine of a payment intent (Stripe's; source docs.stripe.com/payments/paymentintents):
//   requires_payment_method -> requires_confirmation -> (confirm: operation) processing
//     -> succeeded | requires_capture | requires_payment_method (declined, failed_attempts + 1)
//   requires_capture -> (capture) succeeded, (cancel: void) canceled
//   any but processing, succeeded, canceled -> canceled

#include "core/answer.h"
#include "core/command.h"
#include "core/identity.h"
#include "core/unit_of_work.h"

namespace holdfast::core {

struct DecideContext {
    WallTime now;           ///< business time
    const Account& account; ///< of the command; fees and mode
    const Identity& identity;
    Uuid owner; ///< this process instance, owner of operations it starts
    /// Of operations that are started; by the database's clock, which all instances share.
    WallTime operation_valid_until;
};

struct Verdict {
    /// Nothing yet while `started` is set and the request waits for the acquirer.
    std::optional<Answer> answer;
    std::optional<Operation> started;
    bool replayed = false; ///< `answer` was given before under this key
    Uuid original_request; ///< set when replayed
};

Needs needs(const Command& command, const Identity& identity);

/// Errors a caller sees (code): resource_missing, payment_intent_unexpected_state,
/// payment_method_unexpected_state, token_already_used, amount_too_small, amount_too_large,
/// invalid_charge_amount, charge_already_refunded, parameter_invalid_integer, idempotency_error
/// (other parameters under the same key), idempotency_key_in_use, lock_timeout. The processor
/// itself can get operation_missing, operation_claimed, operation_reversing, stand_in_superseded.
Result<Verdict> decide(const Command& command, UnitOfWork& work, const DecideContext& context);

} // namespace holdfast::core
