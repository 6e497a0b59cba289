// Payment methods and tokens: cards, as names of what the acquirer's vault holds.

#include "core/detail/method_choice.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

constexpr std::string_view method_state = "payment_method_unexpected_state";

Result<PaymentMethod> existing_method(const Decision& decision, Id<PaymentMethod> id) {
    const PaymentMethod* method = decision.find(id);
    if (!method) return fail(not_found("PaymentMethod", id, "payment_method"));
    return *method;
}

Error spent_method() {
    return refusal(method_state,
                   "The provided PaymentMethod was previously used with a PaymentIntent without "
                   "Customer attachment, shared with a connected account without Customer "
                   "attachment, or was detached from a Customer. It may not be used again. To use "
                   "a PaymentMethod multiple times, you must attach it to a Customer first.",
                   "payment_method");
}

} // namespace

Result<void> check_usable(const PaymentMethod& method, Id<Customer> customer) {
    if (method.detached) return fail(spent_method());
    if (!method.customer || method.customer == customer) return {};
    if (!customer)
        return fail(refusal(method_state,
                            fmt::format("The provided PaymentMethod {} belongs to a Customer. "
                                        "Please include the Customer in the `customer` parameter "
                                        "on the PaymentIntent.",
                                        method.id.str()),
                            "payment_method"));
    return fail(refusal(method_state,
                        fmt::format("The customer does not have a payment method with the ID {}. "
                                    "The payment method must be attached to the customer.",
                                    method.id.str()),
                        "payment_method"));
}

Result<void> check_token(const Decision& decision, Id<Token> token, std::string_view param) {
    if (!token) return {};
    const Token* row = decision.find(token);
    if (!row) return fail(no_such("token", token, param));
    if (row->used)
        return fail(refusal(
            "token_already_used",
            fmt::format("You cannot use a Stripe token more than once: {}.", token.str()), param));
    return {};
}

void use_up(Decision& decision, Id<Token> token) {
    if (!token) return;
    Token row = *decision.find(token);
    row.used = true;
    decision.put(std::move(row));
}

PaymentMethod fresh_method(const Decision& decision, PaymentMethod method) {
    method.account = decision.account();
    method.version = 1;
    method.created = decision.now();
    method.customer = {};
    method.detached = false;
    method.request_fingerprint = decision.request().fingerprint;
    return method;
}

Result<MethodChoice> choose_method(const Decision& decision, const PaymentMethodChoice& wanted,
                                   Id<Customer> customer) {
    const Id<PaymentMethod> id = wanted.create ? wanted.create->id : wanted.id;
    const PaymentMethod* existing = decision.find(id);
    if (wanted.create && !existing) {
        TRY_VOID(check_token(decision, wanted.from_token, "payment_method_data[card][token]"));
        return MethodChoice{fresh_method(decision, *wanted.create), true, wanted.from_token};
    }
    if (!existing) return fail(no_such("PaymentMethod", id, "payment_method"));
    // Created here before: the same request once more, after its cached answer has expired.
    if (wanted.create) TRY_VOID(decision.same_request(existing->request_fingerprint));
    TRY_VOID(check_usable(*existing, customer));
    return MethodChoice{.method = *existing, .is_new = false, .token = {}};
}

void keep(Decision& decision, const MethodChoice& choice) {
    if (choice.is_new) decision.insert(choice.method);
    use_up(decision, choice.token);
}

Result<void> check_customer(const Decision& decision, Id<Customer> id) {
    if (!id) return {};
    const Customer* customer = decision.find(id);
    if (!customer || customer->deleted) return fail(no_such("customer", id, "customer"));
    return {};
}

Result<Verdict> apply(Decision& decision, const CreateToken& command) {
    if (const Token* existing = decision.find(command.token.id)) {
        TRY_VOID(decision.same_request(existing->request_fingerprint));
        return current_state(snapshot(*existing));
    }
    Token token = command.token;
    token.account = decision.account();
    token.version = 1;
    token.created = decision.now();
    token.used = false;
    token.request_fingerprint = decision.request().fingerprint;
    return decision.answer(snapshot(decision.insert(std::move(token))));
}

Result<Verdict> apply(Decision& decision, const CreatePaymentMethod& command) {
    if (const PaymentMethod* existing = decision.find(command.payment_method.id)) {
        TRY_VOID(decision.same_request(existing->request_fingerprint));
        return current_state(snapshot(*existing));
    }
    TRY_VOID(check_token(decision, command.from_token, "card[token]"));
    use_up(decision, command.from_token);
    const PaymentMethod& stored = decision.insert(fresh_method(decision, command.payment_method));
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const UpdatePaymentMethod& command) {
    TRY(PaymentMethod method, existing_method(decision, command.id));
    if (!method.customer)
        return fail(refusal(method_state,
                            "You must save this PaymentMethod to a customer before you can update "
                            "it."));
    command.exp_month.apply_to(method.card.exp_month);
    command.exp_year.apply_to(method.card.exp_year);
    command.billing_details.apply_to(method.billing_details);
    command.allow_redisplay.apply_to(method.allow_redisplay);
    command.metadata.apply_to(method.metadata);
    TRY_VOID(check_metadata(method.metadata));
    const PaymentMethod& stored = decision.put(std::move(method));
    decision.emit("payment_method.updated", stored);
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const AttachPaymentMethod& command) {
    TRY(PaymentMethod method, existing_method(decision, command.id));
    TRY_VOID(check_customer(decision, command.customer));
    if (method.detached)
        return fail(refusal(method_state,
                            "This PaymentMethod was previously used without being attached to a "
                            "Customer or was detached from a Customer, and may not be used "
                            "again."));
    if (method.customer == command.customer) return decision.answer(snapshot(method));
    if (method.customer)
        return fail(refusal(method_state,
                            "The payment method you provided has already been "
                            "attached to a customer."));
    method.customer = command.customer;
    const PaymentMethod& stored = decision.put(std::move(method));
    decision.emit("payment_method.attached", stored);
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const DetachPaymentMethod& command) {
    TRY(PaymentMethod method, existing_method(decision, command.id));
    if (!method.customer)
        return fail(refusal(method_state,
                            "The payment method you provided is not attached to a "
                            "customer so detachment is impossible.",
                            "payment_method"));
    const Customer* customer =
        command.customer == method.customer ? decision.find(command.customer) : nullptr;
    if (customer && customer->default_payment_method == method.id) {
        Customer changed = *customer;
        changed.default_payment_method = {};
        decision.emit("customer.updated", decision.put(std::move(changed)));
    }
    method.customer = {};
    method.detached = true;
    const PaymentMethod& stored = decision.put(std::move(method));
    decision.emit("payment_method.detached", stored);
    return decision.answer(snapshot(stored));
}

} // namespace holdfast::core
