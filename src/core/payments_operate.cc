// Payment intents: the operations they start at the acquirer. Capturing, canceling, claiming.

#include "core/detail/payments.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

/// Issuers let an authorization go after seven days at the earliest; nobody expects to be charged
/// for it later.
constexpr Duration hold_lasts = std::chrono::days{7};

/// Everything about an operation that does not depend on its kind.
Operation blank_operation(const Decision& decision, PaymentIntent& payment, OperationKind kind) {
    Operation operation;
    operation.account = decision.account();
    operation.payment_intent = payment.id;
    operation.kind = kind;
    operation.started = decision.now();
    operation.valid_until = decision.operation_valid_until();
    operation.owner = decision.owner();
    operation.metadata = payment.details.metadata;
    operation.request = decision.request();
    ++payment.operations;
    return operation;
}

/// The n-th operation of a payment has one id per kind.
std::uint64_t number_of(const PaymentIntent& payment, OperationKind kind) {
    return static_cast<std::uint64_t>(payment.operations) << 8 | static_cast<std::uint64_t>(kind);
}

Result<void> check_capturable(const PaymentIntent& payment) {
    if (payment.status == PaymentIntentStatus::RequiresCapture) return {};
    return fail(unexpected_state(
        fmt::format("This PaymentIntent could not be captured because it has a status of {}. Only "
                    "a PaymentIntent with one of the following statuses may be captured: {}.",
                    to_string(payment.status), list_of({PaymentIntentStatus::RequiresCapture}))));
}

Result<void> check_cancelable(const PaymentIntent& payment) {
    using enum PaymentIntentStatus;
    if (is_open(payment.status) || payment.status == RequiresCapture) return {};
    return fail(unexpected_state(fmt::format(
        "You cannot cancel this PaymentIntent because it has a status of {}. Only a "
        "PaymentIntent with one of the following statuses may be canceled: {}.",
        to_string(payment.status),
        list_of({RequiresPaymentMethod, RequiresCapture, RequiresConfirmation, RequiresAction}))));
}

/// The charge whose money an operation moves; a payment that got this far has one.
Result<Charge> held_money(const Decision& decision, const PaymentIntent& payment) {
    const Charge* charge = decision.find(payment.latest_charge);
    if (!charge)
        return fail(ErrorClass::Bug, "charge_missing", "A payment's charge was not loaded.");
    return *charge;
}

Error claim_refused(std::string message) {
    return {
        .kind = ErrorClass::Conflict, .code = "operation_claimed", .message = std::move(message)};
}

} // namespace

Id<Operation> authorization_of(const Decision& decision, const PaymentIntent& payment) {
    return decision.identity().authorization(payment.account, payment.id, payment.failed_attempts);
}

Operation plan_authorization(const Decision& decision, PaymentIntent& payment,
                             const PaymentMethod& method) {
    const bool holds = payment.capture_method == CaptureMethod::Manual || decision.stand_in();
    Operation operation =
        blank_operation(decision, payment, holds ? OperationKind::Authorize : OperationKind::Sale);
    const Identity& identity = decision.identity();
    const auto attempt = static_cast<std::uint64_t>(payment.failed_attempts);
    operation.id = authorization_of(decision, payment);
    operation.amount = payment.amount;
    operation.vault_token = method.vault_token;
    if (const auto& held = decision.stand_in(); held && held->holds()) {
        const bool fits = is_held_for(*held, payment.amount, method.vault_token);
        const bool lapsed = decision.now() - decision.created() >= hold_lasts;
        operation.reversing = !fits || lapsed;
        operation.amount = held->amount;
        operation.vault_token = held->vault_token;
    }
    operation.charge = identity.child<Charge>(operation.account, payment.id.uuid(), attempt);
    operation.card = method.card;
    operation.billing_details = method.billing_details;
    const bool saves = payment.setup_future_usage != SetupFutureUsage::None && payment.customer;
    if (saves && !method.customer) operation.save_payment_method = method.id;
    payment.status = PaymentIntentStatus::Processing;
    payment.active_operation = operation.id;
    payment.last_error.reset();
    return operation;
}

