#include "core/snapshot.h"

#include "core/detail/fields.h"

namespace holdfast::core {
namespace {

constexpr std::uint8_t snapshot_version = 1;
constexpr std::uint8_t details_version = 1;
constexpr std::uint8_t operation_version = 1;
constexpr std::uint8_t error_version = 1;
constexpr std::uint8_t answer_version = 1;

template <class T> Snapshot snapshot_of(const T& object) {
    return {kind_of<T>, encode_versioned(snapshot_version, object)};
}

template <class T> Result<T> decode_as_details(std::string_view bytes) {
    return decode_versioned<T>(bytes, details_version, "details");
}

struct CustomerDetails {
    std::optional<Address> address;
    std::optional<Shipping> shipping;
    std::vector<std::string> preferred_locales;
    std::string tax_exempt;
};
template <class A> void fields(A& archive, CustomerDetails& v) {
    archive(v.address, v.shipping, v.preferred_locales, v.tax_exempt);
}

} // namespace

Snapshot snapshot(const Customer& customer) { return snapshot_of(customer); }
Snapshot snapshot(const PaymentMethod& method) { return snapshot_of(method); }
Snapshot snapshot(const Token& token) { return snapshot_of(token); }
Snapshot snapshot(const PaymentIntent& payment) { return snapshot_of(payment); }
Snapshot snapshot(const Charge& charge) { return snapshot_of(charge); }
Snapshot snapshot(const Refund& refund) { return snapshot_of(refund); }

template <class T> Result<T> restore(const Snapshot& snapshot) {
    if (snapshot.kind != kind_of<T>)
        return fail(ErrorClass::Bug, "snapshot_kind",
                    "A " + std::string(to_string(snapshot.kind)) + " was restored as a " +
                        std::string(to_string(kind_of<T>)) + ".");
    return decode_versioned<T>(snapshot.bytes, snapshot_version, "snapshot");
}
template Result<Customer> restore(const Snapshot&);
template Result<PaymentMethod> restore(const Snapshot&);
template Result<Token> restore(const Snapshot&);
template Result<PaymentIntent> restore(const Snapshot&);
template Result<Charge> restore(const Snapshot&);
template Result<Refund> restore(const Snapshot&);

std::string encode_details(const PaymentDetails& details) {
    return encode_versioned(details_version, details);
}
Result<PaymentDetails> decode_payment_details(std::string_view bytes) {
    return decode_as_details<PaymentDetails>(bytes);
}
std::string encode_details(const BillingDetails& details) {
    return encode_versioned(details_version, details);
}
Result<BillingDetails> decode_billing_details(std::string_view bytes) {
    return decode_as_details<BillingDetails>(bytes);
}
std::string encode_details(const CardDetails& details) {
    return encode_versioned(details_version, details);
}
Result<CardDetails> decode_card_details(std::string_view bytes) {
    return decode_as_details<CardDetails>(bytes);
}

std::string encode_details(const Customer& c) {
    return encode_versioned(
        details_version, CustomerDetails{c.address, c.shipping, c.preferred_locales, c.tax_exempt});
}
Result<void> decode_details_into(Customer& customer, std::string_view bytes) {
    TRY(CustomerDetails details, decode_as_details<CustomerDetails>(bytes));
    customer.address = std::move(details.address);
    customer.shipping = std::move(details.shipping);
    customer.preferred_locales = std::move(details.preferred_locales);
    customer.tax_exempt = std::move(details.tax_exempt);
    return {};
}

std::string encode_operation(const Operation& operation) {
    return encode_versioned(operation_version, operation);
}
Result<Operation> decode_operation(std::string_view bytes) {
    return decode_versioned<Operation>(bytes, operation_version, "operation");
}
std::string encode_error(const PaymentError& error) {
    return encode_versioned(error_version, error);
}
Result<PaymentError> decode_error(std::string_view bytes) {
    return decode_versioned<PaymentError>(bytes, error_version, "error");
}
std::string encode_answer(const Answer& answer) { return encode_versioned(answer_version, answer); }
Result<Answer> decode_answer(std::string_view bytes) {
    return decode_versioned<Answer>(bytes, answer_version, "answer");
}

} // namespace holdfast::core
