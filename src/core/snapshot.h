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

Snapshot snapshot(const Customer&);
Snapshot snapshot(const PaymentMethod&);
Snapshot snapshot(const Token&);
Snapshot snapshot(const PaymentIntent&);
Snapshot snapshot(const Charge&);
Snapshot snapshot(const Refund&);

/// T is one of the kinds above; Error "snapshot_kind" when the snapshot holds another.
template <class T> Result<T> restore(const Snapshot&);

// The parts of rows that no query looks at are stored as one `details` value each.
std::string encode_details(const PaymentDetails&);
Result<PaymentDetails> decode_payment_details(std::string_view);
std::string encode_details(const BillingDetails&);
Result<BillingDetails> decode_billing_details(std::string_view);
std::string encode_details(const CardDetails&);
Result<CardDetails> decode_card_details(std::string_view);
/// The fields of a Customer that have no column of their own (address, shipping, locales ...).
std::string encode_details(const Customer&);
Result<void> decode_details_into(Customer&, std::string_view);
std::string encode_operation(const Operation&); ///< whole operation
Result<Operation> decode_operation(std::string_view);
std::string encode_error(const PaymentError&);
Result<PaymentError> decode_error(std::string_view);
std::string encode_answer(const Answer&);
Result<Answer> decode_answer(std::string_view);

} // namespace holdfast::core
