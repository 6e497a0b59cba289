#pragma once

// Command: one intended change, as a versioned value that can be written to disk and applied later.
//
// The edge has validated its form (UTF-8, lengths, ranges, known parameters); what depends on the
// state of objects is decided in core (decide.h) inside the batch that locks them. New fields are
// appended; old readers are refused by version, old records are read with defaults (command.cc).
//
// `Change<T>` is a parameter of an update: untouched, or set; an optional inside it can be cleared
// by the API's empty string.

#include "core/objects.h"
#include "core/operation.h"

#include <variant>

namespace holdfast::core {

template <class T> struct Change {
    bool set = false;
    T value{};
    void apply_to(T& target) const {
        if (set) target = value;
    }
};
using TextChange = Change<std::optional<std::string>>;
/// metadata[k]=v sets, metadata[k]= deletes the key, metadata= clears all.
struct MetadataChange {
    bool clear = false;
    std::map<std::string, std::optional<std::string>, std::less<>> set;
    void apply_to(Metadata& target) const;
};

struct CreateCustomer {
    Customer customer;
};
struct UpdateCustomer {
    Id<Customer> id;
    TextChange email, name, phone, description;
    Change<std::optional<Address>> address;
    Change<std::optional<Shipping>> shipping;
    Change<Id<PaymentMethod>> default_payment_method;
    Change<std::vector<std::string>> preferred_locales;
    Change<std::string> tax_exempt;
    Change<std::int64_t> balance_minor;
    MetadataChange metadata;
};
struct DeleteCustomer {
    Id<Customer> id;
};
struct CreateToken {
    Token token;
};
/// `from_token` is set when card[token]=tok_... was given: the token is used up by this.
struct CreatePaymentMethod {
    PaymentMethod payment_method;
    Id<Token> from_token;
};
struct UpdatePaymentMethod {
    Id<PaymentMethod> id;
    Change<std::int32_t> exp_month, exp_year;
    Change<BillingDetails> billing_details;
    Change<std::string> allow_redisplay;
    MetadataChange metadata;
};
struct AttachPaymentMethod {
    Id<PaymentMethod> id;
    Id<Customer> customer;
};
struct DetachPaymentMethod {
    Id<PaymentMethod> id;
    Id<Customer> customer; ///< it is attached to, as the edge saw it; loses its default by this
};

/// How a payment method reaches a payment: by id, or made on the spot (payment_method_data, a
/// token, or a built-in test one such as pm_card_visa), then `create` is the row to insert.
struct PaymentMethodChoice {
    Id<PaymentMethod> id;
    std::optional<PaymentMethod> create;
    Id<Token> from_token;
};

struct CreatePaymentIntent {
    PaymentIntent payment_intent; ///< id, created and version are filled by the edge and core
    std::optional<PaymentMethodChoice> payment_method;
    bool confirm = false;
    bool error_on_requires_action = false;
    bool off_session = false;
};
struct UpdatePaymentIntent {
    Id<PaymentIntent> id;
    Change<std::int64_t> amount_minor;
    Change<Currency> currency;
    Change<CaptureMethod> capture_method;
    Change<SetupFutureUsage> setup_future_usage;
    Change<Id<Customer>> customer;
    std::optional<PaymentMethodChoice> payment_method;
    TextChange description, receipt_email, statement_descriptor, statement_descriptor_suffix,
        transfer_group;
    Change<std::optional<Shipping>> shipping;
    Change<std::vector<std::string>> payment_method_types;
    MetadataChange metadata;
};
struct ConfirmPaymentIntent {
    Id<PaymentIntent> id;
    std::optional<PaymentMethodChoice> payment_method;
    Change<CaptureMethod> capture_method;
    Change<SetupFutureUsage> setup_future_usage;
    TextChange receipt_email, return_url;
    Change<std::optional<Shipping>> shipping;
    bool error_on_requires_action = false;
    bool off_session = false;
};
struct CapturePaymentIntent {
    Id<PaymentIntent> id;
    std::optional<std::int64_t> amount_to_capture_minor; ///< all of it when absent
    TextChange statement_descriptor, statement_descriptor_suffix;
    MetadataChange metadata;
};
struct CancelPaymentIntent {
    Id<PaymentIntent> id;
    CancellationReason reason = CancellationReason::None;
};

struct UpdateCharge {
    Id<Charge> id;
    Id<PaymentIntent> payment_intent; ///< of the charge; its row is the lock
    TextChange description, receipt_email, transfer_group;
    Change<std::optional<Shipping>> shipping;
    MetadataChange metadata;
};

struct CreateRefund {
    Id<Refund> id;
    Id<PaymentIntent> payment_intent;         ///< resolved by the edge when a charge was named
    Id<Charge> charge;                        ///< nil: the latest one
    std::optional<std::int64_t> amount_minor; ///< what is left when absent
    std::optional<std::string> reason;
    Metadata metadata;
    Change<Currency> currency;
};
struct UpdateRefund {
    Id<Refund> id;
    Id<PaymentIntent> payment_intent;
    MetadataChange metadata;
};

/// Second half of an operation. Applied at most once: any later one finds the state not Started.
struct RecordOutcome {
    Id<PaymentIntent> payment_intent;
    Id<Operation> operation;
    Id<Refund> refund; ///< of the operation; nil unless it is one
    OperationOutcome outcome;
    Id<PaymentMethod> save_payment_method; ///< of the operation
};
/// What records the acquirer's word on `operation`.
RecordOutcome record_outcome(const Operation& operation, OperationOutcome outcome);

/// Compare-and-set on the owner: a resolver takes over an operation past its valid_until, or the
/// owner (expected_owner == new_owner, at any time) decides that it shall be undone. Until when it
/// is the new owner's goes by the database's clock (DecideContext).
struct ClaimOperation {
    Id<PaymentIntent> payment_intent;
    Id<Operation> operation;
    Uuid expected_owner;
    Uuid new_owner;
    bool to_reverse = false; ///< sets Operation::reversing
};

using CommandBody =
    std::variant<CreateCustomer, UpdateCustomer, DeleteCustomer, CreateToken, CreatePaymentMethod,
                 UpdatePaymentMethod, AttachPaymentMethod, DetachPaymentMethod, CreatePaymentIntent,
                 UpdatePaymentIntent, ConfirmPaymentIntent, CapturePaymentIntent,
                 CancelPaymentIntent, UpdateCharge, CreateRefund, UpdateRefund, RecordOutcome,
                 ClaimOperation>;

/// What a command that was decided while the database was away has held; it has taken nothing.
struct StandIn {
    Id<Operation> reference; ///< of the authorization, at the acquirer
    Money amount;            ///< what was held, of the card
    std::string vault_token; ///< that this stands for; empty while that is being decided
    bool holds() const { return !vault_token.empty(); }
};

struct Command {
    Id<Account> account;
    RequestContext request;
    WallTime received;
    CommandBody body;
    std::optional<StandIn> stand_in = {};
};

/// snake_case name of the body's type.
std::string_view name_of(const Command& command);

/// Bytes for the command log and back. Errors: "command_corrupt", "command_version".
std::string encode(const Command& command);
Result<Command> decode_command(std::string_view bytes);

} // namespace holdfast::core
