// Payment intents: what follows from the acquirer's word.

#include "core/detail/payments.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

constexpr Duration funds_available_after = std::chrono::days{2};

Error outcome_error(ErrorClass kind, std::string_view code, std::string_view message) {
    return {.kind = kind, .code = std::string(code), .message = std::string(message)};
}

/// What a card error says when whoever refused gave no reason.
CardFailure failure_of(const OperationOutcome& outcome) {
    if (!outcome.failure.code.empty()) return outcome.failure;
    if (outcome.state == OperationState::Reversed)
        return {"processing_error", "",
                "An error occurred while processing your card. Try again in a little bit."};
    return {"card_declined", "generic_decline", "Your card was declined."};
}

/// The charge that an authorization or sale has come to; status and money are the caller's.
Charge charge_of(const Decision& decision, const PaymentIntent& payment,
                 const Operation& operation) {
    Charge charge;
    charge.id = operation.charge;
    charge.account = operation.account;
    charge.created = decision.now();
    charge.payment_intent = payment.id;
    charge.customer = payment.customer;
    charge.payment_method = payment.payment_method;
    charge.amount = operation.amount;
    charge.authorization = operation.id;
    charge.card = operation.card;
    charge.billing_details = operation.billing_details;
    charge.details = payment.details;
    return charge;
}

/// setup_future_usage: a method that has worked is saved, unless it went elsewhere meanwhile.
void save_method(Decision& decision, const PaymentIntent& payment, const Operation& operation) {
    const PaymentMethod* method = decision.find(operation.save_payment_method);
    if (!method || method->customer || method->detached || !payment.customer) return;
    PaymentMethod saved = *method;
    saved.customer = payment.customer;
    decision.emit("payment_method.attached", decision.put(std::move(saved)), operation.request);
}

Verdict answer_payment(Decision& decision, PaymentIntent payment, const Operation& operation,
                       std::initializer_list<std::string_view> events,
                       std::optional<PaymentError> declined = std::nullopt) {
    const PaymentIntent& stored = decision.put(std::move(payment));
    for (std::string_view event : events) decision.emit(event, stored, operation.request);
    return decision.answer({.object = snapshot(stored), .declined = std::move(declined)},
                           operation.request);
}

Result<Verdict> approve_sale(Decision& decision, PaymentIntent payment, const Operation& operation,
                             const OperationOutcome& outcome) {
    TRY(Booking booking, plan_capture_booking(decision, operation, payment.details));
    Charge charge = charge_of(decision, payment, operation);
    charge.status = ChargeStatus::Succeeded;
    charge.captured = true;
    charge.amount_captured_minor = operation.amount.minor;
    charge.authorization_code = outcome.authorization_code;
    payment.status = PaymentIntentStatus::Succeeded;
    payment.amount_received_minor = operation.amount.minor;
    payment.latest_charge = charge.id;

    save_method(decision, payment, operation);
    charge.balance_transaction =
        decision.book(std::move(booking.transaction), std::move(booking.entries));
    decision.emit("charge.succeeded", decision.insert(std::move(charge)), operation.request);
    return answer_payment(decision, std::move(payment), operation, {"payment_intent.succeeded"});
}

/// A payment that is to be captured without being asked, and whose money is only held: by stand-in.
bool settles_itself(const PaymentIntent& payment) {
    return payment.capture_method != CaptureMethod::Manual &&
           payment.status == PaymentIntentStatus::Processing;
}

/// What follows by itself from an outcome; its answer is nobody's.
Operation plan_next(const Decision& decision, PaymentIntent& payment, const Charge& charge,
                    OperationKind kind) {
    Operation next = plan_follow_up(decision, payment, charge, kind, charge.amount);
    next.cancellation_reason = CancellationReason::Automatic;
    return next;
}

