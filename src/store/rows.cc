#include "store/rows.h"

#include "base/json_writer.h"
#include "store/wire.h"

#include <boost/json.hpp>

#include <bit>

namespace holdfast::store {

using core::Metadata;

std::optional<std::string> metadata_json(const Metadata& metadata) {
    if (metadata.empty()) return std::nullopt;
    JsonWriter json(64 * metadata.size());
    json.begin_object();
    for (const auto& [key, value] : metadata) json.field(key, value);
    json.end_object();
    return std::move(json).take();
}

Result<Metadata> parse_metadata(std::string_view json) {
    boost::system::error_code error;
    const boost::json::value parsed = boost::json::parse(json, error);
    const auto* object = error ? nullptr : parsed.if_object();
    if (!object) return fail(ErrorClass::Bug, "result_mismatch", "A column metadata is no object.");
    Metadata metadata;
    for (const auto& [key, value] : *object) {
        // Somebody may have written a number by hand; the API knows text only.
        metadata.emplace(key, value.is_string() ? std::string(value.get_string())
                                                : boost::json::serialize(value));
    }
    return metadata;
}

namespace {

/// The columns that many tables share, as they are read.
struct Common {
    std::int64_t fingerprint = 0;
    std::optional<std::string_view> metadata;
};

Result<void> set_metadata(Metadata& metadata, const std::optional<std::string_view>& column) {
    if (column) {
        TRY(metadata, parse_metadata(*column));
    }
    return {};
}

std::uint64_t as_fingerprint(std::int64_t column) { return std::bit_cast<std::uint64_t>(column); }

template <class T> Id<T> or_nil(const std::optional<Id<T>>& column) {
    return column.value_or(Id<T>{});
}

} // namespace

template <> Result<core::Customer> read_row(db::Row row) {
    core::Customer customer;
    Common common;
    std::optional<Id<core::PaymentMethod>> default_payment_method;
    std::string_view details;
    TRY_VOID(row.read(customer.account, customer.id, customer.created, common.fingerprint,
                      customer.version, customer.deleted, customer.balance_minor,
                      default_payment_method, customer.email, customer.name, customer.phone,
                      customer.description, details, common.metadata));
    customer.request_fingerprint = as_fingerprint(common.fingerprint);
    customer.default_payment_method = or_nil(default_payment_method);
    TRY_VOID(core::decode_details_into(customer, details));
    TRY_VOID(set_metadata(customer.metadata, common.metadata));
    return customer;
}

template <> Result<core::PaymentMethod> read_row(db::Row row) {
    core::PaymentMethod method;
    Common common;
    std::optional<Id<core::Customer>> customer;
    std::string_view card, billing_details;
    TRY_VOID(row.read(method.account, method.id, method.created, common.fingerprint,
                      method.vault_token, method.version, method.detached, customer,
                      method.allow_redisplay, card, billing_details, common.metadata));
    method.request_fingerprint = as_fingerprint(common.fingerprint);
    method.customer = or_nil(customer);
    TRY(method.card, core::decode_card_details(card));
    TRY(method.billing_details, core::decode_billing_details(billing_details));
    TRY_VOID(set_metadata(method.metadata, common.metadata));
    return method;
}

template <> Result<core::Token> read_row(db::Row row) {
    core::Token token;
    std::int64_t fingerprint = 0;
    std::string_view card, billing_details;
    TRY_VOID(row.read(token.account, token.id, token.created, fingerprint, token.vault_token, card,
                      billing_details, token.version, token.used));
    token.request_fingerprint = as_fingerprint(fingerprint);
    TRY(token.card, core::decode_card_details(card));
    TRY(token.billing_details, core::decode_billing_details(billing_details));
    return token;
}

template <> Result<core::PaymentIntent> read_row(db::Row row) {
    core::PaymentIntent payment;
    Common common;
    std::optional<core::SetupFutureUsage> future_usage;
    std::optional<core::CancellationReason> reason;
    std::optional<Id<core::Customer>> customer;
    std::optional<Id<core::PaymentMethod>> payment_method;
    std::optional<Id<core::Charge>> latest_charge;
    std::optional<Id<core::Operation>> active_operation;
    std::optional<std::string_view> last_error;
    std::string_view details;
    TRY_VOID(row.read(payment.account, payment.id, payment.created, common.fingerprint,
                      payment.version, payment.failed_attempts, payment.operations,
                      payment.amount.minor, payment.amount_capturable_minor,
                      payment.amount_received_minor, payment.amount.currency, payment.status,
                      payment.capture_method, payment.confirmation_method, future_usage, reason,
                      payment.canceled_at, customer, payment_method, latest_charge,
                      active_operation, last_error, details, common.metadata));
    payment.request_fingerprint = as_fingerprint(common.fingerprint);
    payment.setup_future_usage = future_usage.value_or(core::SetupFutureUsage::None);
    payment.cancellation_reason = reason.value_or(core::CancellationReason::None);
    payment.customer = or_nil(customer);
    payment.payment_method = or_nil(payment_method);
    payment.latest_charge = or_nil(latest_charge);
    payment.active_operation = or_nil(active_operation);
    if (last_error) {
        TRY(payment.last_error, core::decode_error(*last_error));
    }
    TRY(payment.details, core::decode_payment_details(details));
    TRY_VOID(set_metadata(payment.details.metadata, common.metadata));
    return payment;
}

template <> Result<core::Charge> read_row(db::Row row) {
    core::Charge charge;
    std::optional<Id<core::Customer>> customer;
    std::optional<Id<core::PaymentMethod>> payment_method;
    std::optional<Id<core::Operation>> authorization;
    std::optional<Id<core::BalanceTransaction>> balance_transaction;
    std::optional<std::string> failure_code, failure_decline_code, failure_message;
    std::optional<std::string_view> metadata;
    std::string_view card, billing_details, details;
    TRY_VOID(row.read(charge.account, charge.id, charge.created, charge.payment_intent, customer,
                      payment_method, authorization, charge.amount.minor, charge.amount.currency,
                      card, billing_details, charge.version, charge.amount_captured_minor,
                      charge.amount_refunded_minor, charge.captured, charge.status,
                      balance_transaction, charge.authorization_code, failure_code,
                      failure_decline_code, failure_message, details, metadata));
    charge.customer = or_nil(customer);
    charge.payment_method = or_nil(payment_method);
    charge.authorization = or_nil(authorization);
    charge.balance_transaction = or_nil(balance_transaction);
    if (failure_code) {
        charge.failure = {std::move(*failure_code), std::move(failure_decline_code).value_or(""),
                          std::move(failure_message).value_or("")};
    }
    TRY(charge.card, core::decode_card_details(card));
    TRY(charge.billing_details, core::decode_billing_details(billing_details));
    TRY(charge.details, core::decode_payment_details(details));
    TRY_VOID(set_metadata(charge.details.metadata, metadata));
    return charge;
}

template <> Result<core::Refund> read_row(db::Row row) {
    core::Refund refund;
    Common common;
    std::optional<Id<core::BalanceTransaction>> balance_transaction, failure_balance_transaction;
    TRY_VOID(row.read(refund.account, refund.id, refund.created, common.fingerprint, refund.charge,
                      refund.payment_intent, refund.amount.minor, refund.amount.currency,
                      refund.reason, refund.version, refund.status, refund.failure_reason,
                      balance_transaction, failure_balance_transaction, common.metadata));
    refund.request_fingerprint = as_fingerprint(common.fingerprint);
    refund.balance_transaction = or_nil(balance_transaction);
    refund.failure_balance_transaction = or_nil(failure_balance_transaction);
    TRY_VOID(set_metadata(refund.metadata, common.metadata));
    return refund;
}

template <> Result<core::Operation> read_row(db::Row row) {
    // The columns before `version` are for people; they are in the details too.
    constexpr std::size_t version = 6, kind = 7, state = 8, owner = 9, valid_until = 10,
                          reversing = 11, details = 12;
    TRY(const auto bytes, row.get<std::string_view>(details));
    TRY(core::Operation operation, core::decode_operation(bytes));
    TRY(operation.version, row.get<std::int32_t>(version));
    TRY(operation.kind, row.get<core::OperationKind>(kind));
    TRY(operation.state, row.get<core::OperationState>(state));
    TRY(operation.owner, row.get<Uuid>(owner));
    TRY(operation.valid_until, row.get<WallTime>(valid_until));
    TRY(operation.reversing, row.get<bool>(reversing));
    return operation;
}

template <> Result<core::BalanceTransaction> read_row(db::Row row) {
    core::BalanceTransaction transaction;
    TRY_VOID(row.read(transaction.account, transaction.id, transaction.created,
                      transaction.available_on, transaction.amount.minor, transaction.fee_minor,
                      transaction.source, transaction.source_kind, transaction.kind,
                      transaction.amount.currency, transaction.description));
    return transaction;
}

template <> Result<core::Event> read_row(db::Row row) {
    core::Event event;
    std::optional<Uuid> request_id;
    TRY_VOID(row.read(event.account, event.id, event.created, event.object_id, request_id,
                      event.type, event.object.kind, event.idempotency_key, event.object.bytes,
                      event.sequence));
    event.request_id = request_id.value_or(Uuid{});
    return event;
}

template <> Result<core::ReplayRecord> read_row(db::Row row) {
    core::ReplayRecord record;
    std::int64_t fingerprint = 0;
    std::string_view answer;
    TRY_VOID(row.read(record.account, record.replay_key, fingerprint, record.request_id,
                      record.created, answer));
    record.fingerprint = as_fingerprint(fingerprint);
    TRY(record.answer, core::decode_answer(answer));
    return record;
}

std::string operation_details(core::Operation operation) {
    operation.version = 0;
    operation.kind = core::OperationKind::Authorize;
    operation.state = core::OperationState::Started;
    operation.owner = {};
    operation.valid_until = {};
    operation.reversing = false;
    return core::encode_operation(operation);
}

namespace {
std::string joined(std::string details, const Metadata& metadata) {
    details += metadata_json(metadata).value_or("");
    return details;
}
} // namespace

template <> std::string guarded_part(const core::Customer& customer) {
    return joined(core::encode_details(customer), customer.metadata);
}
template <> std::string guarded_part(const core::PaymentMethod& method) {
    return joined(core::encode_details(method.card) + core::encode_details(method.billing_details),
                  method.metadata);
}
template <> std::string guarded_part(const core::PaymentIntent& payment) {
    return joined(core::encode_details(payment.details), payment.details.metadata);
}
template <> std::string guarded_part(const core::Charge& charge) {
    return joined(core::encode_details(charge.details), charge.details.metadata);
}
template <> std::string guarded_part(const core::Refund& refund) {
    return joined({}, refund.metadata);
}
template <> std::string guarded_part(const core::Operation& operation) {
    return operation_details(operation);
}

} // namespace holdfast::store
