// Payment intents: creating and updating them.

#include "core/detail/payments.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

Error missing_method() {
    return unexpected_state(
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
        "either update the PaymentIntent with a payment method and then confirm it again, or "
        "confirm it again directly with a payment method or ConfirmationToken.");
}

/// What a repeated creation answers when its cached answer is not there (yet, or any more).
Result<Verdict> repeat_creation(const Decision& decision, const PaymentIntent& payment) {
    TRY_VOID(decision.same_request(payment.request_fingerprint));
    if (decision.started_by_this_request(payment)) TRY_VOID(decision.idle(payment));
    Verdict verdict = current_state(snapshot(payment));
    // Any later change would have cleared the error, a later attempt raised the number: it was
    // this request whose card was declined.
    if (payment.last_error && payment.failed_attempts == 1 && !payment.active_operation)
        verdict.answer->declined = payment.last_error;
    return verdict;
}

/// The database's word on what stand-in has decided and it does not know: something else came
/// first. Of another attempt that is not decided there nothing can be said yet (Conflict): if that
/// fails, this may stand.
Result<Verdict> repeat_stand_in(const Decision& decision, const PaymentIntent& payment) {
    if (decision.find(decision.stand_in()->reference)) return current_state(snapshot(payment));
    TRY_VOID(decision.idle(payment));
    return fail(stand_in_superseded());
}

/// Takes from the request what a client decides, and nothing else.
PaymentIntent fresh_payment(const Decision& decision, const PaymentIntent& wanted) {
    PaymentIntent payment;
    payment.id = wanted.id;
    payment.account = decision.account();
    payment.created = decision.created();
    payment.amount = wanted.amount;
    payment.capture_method = wanted.capture_method;
    payment.confirmation_method = wanted.confirmation_method;
    payment.setup_future_usage = wanted.setup_future_usage;
    payment.customer = wanted.customer;
    payment.details = wanted.details;
    payment.request_fingerprint = decision.request().fingerprint;
    return payment;
}

/// An empty choice stands for "no payment method".
bool names_method(const std::optional<PaymentMethodChoice>& choice) {
    return choice && (choice->create || choice->id);
}

/// Changes that are only allowed while the payment is open, by the name of their parameter.
Result<void> check_state(const UpdatePaymentIntent& c, PaymentIntentStatus status) {
    using enum PaymentIntentStatus;
    if (is_open(status)) return {};
    const std::pair<std::string_view, bool> restricted[] = {
        {"amount", c.amount_minor.set},
        {"currency", c.currency.set},
        {"capture_method", c.capture_method.set},
        {"setup_future_usage", c.setup_future_usage.set},
        {"customer", c.customer.set},
        {"payment_method", c.payment_method.has_value()},
        {"payment_method_types", c.payment_method_types.set},
        {"statement_descriptor", c.statement_descriptor.set},
        {"statement_descriptor_suffix", c.statement_descriptor_suffix.set},
    };
    for (const auto& [param, changed] : restricted)
        if (changed)
            return fail(unexpected_state(
                fmt::format("This PaymentIntent's {0} could not be updated because it has a status "
                            "of {1}. You may only update the {0} of a PaymentIntent with one of "
                            "the following statuses: {2}.",
                            param, to_string(status),
                            list_of({RequiresPaymentMethod, RequiresConfirmation, RequiresAction})),
                param));
    return {};
}

void apply_changes(const UpdatePaymentIntent& c, PaymentIntent& payment) {
    c.amount_minor.apply_to(payment.amount.minor);
    c.currency.apply_to(payment.amount.currency);
    c.capture_method.apply_to(payment.capture_method);
    c.setup_future_usage.apply_to(payment.setup_future_usage);
    c.customer.apply_to(payment.customer);
    c.description.apply_to(payment.details.description);
    c.receipt_email.apply_to(payment.details.receipt_email);
    c.statement_descriptor.apply_to(payment.details.statement_descriptor);
    c.statement_descriptor_suffix.apply_to(payment.details.statement_descriptor_suffix);
    c.transfer_group.apply_to(payment.details.transfer_group);
    c.shipping.apply_to(payment.details.shipping);
    c.payment_method_types.apply_to(payment.details.payment_method_types);
    c.metadata.apply_to(payment.details.metadata);
    payment.last_error.reset(); // as Stripe: any update makes the last failure history
}

} // namespace

Result<std::optional<Verdict>> known_attempt(Decision& decision) {
    const auto& held = decision.stand_in();
    if (!held || !held->holds()) return std::nullopt;
    const Operation* attempt = decision.find(held->reference);
    const PaymentIntent* payment = attempt ? decision.find(attempt->payment_intent) : nullptr;
    if (!payment) return std::nullopt;
    const bool ours = attempt->request.replay_key == decision.request().replay_key;
    if (attempt->state == OperationState::Started) {
        if (!is_held_for(*held, attempt->amount, attempt->vault_token))
            TRY_VOID(decision.idle(*payment));
        Verdict verdict = current_state(snapshot(*payment));
        verdict.started = *attempt;
        return verdict;
    }
    const auto before = decision.replay();
    const bool answered = !before || *before; // or its key is another request's
    if (ours || answered || decision.started_by_this_request(*payment))
        return current_state(snapshot(*payment));
    return decision.answer(
        {.object = snapshot(*payment), .declined = last_decline(*payment, *attempt)},
        decision.request());
}