Result<Verdict> approve_hold(Decision& decision, PaymentIntent payment, const Operation& operation,
                             const OperationOutcome& outcome) {
    Charge charge = charge_of(decision, payment, operation);
    charge.status = ChargeStatus::Succeeded;
    charge.authorization_code = outcome.authorization_code;
    payment.latest_charge = charge.id;
    std::optional<Operation> next;
    if (settles_itself(payment)) {
        next = plan_next(decision, payment, charge, OperationKind::Capture);
    } else {
        payment.status = PaymentIntentStatus::RequiresCapture;
        payment.amount_capturable_minor = operation.amount.minor;
    }

    save_method(decision, payment, operation);
    decision.emit("charge.succeeded", decision.insert(std::move(charge)), operation.request);
    Verdict verdict = answer_payment(
        decision, std::move(payment), operation,
        {next ? "payment_intent.processing" : "payment_intent.amount_capturable_updated"});
    if (next) verdict.started = decision.insert(*std::move(next));
    return verdict;
}

/// The hold that was to be captured by itself can't be: it is let go, and the payment ends.
Verdict give_up_hold(Decision& decision, PaymentIntent payment, const Charge& charge) {
    Operation next = plan_next(decision, payment, charge, OperationKind::Void);
    Verdict verdict;
    verdict.answer = Answer{.object = snapshot(decision.put(std::move(payment)))};
    verdict.started = decision.insert(std::move(next));
    return verdict;
}

/// Declined, or reversed because nobody could tell: this attempt has finally failed.
Result<Verdict> fail_attempt(Decision& decision, PaymentIntent payment, const Operation& operation,
                             const OperationOutcome& outcome) {
    Charge charge = charge_of(decision, payment, operation);
    charge.status = ChargeStatus::Failed;
    charge.failure = failure_of(outcome);
    PaymentError error{*charge.failure, charge.id, payment.payment_method};
    payment.status = PaymentIntentStatus::RequiresPaymentMethod;
    payment.latest_charge = charge.id;
    payment.payment_method = {};
    payment.last_error = error;
    ++payment.failed_attempts;

    decision.emit("charge.failed", decision.insert(std::move(charge)), operation.request);
    return answer_payment(decision, std::move(payment), operation,
                          {"payment_intent.payment_failed"}, std::move(error));
}

Result<Verdict> capture(Decision& decision, PaymentIntent payment, const Operation& operation,
                        Charge charge) {
    TRY(Booking booking, plan_capture_booking(decision, operation, payment.details));
    charge.captured = true;
    charge.amount_captured_minor = operation.amount.minor;
    // What was not captured is released, and shows as refunded, as Stripe has it.
    charge.amount_refunded_minor = charge.amount.minor - operation.amount.minor;
    charge.details.statement_descriptor = payment.details.statement_descriptor;
    charge.details.statement_descriptor_suffix = payment.details.statement_descriptor_suffix;
    payment.status = PaymentIntentStatus::Succeeded;
    payment.amount_received_minor = operation.amount.minor;
    payment.amount_capturable_minor = 0;

    charge.balance_transaction =
        decision.book(std::move(booking.transaction), std::move(booking.entries));
    decision.emit("charge.captured", decision.put(std::move(charge)), operation.request);
    return answer_payment(decision, std::move(payment), operation, {"payment_intent.succeeded"});
}

Result<Verdict> release(Decision& decision, PaymentIntent payment, const Operation& operation,
                        Charge charge) {
    charge.amount_refunded_minor = charge.amount.minor;
    payment.status = PaymentIntentStatus::Canceled;
    payment.canceled_at = decision.now();
    payment.cancellation_reason = operation.cancellation_reason;
    payment.amount_capturable_minor = 0;

    decision.emit("charge.refunded", decision.put(std::move(charge)), operation.request);
    return answer_payment(decision, std::move(payment), operation, {"payment_intent.canceled"});
}

/// A capture or release that the acquirer refused: the money stays held and the payment is as it
/// was before; only its requester is told, by a card error.
bool keeps_holding(const Operation& operation) {
    return operation.state != OperationState::Approved &&
           (operation.kind == OperationKind::Capture || operation.kind == OperationKind::Void);
}

PaymentError holding_error(const PaymentIntent& payment, const Operation& operation,
                           const OperationOutcome& outcome) {
    return {failure_of(outcome), operation.charge, payment.payment_method};
}

