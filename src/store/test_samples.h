#pragma once

// Objects for the tests of this folder and of tests/store: complete ones, every field set, so that
// a column that is not written or not read shows.

#include "core/snapshot.h"
#include "core/unit_of_work.h"

namespace holdfast::store::samples {

/// A new id each time; the same sequence in every run.
inline Uuid next_uuid() {
    static std::uint64_t last = 0;
    Uuid id;
    std::uint64_t mixed = ++last * 0x9E3779B97F4A7C15ULL;
    for (std::size_t i = 0; i < 8; ++i, mixed >>= 8) id.bytes[i] = mixed & 0xff;
    for (std::size_t i = 0; i < 8; ++i) id.bytes[15 - i] = (last >> (8 * i)) & 0xff;
    return id;
}
template <class T> Id<T> next_id() { return Id<T>(next_uuid()); }

inline core::Currency usd() { return *core::Currency::parse("usd"); }
inline WallTime at_second(std::int64_t seconds) {
    return wall_from_micros((1'790'000'000 + seconds) * 1'000'000 + 123'456);
}

inline core::CardDetails card() {
    return {.brand = "mastercard",
            .last4 = "4444",
            .exp_month = 12,
            .exp_year = 2031,
            .funding = "debit",
            .country = "DE",
            .fingerprint = "Xt5EWLLDS7FJjR1c"};
}
inline core::BillingDetails billing() {
    core::BillingDetails billing;
    billing.address = core::Address{.city = "Köln", .country = "DE", .line1 = "Domplatz 1"};
    billing.email = "jo@example.com";
    billing.name = "Jo \"J\" O'Hara";
    return billing;
}
inline core::Metadata metadata() { return {{"order", "ä\"\\/\n42"}, {"purchase", "p-1"}}; }

inline core::PaymentDetails details() {
    core::PaymentDetails details;
    details.description = "Two tickets";
    details.receipt_email = "jo@example.com";
    details.statement_descriptor = "HOLDFAST";
    details.shipping = core::Shipping{.address = {.city = "Bonn"}, .name = "Jo"};
    details.payment_method_types = {"card", "link"};
    details.automatic_payment_methods = true;
    details.metadata = metadata();
    return details;
}

inline core::Customer customer(Id<core::Account> account) {
    core::Customer customer{.id = next_id<core::Customer>(), .account = account};
    customer.created = at_second(1);
    customer.email = "jo@example.com";
    customer.name = "Jo";
    customer.address = core::Address{.city = "Bonn"};
    customer.default_payment_method = next_id<core::PaymentMethod>();
    customer.preferred_locales = {"de", "en"};
    customer.balance_minor = -250;
    customer.metadata = metadata();
    customer.request_fingerprint = 0xfedcba9876543210ULL;
    return customer;
}

inline core::PaymentMethod payment_method(Id<core::Account> account) {
    core::PaymentMethod method{.id = next_id<core::PaymentMethod>(), .account = account};
    method.created = at_second(2);
    method.customer = next_id<core::Customer>();
    method.card = card();
    method.vault_token = "vault_1";
    method.billing_details = billing();
    method.allow_redisplay = "always";
    method.metadata = metadata();
    method.request_fingerprint = 7;
    return method;
}

inline core::Token token(Id<core::Account> account) {
    core::Token token{.id = next_id<core::Token>(), .account = account};
    token.created = at_second(3);
    token.card = card();
    token.vault_token = "vault_2";
    token.billing_details = billing();
    token.request_fingerprint = 8;
    return token;
}

/// As after a first, declined attempt.
inline core::PaymentIntent payment(Id<core::Account> account) {
    core::PaymentIntent payment{.id = next_id<core::PaymentIntent>(), .account = account};
    payment.created = at_second(4);
    payment.amount = {1099, usd()};
    payment.amount_capturable_minor = 3;
    payment.amount_received_minor = 2;
    payment.status = core::PaymentIntentStatus::RequiresCapture;
    payment.capture_method = core::CaptureMethod::Manual;
    payment.confirmation_method = core::ConfirmationMethod::Manual;
    payment.setup_future_usage = core::SetupFutureUsage::OffSession;
    payment.customer = next_id<core::Customer>();
    payment.payment_method = next_id<core::PaymentMethod>();
    payment.latest_charge = next_id<core::Charge>();
    payment.failed_attempts = 1;
    payment.operations = 2;
    payment.active_operation = next_id<core::Operation>();
    payment.last_error = core::PaymentError{
        {"card_declined", "lost_card", "No."}, payment.latest_charge, payment.payment_method};
    payment.canceled_at = at_second(5);
    payment.cancellation_reason = core::CancellationReason::Abandoned;
    payment.details = details();
    payment.request_fingerprint = 9;
    return payment;
}

/// Nothing set that need not be.
inline core::PaymentIntent bare_payment(Id<core::Account> account) {
    core::PaymentIntent payment{.id = next_id<core::PaymentIntent>(), .account = account};
    payment.created = at_second(4);
    payment.amount = {1099, usd()};
    return payment;
}

inline core::Charge charge(const core::PaymentIntent& payment) {
    core::Charge charge{.id = next_id<core::Charge>(), .account = payment.account};
    charge.created = at_second(6);
    charge.payment_intent = payment.id;
    charge.customer = payment.customer;
    charge.payment_method = payment.payment_method;
    charge.amount = payment.amount;
    charge.amount_captured_minor = 1000;
    charge.amount_refunded_minor = 10;
    charge.status = core::ChargeStatus::Failed;
    charge.captured = true;
    charge.authorization = next_id<core::Operation>();
    charge.balance_transaction = next_id<core::BalanceTransaction>();
    charge.card = card();
    charge.billing_details = billing();
    charge.failure = core::CardFailure{"card_declined", "", "No."};
    charge.authorization_code = "A1B2C3";
    charge.details = details();
    return charge;
}

inline core::Refund refund(const core::Charge& charge) {
    core::Refund refund{.id = next_id<core::Refund>(), .account = charge.account};
    refund.created = at_second(7);
    refund.charge = charge.id;
    refund.payment_intent = charge.payment_intent;
    refund.amount = {10, usd()};
    refund.status = core::RefundStatus::Failed;
    refund.reason = "duplicate";
    refund.failure_reason = "lost_or_stolen_card";
    refund.balance_transaction = next_id<core::BalanceTransaction>();
    refund.failure_balance_transaction = next_id<core::BalanceTransaction>();
    refund.metadata = metadata();
    refund.request_fingerprint = 10;
    return refund;
}

inline core::Operation operation(const core::PaymentIntent& payment) {
    core::Operation operation{.id = next_id<core::Operation>(), .account = payment.account};
    operation.payment_intent = payment.id;
    operation.kind = core::OperationKind::Sale;
    operation.amount = payment.amount;
    operation.charge = next_id<core::Charge>();
    operation.vault_token = "vault_1";
    operation.card = card();
    operation.billing_details = billing();
    operation.started = at_second(8);
    operation.valid_until = at_second(23);
    operation.owner = next_uuid();
    operation.metadata = metadata();
    operation.request = {next_uuid(), 11, next_uuid(), "key-1"};
    return operation;
}

/// A capture of `gross_minor` with its fee, as core posts it.
inline core::LedgerTransaction capture(Id<core::Account> account, std::int64_t gross_minor,
                                       std::int64_t fee_minor) {
    core::LedgerTransaction transaction;
    core::BalanceTransaction& row = transaction.balance_transaction;
    row.id = next_id<core::BalanceTransaction>();
    row.account = account;
    row.created = at_second(9);
    row.available_on = at_second(10);
    row.kind = core::PostingKind::Capture;
    row.amount = {gross_minor, usd()};
    row.fee_minor = fee_minor;
    row.source_kind = core::ObjectKind::Charge;
    row.source = next_uuid();
    row.description = "Two tickets";
    transaction.entries = *core::post(row.kind, account, row.amount, fee_minor);
    return transaction;
}

inline core::Event event(const core::PaymentIntent& payment, std::string type) {
    core::Event event;
    event.id = next_id<core::Event>();
    event.account = payment.account;
    event.created = at_second(11);
    event.type = std::move(type);
    event.object_id = payment.id.uuid();
    event.object = core::snapshot(payment);
    event.request_id = next_uuid();
    event.idempotency_key = "key-1";
    return event;
}

inline core::ReplayRecord replay(const core::PaymentIntent& payment) {
    core::ReplayRecord record;
    record.account = payment.account;
    record.replay_key = next_uuid();
    record.fingerprint = 0x8000000000000001ULL;
    record.request_id = next_uuid();
    record.created = at_second(12);
    record.answer.object = core::snapshot(payment);
    return record;
}

} // namespace holdfast::store::samples