Result<void> check_amount(Money amount) {
    const Currency currency = amount.currency;
    const Money least{minimum_charge_minor(currency), currency};
    const Money most{amount_minor_max, currency};
    if (amount.minor < least.minor)
        return fail(refusal(
            "amount_too_small",
            fmt::format("Amount must be at least {} {}", display_amount(least), currency.code()),
            "amount"));
    if (amount.minor > most.minor)
        return fail(refusal(
            "amount_too_large",
            fmt::format("Amount must be no more than {} {}", display_amount(most), currency.code()),
            "amount"));
    return check_step(amount, "amount");
}

Result<void> check_step(Money amount, std::string_view param) {
    const std::int64_t step = amount_step_minor(amount.currency);
    if (amount.minor % step == 0) return {};
    return fail(refusal(
        "invalid_charge_amount",
        fmt::format("Amounts in {} must be divisible by {}", amount.currency.code(), step), param));
}

Result<Verdict> apply(Decision& decision, const CreatePaymentIntent& command) {
    if (const PaymentIntent* existing = decision.find(command.payment_intent.id))
        return decision.stand_in() ? repeat_stand_in(decision, *existing)
                                   : repeat_creation(decision, *existing);
    PaymentIntent payment = fresh_payment(decision, command.payment_intent);
    TRY_VOID(check_amount(payment.amount));
    TRY_VOID(check_customer(decision, payment.customer));
    std::optional<MethodChoice> choice;
    if (names_method(command.payment_method)) {
        TRY(choice, choose_method(decision, *command.payment_method, payment.customer));
        payment.payment_method = choice->method.id;
        payment.status = PaymentIntentStatus::RequiresConfirmation;
    }
    if (command.confirm && !choice) return fail(missing_method());

    if (choice) keep(decision, *choice);
    decision.emit("payment_intent.created", payment);
    if (!command.confirm) return decision.answer(snapshot(decision.insert(std::move(payment))));
    Operation operation = plan_authorization(decision, payment, choice->method);
    decision.insert(std::move(payment));
    return start(decision, std::move(operation));
}

Result<Verdict> apply(Decision& decision, const UpdatePaymentIntent& command) {
    const PaymentIntent* existing = decision.find(command.id);
    if (!existing) return fail(no_such_payment(command.id));
    TRY_VOID(check_state(command, existing->status));
    PaymentIntent payment = *existing;
    apply_changes(command, payment);
    TRY_VOID(check_metadata(payment.details.metadata));
    if (command.amount_minor.set || command.currency.set) TRY_VOID(check_amount(payment.amount));
    if (command.customer.set) TRY_VOID(check_customer(decision, payment.customer));

    std::optional<MethodChoice> choice;
    if (names_method(command.payment_method)) {
        TRY(choice, choose_method(decision, *command.payment_method, payment.customer));
        payment.payment_method = choice->method.id;
        payment.status = PaymentIntentStatus::RequiresConfirmation;
    } else if (command.payment_method) {
        payment.payment_method = {};
        payment.status = PaymentIntentStatus::RequiresPaymentMethod;
    } else if (const PaymentMethod* method = decision.find(payment.payment_method);
               method && command.customer.set) {
        TRY_VOID(check_usable(*method, payment.customer));
    }

    if (choice) keep(decision, *choice);
    return decision.answer(snapshot(decision.put(std::move(payment))));
}

Result<Verdict> apply(Decision& decision, const ConfirmPaymentIntent& command) {
    using enum PaymentIntentStatus;
    const PaymentIntent* existing = decision.find(command.id);
    if (!existing) return fail(no_such_payment(command.id));
    const bool came_later = existing->active_operation || !is_open(existing->status);
    if (decision.stand_in() && (came_later || decision.find(decision.stand_in()->reference)))
        return repeat_stand_in(decision, *existing);
    TRY_VOID(decision.idle(*existing));
    if (existing->status == Succeeded)
        return fail(
            unexpected_state("You cannot confirm this PaymentIntent because it has already "
                             "succeeded after being previously confirmed."));
    if (!is_open(existing->status))
        return fail(unexpected_state(fmt::format(
            "You cannot confirm this PaymentIntent because it has a status of {}. Only "
            "a PaymentIntent with one of the following statuses may be confirmed: {}.",
            to_string(existing->status), list_of({RequiresConfirmation, RequiresAction}))));
    PaymentIntent payment = *existing;
    command.capture_method.apply_to(payment.capture_method);
    command.setup_future_usage.apply_to(payment.setup_future_usage);
    command.receipt_email.apply_to(payment.details.receipt_email);
    command.return_url.apply_to(payment.details.return_url);
    command.shipping.apply_to(payment.details.shipping);

    PaymentMethodChoice wanted{.id = payment.payment_method};
    if (names_method(command.payment_method)) wanted = *command.payment_method;
    if (!names_method(wanted)) return fail(missing_method());
    TRY(MethodChoice choice, choose_method(decision, wanted, payment.customer));
    payment.payment_method = choice.method.id;
    if (decision.stand_in() &&
        decision.stand_in()->reference != authorization_of(decision, payment))
        return fail(stand_in_superseded());

    keep(decision, choice);
    Operation operation = plan_authorization(decision, payment, choice.method);
    decision.put(std::move(payment));
    return start(decision, std::move(operation));
}

} // namespace holdfast::core
