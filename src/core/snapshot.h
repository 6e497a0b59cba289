#pragma once

// Binary snapshots of objects: what events, replay answers and logs keep of an object at a moment.
// Versioned; a snapshot written by an older build is read with defaults for what it lacked, one by
// a newer build is refused ("snapshot_version"). Built on base/codec.h.

#include "core/answer.h"
#include "core/ledger.h"
#include "core/objects.h"
#include "core/operation.h"

#include <string>
#include <string_view>

namespace holdfast::core {

/// The ObjectKind of a type.
template <class T> inline constexpr ObjectKind kind_of = ObjectKind::Account;
template <> inline constexpr ObjectKind kind_of<Customer> = ObjectKind::Customer;
template <> inline constexpr ObjectKind kind_of<PaymentMethod> = ObjectKind::PaymentMethod;
template <> inline constexpr ObjectKind kind_of<Token> = ObjectKind::Token;
template <> inline constexpr ObjectKind kind_of<PaymentIntent> = ObjectKind::PaymentIntent;
template <> inline constexpr ObjectKind kind_of<Charge> = ObjectKind::Charge;
template <> inline constexpr ObjectKind kind_of<Refund> = ObjectKind::Refund;
template <> inline constexpr ObjectKind kind_of<Operation> = ObjectKind::Operation;

Snapshot snapshot(const Customer&);
Snapshot snapshot(const PaymentMethod&);
Snapshot snapshot(const Token&);
Snapshot snapshot(const PaymentIntent&);
Snapshot snapshot(const Charge&);
Snapshot snapshot(const Refund&);

/// T is one of the types above. Errors: "snapshot_kind" when the snapshot holds another kind,
/// "snapshot_corrupt", "snapshot_version".
template <class T> Result<T> restore(const Snapshot&);

// The parts of rows that no query looks at are stored as one `details` value each. Errors:
// "details_corrupt", "details_version" and likewise for operation, error, answer.
/// Without the metadata, which has a column.
std::string encode_details(const PaymentDetails&);
Result<PaymentDetails> decode_payment_details(std::string_view);
std::string encode_details(const BillingDetails&);
Result<BillingDetails> decode_billing_details(std::string_view);
std::string encode_details(const CardDetails&);
Result<CardDetails> decode_card_details(std::string_view);
/// The fields of a Customer that have no column of their own: address, shipping, locales, tax.
std::string encode_details(const Customer&);
Result<void> decode_details_into(Customer&, std::string_view);
std::string encode_operation(const Operation&); ///< whole operation
Result<Operation> decode_operation(std::string_view);
std::string encode_error(const PaymentError&);
Result<PaymentError> decode_error(std::string_view);
std::string encode_answer(const Answer&);
Result<Answer> decode_answer(std::string_view);

} // namespace holdfast::core