Operation plan_follow_up(const Decision& decision, PaymentIntent& payment, const Charge& charge,
                         OperationKind kind, Money amount) {
    Operation operation = blank_operation(decision, payment, kind);
    operation.id = decision.identity().child<Operation>(operation.account, payment.id.uuid(),
                                                        number_of(payment, kind));
    operation.amount = amount;
    operation.original = charge.authorization;
    operation.charge = charge.id;
    payment.active_operation = operation.id;
    return operation;
}

Verdict start(Decision& decision, Operation operation) {
    Verdict verdict;
    verdict.started = decision.insert(std::move(operation));
    return verdict;
}

Result<Verdict> apply(Decision& decision, const CapturePaymentIntent& command) {
    const PaymentIntent* existing = decision.find(command.id);
    if (!existing) return fail(no_such_payment(command.id));
    TRY_VOID(decision.idle(*existing));
    TRY_VOID(check_capturable(*existing));
    TRY(const Charge charge, held_money(decision, *existing));
    PaymentIntent payment = *existing;
    const Money amount{command.amount_to_capture_minor.value_or(payment.amount_capturable_minor),
                       payment.amount.currency};
    if (amount.minor < 1)
        return fail(refusal("parameter_invalid_integer",
                            "This value must be greater than or equal to 1.", "amount_to_capture"));
    if (amount.minor > payment.amount_capturable_minor)
        return fail(refusal("amount_too_large",
                            "The payment could not be captured because the requested capture "
                            "amount is greater than the authorized amount.",
                            "amount_to_capture"));
    TRY_VOID(check_step(amount, "amount_to_capture"));
    command.statement_descriptor.apply_to(payment.details.statement_descriptor);
    command.statement_descriptor_suffix.apply_to(payment.details.statement_descriptor_suffix);
    command.metadata.apply_to(payment.details.metadata);
    TRY_VOID(check_metadata(payment.details.metadata));

    Operation operation = plan_follow_up(decision, payment, charge, OperationKind::Capture, amount);
    decision.put(std::move(payment));
    return start(decision, std::move(operation));
}

Result<Verdict> apply(Decision& decision, const CancelPaymentIntent& command) {
    const PaymentIntent* existing = decision.find(command.id);
    if (!existing) return fail(no_such_payment(command.id));
    TRY_VOID(check_cancelable(*existing));
    TRY_VOID(decision.idle(*existing));
    PaymentIntent payment = *existing;
    if (payment.status != PaymentIntentStatus::RequiresCapture) {
        payment.status = PaymentIntentStatus::Canceled;
        payment.canceled_at = decision.now();
        payment.cancellation_reason = command.reason;
        const PaymentIntent& stored = decision.put(std::move(payment));
        decision.emit("payment_intent.canceled", stored);
        return decision.answer(snapshot(stored));
    }
    TRY(const Charge charge, held_money(decision, payment));

    Operation operation =
        plan_follow_up(decision, payment, charge, OperationKind::Void, charge.amount);
    operation.cancellation_reason = command.reason;
    decision.put(std::move(payment));
    return start(decision, std::move(operation));
}

Result<Verdict> apply(Decision& decision, const ClaimOperation& command) {
    const PaymentIntent* payment = decision.find(command.payment_intent);
    const Operation* existing = decision.find(command.operation);
    if (!payment || !existing || existing->payment_intent != command.payment_intent)
        return fail(ErrorClass::NotFound, "operation_missing", "There is no such operation.");
    if (existing->state != OperationState::Started)
        return fail(claim_refused("The outcome of this operation is recorded already."));
    if (existing->owner != command.expected_owner)
        return fail(claim_refused("This operation has another owner by now."));
    const bool takes_over = command.new_owner != command.expected_owner;
    if (takes_over && decision.now() < existing->valid_until)
        return fail(claim_refused("Until its time is over only the owner of an operation acts."));
    Operation operation = *existing;
    operation.owner = command.new_owner;
    operation.valid_until = decision.operation_valid_until();
    operation.reversing = operation.reversing || command.to_reverse;

    decision.put(std::move(operation));
    Verdict verdict;
    verdict.answer = Answer{.object = snapshot(*payment), .declined = std::nullopt};
    return verdict;
}

} // namespace holdfast::core
