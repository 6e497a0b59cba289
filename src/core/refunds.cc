// Refunds and changes of charges. A refund takes its amount out of the charge when it starts, under
// the lock of the payment, and gives it back when it fails: no two can return the same money.

#include "core/detail/payments.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

Result<Charge> refundable_charge(const Decision& decision, const CreateRefund& command,
                                 const PaymentIntent& payment) {
    const Id<Charge> wanted = command.charge ? command.charge : payment.latest_charge;
    const Charge* charge = decision.find(wanted);
    if (command.charge && (!charge || charge->payment_intent != payment.id))
        return fail(no_such("charge", command.charge, "charge"));
    if (!charge || charge->status != ChargeStatus::Succeeded || !charge->captured)
        return fail(unexpected_state(
            fmt::format("This PaymentIntent ({}) does not have a successful charge to refund.",
                        payment.id.str()),
            command.charge ? "charge" : "payment_intent"));
    return *charge;
}

Result<Money> refundable_amount(const CreateRefund& command, const Charge& charge) {
    const Currency currency = charge.amount.currency;
    if (command.currency.set && command.currency.value != currency)
        return fail(refusal(
            "currency_mismatch",
            fmt::format("The currency of a refund is that of its charge: {}.", currency.code()),
            "currency"));
    const Money left{charge.amount.minor - charge.amount_refunded_minor, currency};
    if (left.minor == 0)
        return fail(refusal("charge_already_refunded",
                            fmt::format("Charge {} has already been refunded.", charge.id.str())));
    const Money amount{command.amount_minor.value_or(left.minor), currency};
    if (amount.minor < 1)
        return fail(refusal("parameter_invalid_integer",
                            "This value must be greater than or equal to 1.", "amount"));
    if (amount.minor > left.minor)
        return fail(refusal("amount_too_large",
                            fmt::format("Refund amount ({}) is greater than unrefunded amount on "
                                        "charge ({})",
                                        display_amount(amount), display_amount(left)),
                            "amount"));
    TRY_VOID(check_step(amount, "amount"));
    return amount;
}

/// docs.stripe.com/refunds#failed-refunds
std::string failure_reason(const OperationOutcome& outcome) {
    const CardFailure& failure = outcome.failure;
    if (outcome.state == OperationState::Reversed) return "unknown";
    if (failure.decline_code == "lost_card" || failure.decline_code == "stolen_card")
        return "lost_or_stolen_card";
    if (failure.decline_code == "insufficient_funds") return "insufficient_funds";
    if (failure.code == "expired_card") return "expired_or_canceled_card";
    return failure.code == "card_declined" ? "declined" : "unknown";
}

Result<Refund> existing_refund(const Decision& decision, const UpdateRefund& command) {
    const Refund* refund = decision.find(command.id);
    if (!refund || refund->payment_intent != command.payment_intent)
        return fail(not_found("refund", command.id, "id"));
    return *refund;
}

} // namespace

Result<Booking> plan_refund_booking(const Decision& decision, const Refund& refund,
                                    const PaymentDetails& details) {
    TRY(std::vector<Entry> entries, post(PostingKind::Refund, refund.account, refund.amount, 0));
    BalanceTransaction transaction;
    transaction.kind = PostingKind::Refund;
    transaction.amount = {-refund.amount.minor, refund.amount.currency};
    transaction.available_on = decision.now();
    transaction.source_kind = ObjectKind::Refund;
    transaction.source = refund.id.uuid();
    transaction.description = "REFUND FOR CHARGE";
    if (details.description) *transaction.description += " (" + *details.description + ")";
    return Booking{std::move(transaction), std::move(entries)};
}

Result<Verdict> apply(Decision& decision, const CreateRefund& command) {
    const PaymentIntent* existing = decision.find(command.payment_intent);
    if (!existing) return fail(no_such("payment_intent", command.payment_intent, "payment_intent"));
    if (const Refund* repeated = decision.find(command.id)) {
        TRY_VOID(decision.same_request(repeated->request_fingerprint));
        if (decision.started_by_this_request(*existing)) TRY_VOID(decision.idle(*existing));
        return current_state(snapshot(*repeated));
    }
    TRY_VOID(decision.idle(*existing));
    TRY(Charge charge, refundable_charge(decision, command, *existing));
    TRY(const Money amount, refundable_amount(command, charge));
    PaymentIntent payment = *existing;
    Operation operation = plan_follow_up(decision, payment, charge, OperationKind::Refund, amount);
    operation.refund = command.id;
    charge.amount_refunded_minor += amount.minor;
    Refund refund;
    refund.id = command.id;
    refund.account = decision.account();
    refund.created = decision.now();
    refund.charge = charge.id;
    refund.payment_intent = payment.id;
    refund.amount = amount;
    refund.reason = command.reason;
    refund.metadata = command.metadata;
    refund.request_fingerprint = decision.request().fingerprint;

    decision.put(std::move(charge));
    decision.put(std::move(payment));
    decision.emit("refund.created", decision.insert(std::move(refund)));
    return start(decision, std::move(operation));
}

Result<Verdict> settle_refund(Decision& decision, PaymentIntent payment, Operation operation,
                              const OperationOutcome& outcome) {
    const Refund* existing = decision.find(operation.refund);
    const Charge* charged = decision.find(operation.charge);
    if (!existing || !charged)
        return fail(ErrorClass::Bug, "refund_missing", "The refund or its charge is not loaded.");
    Refund refund = *existing;
    Charge charge = *charged;
    const RequestContext& cause = operation.request;
    if (outcome.state == OperationState::Approved) {
        TRY(Booking booking, plan_refund_booking(decision, refund, charge.details));
        refund.status = RefundStatus::Succeeded;
        refund.balance_transaction =
            decision.book(std::move(booking.transaction), std::move(booking.entries));
        decision.emit("charge.refunded", charge, cause);
    } else {
        refund.status = RefundStatus::Failed;
        refund.failure_reason = failure_reason(outcome);
        charge.amount_refunded_minor -= refund.amount.minor;
        decision.put(std::move(charge));
    }
    decision.put(std::move(payment));
    const Refund& stored = decision.put(std::move(refund));
    decision.emit("refund.updated", stored, cause);
    if (stored.status == RefundStatus::Failed) {
        decision.emit("refund.failed", stored, cause);
        decision.emit("charge.refund.updated", stored, cause);
    }
    return decision.answer({.object = snapshot(stored), .declined = std::nullopt}, cause);
}

Result<Verdict> apply(Decision& decision, const UpdateRefund& command) {
    TRY(Refund refund, existing_refund(decision, command));
    command.metadata.apply_to(refund.metadata);
    TRY_VOID(check_metadata(refund.metadata));
    const Refund& stored = decision.put(std::move(refund));
    decision.emit("refund.updated", stored);
    decision.emit("charge.refund.updated", stored);
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const UpdateCharge& command) {
    const Charge* existing = decision.find(command.id);
    if (!existing || existing->payment_intent != command.payment_intent)
        return fail(not_found("charge", command.id, "charge"));
    Charge charge = *existing;
    command.description.apply_to(charge.details.description);
    command.receipt_email.apply_to(charge.details.receipt_email);
    command.transfer_group.apply_to(charge.details.transfer_group);
    command.shipping.apply_to(charge.details.shipping);
    command.metadata.apply_to(charge.details.metadata);
    TRY_VOID(check_metadata(charge.details.metadata));
    const Charge& stored = decision.put(std::move(charge));
    decision.emit("charge.updated", stored);
    return decision.answer(snapshot(stored));
}

} // namespace holdfast::core