/// The outcome was recorded before: by us, with the answer lost, or by whoever took over.
Result<Verdict> recorded_before(const Decision& decision, const PaymentIntent& payment,
                                const Operation& operation, const OperationOutcome& outcome) {
    if (operation.kind == OperationKind::Refund) {
        const Refund* refund = decision.find(operation.refund);
        if (refund) return current_state(snapshot(*refund));
    }
    Verdict verdict = current_state(snapshot(payment));
    verdict.answer->declined = last_decline(payment, operation);
    if (!verdict.answer->declined && keeps_holding(operation))
        verdict.answer->declined = holding_error(payment, operation, outcome);
    return verdict;
}

Result<void> check_recordable(const PaymentIntent& payment, const Operation& operation,
                              const OperationOutcome& outcome) {
    if (outcome.state == OperationState::Started)
        return fail(outcome_error(ErrorClass::Bug, "outcome_open", "That is not an outcome."));
    if (payment.active_operation != operation.id)
        return fail(outcome_error(ErrorClass::Bug, "operation_not_active",
                                  "The payment has another operation under way."));
    if (operation.reversing && outcome.state == OperationState::Approved)
        return fail(outcome_error(ErrorClass::Conflict, "operation_reversing",
                                  "It is decided that this operation shall not have happened."));
    return {};
}

Result<Verdict> settle(Decision& decision, PaymentIntent payment, Operation operation,
                       const OperationOutcome& outcome) {
    const bool approved = outcome.state == OperationState::Approved;
    switch (operation.kind) {
        case OperationKind::Sale:
            return approved ? approve_sale(decision, std::move(payment), operation, outcome)
                            : fail_attempt(decision, std::move(payment), operation, outcome);
        case OperationKind::Authorize:
            return approved ? approve_hold(decision, std::move(payment), operation, outcome)
                            : fail_attempt(decision, std::move(payment), operation, outcome);
        case OperationKind::Refund:
            return settle_refund(decision, std::move(payment), std::move(operation), outcome);
        case OperationKind::Capture:
        case OperationKind::Void: break;
    }
    const Charge* charge = decision.find(operation.charge);
    if (keeps_holding(operation) && !settles_itself(payment)) {
        PaymentError error = holding_error(payment, operation, outcome);
        return answer_payment(decision, std::move(payment), operation, {}, std::move(error));
    }
    if (!charge)
        return fail(outcome_error(ErrorClass::Bug, "charge_missing", "The charge is not loaded."));
    if (!approved && operation.kind == OperationKind::Capture)
        return give_up_hold(decision, std::move(payment), *charge);
    return operation.kind == OperationKind::Capture
               ? capture(decision, std::move(payment), operation, *charge)
               : release(decision, std::move(payment), operation, *charge);
}

} // namespace

Result<Booking> plan_capture_booking(const Decision& decision, const Operation& operation,
                                     const PaymentDetails& details) {
    TRY(const std::int64_t fee, fee_minor(decision.fees(), operation.amount));
    TRY(std::vector<Entry> entries,
        post(PostingKind::Capture, operation.account, operation.amount, fee));
    BalanceTransaction transaction;
    transaction.kind = PostingKind::Capture;
    transaction.amount = operation.amount;
    transaction.fee_minor = fee;
    transaction.available_on = decision.now() + funds_available_after;
    transaction.source_kind = ObjectKind::Charge;
    transaction.source = operation.charge.uuid();
    transaction.description = details.description;
    return Booking{std::move(transaction), std::move(entries)};
}

Result<Verdict> apply(Decision& decision, const RecordOutcome& command) {
    const PaymentIntent* payment = decision.find(command.payment_intent);
    const Operation* existing = decision.find(command.operation);
    if (!payment || !existing || existing->payment_intent != command.payment_intent)
        return fail(outcome_error(ErrorClass::NotFound, "operation_missing",
                                  "There is no such operation."));
    if (existing->state != OperationState::Started)
        return recorded_before(decision, *payment, *existing, command.outcome);
    TRY_VOID(check_recordable(*payment, *existing, command.outcome));
    PaymentIntent idle_again = *payment;
    idle_again.active_operation = {};
    Operation finished = *existing;
    finished.state = command.outcome.state;
    if (const auto kind = command.outcome.executed_as;
        kind && asks_for_money(*kind) && asks_for_money(finished.kind))
        finished.kind = *kind;
    TRY(Verdict verdict, settle(decision, std::move(idle_again), finished, command.outcome));
    decision.put(std::move(finished));
    return verdict;
}

} // namespace holdfast::core
