// Customers: created, changed, and deleted to a tombstone that keeps old payments readable.

#include "core/detail/decision.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

constexpr std::string_view default_method_param = "invoice_settings[default_payment_method]";

Result<Customer> living(const Decision& decision, Id<Customer> id) {
    const Customer* customer = decision.find(id);
    if (!customer || customer->deleted) return fail(not_found("customer", id, "id"));
    return *customer;
}

/// A default must be attached to that customer.
Result<void> check_default(const Decision& decision, Id<PaymentMethod> id, Id<Customer> customer) {
    if (!id) return {};
    const PaymentMethod* method = decision.find(id);
    if (!method) return fail(no_such("PaymentMethod", id, default_method_param));
    if (method->customer != customer)
        return fail(refusal("resource_missing",
                            fmt::format("The customer does not have a payment method with the ID "
                                        "{}. The payment method must be attached to the customer.",
                                        id.str()),
                            default_method_param));
    return {};
}

} // namespace

Result<Verdict> apply(Decision& decision, const CreateCustomer& command) {
    if (const Customer* existing = decision.find(command.customer.id)) {
        TRY_VOID(decision.same_request(existing->request_fingerprint));
        return current_state(snapshot(*existing));
    }
    Customer customer = command.customer;
    TRY_VOID(check_default(decision, customer.default_payment_method, customer.id));
    customer.account = decision.account();
    customer.version = 1;
    customer.created = decision.now();
    customer.deleted = false;
    customer.request_fingerprint = decision.request().fingerprint;
    const Customer& stored = decision.insert(std::move(customer));
    decision.emit("customer.created", stored);
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const UpdateCustomer& command) {
    TRY(Customer customer, living(decision, command.id));
    if (command.default_payment_method.set)
        TRY_VOID(check_default(decision, command.default_payment_method.value, customer.id));
    command.email.apply_to(customer.email);
    command.name.apply_to(customer.name);
    command.phone.apply_to(customer.phone);
    command.description.apply_to(customer.description);
    command.address.apply_to(customer.address);
    command.shipping.apply_to(customer.shipping);
    command.default_payment_method.apply_to(customer.default_payment_method);
    command.preferred_locales.apply_to(customer.preferred_locales);
    command.tax_exempt.apply_to(customer.tax_exempt);
    command.balance_minor.apply_to(customer.balance_minor);
    command.metadata.apply_to(customer.metadata);
    TRY_VOID(check_metadata(customer.metadata));
    const Customer& stored = decision.put(std::move(customer));
    decision.emit("customer.updated", stored);
    return decision.answer(snapshot(stored));
}

Result<Verdict> apply(Decision& decision, const DeleteCustomer& command) {
    TRY(Customer customer, living(decision, command.id));
    customer.deleted = true;
    customer.default_payment_method = {};
    const Customer& stored = decision.put(std::move(customer));
    decision.emit("customer.deleted", stored);
    return decision.answer(snapshot(stored));
}

} // namespace holdfast::core
