#pragma once

// Operation: one call to the acquirer that moves or holds money, as a durable pair.
//
// StartOperation is committed before the acquirer hears anything; RecordOutcome is committed
// before anybody hears the result. Between the two the outcome may be unknown, which is a state
// like any other: until `valid_until` only the owner acts; afterwards one claimant, chosen by
// compare-and-set on `owner`. The id is the reference the acquirer sees. For authorizations it is
// derived from (payment intent, number of finally failed attempts), so a repeated confirm under
// any request key, with the database or without it, is the same authorization
// (docs/adr/0012-one-reference-per-attempt.md); for the others from (payment intent, kind, number).
//
// "Not found" at the acquirer is no answer while the request may still be in flight: the resolver
// reverses by reference, which makes the acquirer refuse a late arrival, and only then records
// the failure (docs/life-of-a-payment.md). That decision is made durable first (`reversing`): from
// then on nobody may record an approval, however late a request of anybody arrives.

#include "core/objects.h"

namespace holdfast::core {

enum class OperationKind : std::uint8_t {
    Authorize, ///< hold money; captured later
    Sale,      ///< authorize and capture in one message
    Capture,
    Void, ///< release an authorization
    Refund,
};

/// It asks for money; the others follow one that has.
constexpr bool asks_for_money(OperationKind kind) {
    return kind == OperationKind::Authorize || kind == OperationKind::Sale;
}

enum class OperationState : std::uint8_t {
    Started, ///< durable; the outcome is not known (yet)
    Approved,
    Declined,
    Reversed, ///< unknown, then reversed by reference: finally did not happen
};

/// How a request finds its answer again; travels with every command and operation.
struct RequestContext {
    Uuid replay_key;               ///< hash of endpoint and idempotency key; nil = keyless
    std::uint64_t fingerprint = 0; ///< of endpoint and parameters
    Uuid request_id;               ///< req_...
    std::string idempotency_key;   ///< as sent, for events; may be empty
    bool operator==(const RequestContext&) const = default;
};

struct Operation {
    static constexpr std::string_view id_prefix = "op_"; ///< never shown to merchants
    Id<Operation> id;
    Id<Account> account;
    std::int32_t version = 1;
    Id<PaymentIntent> payment_intent;
    OperationKind kind = OperationKind::Authorize;
    OperationState state = OperationState::Started;
    Money amount;
    Id<Operation> original;  ///< the authorization a capture, void or refund refers to
    Id<Charge> charge;       ///< the charge that exists or will be made by the outcome
    Id<Refund> refund;       ///< set when kind is Refund
    std::string vault_token; ///< set for Authorize and Sale
    CardDetails card;        ///< likewise
    BillingDetails billing_details;
    WallTime started;
    WallTime valid_until;   ///< before it, only `owner` acts
    Uuid owner;             ///< process instance
    bool reversing = false; ///< decided to be undone; can only end Reversed or Declined
    Metadata metadata;      ///< of the payment; the acquirer keeps it in its books
    RequestContext request;
    CancellationReason cancellation_reason = CancellationReason::None; ///< for Void
    Id<PaymentMethod> save_payment_method; ///< attached to the customer on approval; may be nil
    bool operator==(const Operation&) const = default;
};

/// What the acquirer finally said.
struct OperationOutcome {
    OperationState state = OperationState::Approved; ///< never Started
    CardFailure failure;                             ///< when Declined or Reversed
    std::string authorization_code;
    /// When not as asked: a sale that another process, without the database, has asked for first is
    /// a hold, and the reverse.
    std::optional<OperationKind> executed_as;
    bool operator==(const OperationOutcome&) const = default;
};

} // namespace holdfast::core
