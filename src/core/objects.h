#pragma once

// The objects that Holdfast keeps, as plain values: payments here, who takes part in them in
// parties.h. The rules that change them are behind decide.h; how they look as JSON is api's
// business, how they look as rows is store's.
//
// Names and states are those of the Stripe API, so that nobody has to translate. Every object
// belongs to one Account *in one mode*: live and test are two accounts (two ids) that share a
// public acct_ id, so that no query can mix them. `version` counts the writes of an object.
//
// Times are business time (max of wall clock and last seen), amounts minor units.

#include "core/parties.h"

namespace holdfast::core {

enum class PaymentIntentStatus : std::uint8_t {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
};

enum class CaptureMethod : std::uint8_t { Automatic, AutomaticAsync, Manual };
enum class ConfirmationMethod : std::uint8_t { Automatic, Manual };
enum class SetupFutureUsage : std::uint8_t { None, OnSession, OffSession };
enum class CancellationReason : std::uint8_t {
    None,
    Duplicate,
    Fraudulent,
    RequestedByCustomer,
    Abandoned,
    Automatic,
};

/// Why an issuer, an acquirer or we said no; becomes Stripe's card error.
struct CardFailure {
    std::string code;         ///< card_declined, expired_card, incorrect_cvc, processing_error ...
    std::string decline_code; ///< insufficient_funds, lost_card ...; may be empty
    std::string message;      ///< for the payer
    bool operator==(const CardFailure&) const = default;
};

struct PaymentError {
    CardFailure failure;
    Id<struct Charge> charge;
    Id<PaymentMethod> payment_method;
    bool operator==(const PaymentError&) const = default;
};

/// The part of a payment that no rule looks at.
struct PaymentDetails {
    std::optional<std::string> description, receipt_email, statement_descriptor,
        statement_descriptor_suffix, transfer_group, return_url;
    std::optional<Shipping> shipping;
    std::vector<std::string> payment_method_types{"card"};
    bool automatic_payment_methods = false;
    Metadata metadata;
    bool operator==(const PaymentDetails&) const = default;
};

struct PaymentIntent {
    static constexpr std::string_view id_prefix = "pi_";
    Id<PaymentIntent> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    Money amount;
    std::int64_t amount_capturable_minor = 0;
    std::int64_t amount_received_minor = 0;
    PaymentIntentStatus status = PaymentIntentStatus::RequiresPaymentMethod;
    CaptureMethod capture_method = CaptureMethod::Automatic;
    ConfirmationMethod confirmation_method = ConfirmationMethod::Automatic;
    SetupFutureUsage setup_future_usage = SetupFutureUsage::None;
    Id<Customer> customer;
    Id<PaymentMethod> payment_method;
    Id<struct Charge> latest_charge;
    std::int32_t failed_attempts = 0;      ///< finally failed authorizations; part of the reference
    std::int32_t operations = 0;           ///< started so far; numbers captures, voids and refunds
    Id<struct Operation> active_operation; ///< at most one is under way
    std::optional<PaymentError> last_error;
    std::optional<WallTime> canceled_at;
    CancellationReason cancellation_reason = CancellationReason::None;
    PaymentDetails details;
    std::uint64_t request_fingerprint = 0;
    bool operator==(const PaymentIntent&) const = default;
};

enum class ChargeStatus : std::uint8_t { Pending, Succeeded, Failed };

/// One attempt to take the money of a payment intent.
struct Charge {
    static constexpr std::string_view id_prefix = "ch_";
    Id<Charge> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    Id<PaymentIntent> payment_intent;
    Id<Customer> customer;
    Id<PaymentMethod> payment_method;
    Money amount;
    std::int64_t amount_captured_minor = 0;
    std::int64_t amount_refunded_minor = 0; ///< succeeded and pending refunds
    ChargeStatus status = ChargeStatus::Pending;
    bool captured = false;
    Id<struct Operation> authorization;                ///< the acquirer's reference for this money
    Id<struct BalanceTransaction> balance_transaction; ///< nil until captured
    CardDetails card;
    BillingDetails billing_details;
    std::optional<CardFailure> failure;
    std::string authorization_code; ///< the issuer's
    PaymentDetails details;
    bool operator==(const Charge&) const = default;
};

enum class RefundStatus : std::uint8_t { Pending, Succeeded, Failed, Canceled };

struct Refund {
    static constexpr std::string_view id_prefix = "re_";
    Id<Refund> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    Id<Charge> charge;
    Id<PaymentIntent> payment_intent;
    Money amount;
    RefundStatus status = RefundStatus::Pending;
    std::optional<std::string> reason;
    std::optional<std::string> failure_reason;
    Id<struct BalanceTransaction> balance_transaction;
    Id<struct BalanceTransaction> failure_balance_transaction;
    Metadata metadata;
    std::uint64_t request_fingerprint = 0;
    bool operator==(const Refund&) const = default;
};

} // namespace holdfast::core
