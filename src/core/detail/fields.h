#pragma once

// fields: the binary form of core's values for base/codec.h. Private to core.
//
// Records outlive the code that wrote them: within a struct append only, and keep the order of
// enumerators and of the alternatives of CommandBody. Metadata is archived by the owner of
// PaymentDetails, not with it: rows have a column for it.

#include "base/codec.h"
#include "core/command.h"
#include "core/names.h"
#include "core/snapshot.h"

namespace holdfast::core {

inline void write_value(BinaryWriter& out, const Currency& currency) {
    out.varint(currency.index());
}
inline void read_value(BinaryReader& in, Currency& currency) {
    const std::uint64_t index = in.varint();
    auto known =
        index <= 0xFF ? Currency::from_index(static_cast<std::uint8_t>(index)) : std::nullopt;
    if (!known) return in.refuse("A currency is unknown.");
    currency = *known;
}

template <class A> void fields(A& archive, Money& v) { archive(v.minor, v.currency); }
template <class A> void fields(A& archive, Address& v) {
    archive(v.city, v.country, v.line1, v.line2, v.postal_code, v.state);
}
template <class A> void fields(A& archive, Shipping& v) {
    archive(v.address, v.name, v.phone, v.carrier, v.tracking_number);
}
template <class A> void fields(A& archive, BillingDetails& v) {
    archive(v.address, v.email, v.name, v.phone);
}
template <class A> void fields(A& archive, CardDetails& v) {
    archive(v.brand, v.last4, v.exp_month, v.exp_year, v.funding, v.country, v.fingerprint);
}
template <class A> void fields(A& archive, CardFailure& v) {
    archive(v.code, v.decline_code, v.message);
}
template <class A> void fields(A& archive, PaymentError& v) {
    archive(v.failure, v.charge, v.payment_method);
}
template <class A> void fields(A& archive, PaymentDetails& v) {
    archive(v.description, v.receipt_email, v.statement_descriptor, v.statement_descriptor_suffix,
            v.transfer_group, v.return_url, v.shipping, v.payment_method_types,
            v.automatic_payment_methods);
}

template <class A> void fields(A& archive, Customer& v) {
    archive(v.id, v.account, v.version, v.created, v.deleted, v.email, v.name, v.phone,
            v.description, v.address, v.shipping, v.default_payment_method, v.preferred_locales,
            v.tax_exempt, v.balance_minor, v.metadata, v.request_fingerprint);
}
template <class A> void fields(A& archive, PaymentMethod& v) {
    archive(v.id, v.account, v.version, v.created, v.customer, v.detached, v.card, v.vault_token,
            v.billing_details, v.allow_redisplay, v.metadata, v.request_fingerprint);
}
template <class A> void fields(A& archive, Token& v) {
    archive(v.id, v.account, v.version, v.created, v.used, v.card, v.vault_token, v.billing_details,
            v.request_fingerprint);
}
template <class A> void fields(A& archive, PaymentIntent& v) {
    archive(v.id, v.account, v.version, v.created, v.amount, v.amount_capturable_minor,
            v.amount_received_minor, v.status, v.capture_method, v.confirmation_method,
            v.setup_future_usage, v.customer, v.payment_method, v.latest_charge, v.failed_attempts,
            v.operations, v.active_operation, v.last_error, v.canceled_at, v.cancellation_reason,
            v.details, v.details.metadata, v.request_fingerprint);
}
template <class A> void fields(A& archive, Charge& v) {
    archive(v.id, v.account, v.version, v.created, v.payment_intent, v.customer, v.payment_method,
            v.amount, v.amount_captured_minor, v.amount_refunded_minor, v.status, v.captured,
            v.authorization, v.balance_transaction, v.card, v.billing_details, v.failure,
            v.authorization_code, v.details, v.details.metadata);
}
template <class A> void fields(A& archive, Refund& v) {
    archive(v.id, v.account, v.version, v.created, v.charge, v.payment_intent, v.amount, v.status,
            v.reason, v.failure_reason, v.balance_transaction, v.failure_balance_transaction,
            v.metadata, v.request_fingerprint);
}
template <class A> void fields(A& archive, RequestContext& v) {
    archive(v.replay_key, v.fingerprint, v.request_id, v.idempotency_key);
}
template <class A> void fields(A& archive, Operation& v) {
    archive(v.id, v.account, v.version, v.payment_intent, v.kind, v.state, v.amount, v.original,
            v.charge, v.refund, v.vault_token, v.card, v.billing_details, v.started, v.valid_until,
            v.owner, v.reversing, v.metadata, v.request, v.cancellation_reason,
            v.save_payment_method);
}
template <class A> void fields(A& archive, OperationOutcome& v) {
    archive(v.state, v.failure, v.authorization_code, v.executed_as);
}
template <class A> void fields(A& archive, Snapshot& v) { archive(v.kind, v.bytes); }
template <class A> void fields(A& archive, Answer& v) { archive(v.object, v.declined); }

// Commands.

template <class A, class T> void fields(A& archive, Change<T>& v) {
    archive(v.set);
    if (v.set) archive(v.value);
}
template <class A> void fields(A& archive, MetadataChange& v) { archive(v.clear, v.set); }
template <class A> void fields(A& archive, CreateCustomer& v) { archive(v.customer); }
template <class A> void fields(A& archive, UpdateCustomer& v) {
    archive(v.id, v.email, v.name, v.phone, v.description, v.address, v.shipping,
            v.default_payment_method, v.preferred_locales, v.tax_exempt, v.balance_minor,
            v.metadata);
}
template <class A> void fields(A& archive, DeleteCustomer& v) { archive(v.id); }
template <class A> void fields(A& archive, CreateToken& v) { archive(v.token); }
template <class A> void fields(A& archive, CreatePaymentMethod& v) {
    archive(v.payment_method, v.from_token);
}
template <class A> void fields(A& archive, UpdatePaymentMethod& v) {
    archive(v.id, v.exp_month, v.exp_year, v.billing_details, v.allow_redisplay, v.metadata);
}
template <class A> void fields(A& archive, AttachPaymentMethod& v) { archive(v.id, v.customer); }
template <class A> void fields(A& archive, DetachPaymentMethod& v) { archive(v.id, v.customer); }
template <class A> void fields(A& archive, PaymentMethodChoice& v) {
    archive(v.id, v.create, v.from_token);
}
template <class A> void fields(A& archive, CreatePaymentIntent& v) {
    archive(v.payment_intent, v.payment_method, v.confirm, v.error_on_requires_action,
            v.off_session);
}
template <class A> void fields(A& archive, UpdatePaymentIntent& v) {
    archive(v.id, v.amount_minor, v.currency, v.capture_method, v.setup_future_usage, v.customer,
            v.payment_method, v.description, v.receipt_email, v.statement_descriptor,
            v.statement_descriptor_suffix, v.transfer_group, v.shipping, v.payment_method_types,
            v.metadata);
}
template <class A> void fields(A& archive, ConfirmPaymentIntent& v) {
    archive(v.id, v.payment_method, v.capture_method, v.setup_future_usage, v.receipt_email,
            v.return_url, v.shipping, v.error_on_requires_action, v.off_session);
}
template <class A> void fields(A& archive, CapturePaymentIntent& v) {
    archive(v.id, v.amount_to_capture_minor, v.statement_descriptor, v.statement_descriptor_suffix,
            v.metadata);
}
template <class A> void fields(A& archive, CancelPaymentIntent& v) { archive(v.id, v.reason); }
template <class A> void fields(A& archive, UpdateCharge& v) {
    archive(v.id, v.payment_intent, v.description, v.receipt_email, v.transfer_group, v.shipping,
            v.metadata);
}
template <class A> void fields(A& archive, CreateRefund& v) {
    archive(v.id, v.payment_intent, v.charge, v.amount_minor, v.reason, v.metadata, v.currency);
}
template <class A> void fields(A& archive, UpdateRefund& v) {
    archive(v.id, v.payment_intent, v.metadata);
}
template <class A> void fields(A& archive, RecordOutcome& v) {
    archive(v.payment_intent, v.operation, v.refund, v.outcome, v.save_payment_method);
}
template <class A> void fields(A& archive, ClaimOperation& v) {
    archive(v.payment_intent, v.operation, v.expected_owner, v.new_owner, v.to_reverse);
}
template <class A> void fields(A& archive, StandIn& v) {
    archive(v.reference, v.amount, v.vault_token);
}
template <class A> void fields(A& archive, Command& v) {
    archive(v.account, v.request, v.received, v.body, v.stand_in);
}

} // namespace holdfast::core
