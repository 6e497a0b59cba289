#include "gateway/wire.h"

#include "base/json.h"
#include "base/json_writer.h"
#include "core/names.h"

#include <boost/json.hpp>

#include <algorithm>

namespace holdfast::gateway {

namespace {

namespace json = boost::json;

constexpr auto finding_names =
    std::to_array<std::string_view>({"approved", "declined", "not_found", "reversed"});
constexpr JsonLimits limits{.bytes_max = 4 << 20, .depth_max = 8};

std::unexpected<Error> bad_message(std::string_view field) {
    return fail({.kind = ErrorClass::Invalid,
                 .code = "message_invalid",
                 .message = std::string(field).append(" has no such value."),
                 .param = std::string(field)});
}

template <class T> Result<Id<T>> read_id(const json::value& value, std::string_view field) {
    TRY(std::string text, json_text(value, field));
    auto id = Id<T>::parse(text);
    if (!id) return bad_message(field);
    return *id;
}

template <class T>
Result<Id<T>> read_optional_id(const json::value& value, std::string_view field) {
    if (json_find(value, field) == nullptr) return Id<T>();
    return read_id<T>(value, field);
}

template <class Enum> Result<Enum> read_name(const json::value& value, std::string_view field) {
    TRY(std::string text, json_text(value, field));
    auto named = core::parse_name<Enum>(text);
    if (!named) return bad_message(field);
    return *named;
}

Result<core::Currency> read_currency(const json::value& value) {
    TRY(std::string code, json_text(value, "currency"));
    auto currency = core::Currency::parse(code);
    if (!currency) return bad_message("currency");
    return *currency;
}

Result<Finding> read_finding(const json::value& value) {
    TRY(std::string name, json_text(value, "finding"));
    auto found = std::ranges::find(finding_names, name);
    if (found == finding_names.end()) return bad_message("finding");
    return static_cast<Finding>(found - finding_names.begin());
}

Result<WallTime> read_time(const json::value& value, std::string_view field) {
    TRY(std::int64_t micros, json_integer(value, field));
    return wall_from_micros(micros);
}

Result<core::Metadata> read_metadata(const json::value& value) {
    core::Metadata metadata;
    const json::value* member = json_find(value, "metadata");
    if (member == nullptr) return metadata;
    if (!member->is_object()) return bad_message("metadata");
    for (const auto& [key, text] : member->get_object()) {
        if (!text.is_string()) return bad_message("metadata");
        metadata.insert_or_assign(std::string(key), std::string(text.get_string()));
    }
    return metadata;
}

void write_metadata(JsonWriter& w, const core::Metadata& metadata) {
    if (metadata.empty()) return;
    w.key("metadata");
    w.begin_object();
    for (const auto& [key, text] : metadata) w.field(key, text);
    w.end_object();
}

template <class T> void write_id(JsonWriter& w, std::string_view field, const Id<T>& id) {
    if (id) w.field(field, id.str());
}

void write_line(JsonWriter& w, const BookLine& line) {
    w.begin_object();
    w.field("position", line.position);
    w.field("reference", line.reference.str());
    w.field("kind", core::to_string(line.kind));
    w.field("finding", to_string(line.finding));
    w.field("amount", line.amount.minor);
    w.field("currency", line.amount.currency.code());
    w.field("captured", line.captured.minor);
    w.field("refunded", line.refunded.minor);
    write_id(w, "original", line.original);
    w.field("booked", unix_micros(line.booked));
    write_metadata(w, line.metadata);
    w.end_object();
}

Result<BookLine> read_line(const json::value& value) {
    BookLine line;
    TRY(line.position, json_text(value, "position"));
    TRY(line.reference, read_id<core::Operation>(value, "reference"));
    TRY(line.kind, read_name<core::OperationKind>(value, "kind"));
    TRY(line.finding, read_finding(value));
    TRY(core::Currency currency, read_currency(value));
    line.amount.currency = line.captured.currency = line.refunded.currency = currency;
    TRY(line.amount.minor, json_integer(value, "amount"));
    TRY(line.captured.minor, json_integer(value, "captured"));
    TRY(line.refunded.minor, json_integer(value, "refunded"));
    TRY(line.original, read_optional_id<core::Operation>(value, "original"));
    TRY(line.booked, read_time(value, "booked"));
    TRY(line.metadata, read_metadata(value));
    return line;
}

Result<bool> read_flag(const json::value& value, std::string_view field) {
    return json_find(value, field) == nullptr ? Result<bool>(false) : json_bool(value, field);
}

Result<std::string> read_text_or_empty(const json::value& value, std::string_view field) {
    TRY(auto text, json_optional_text(value, field));
    return text.value_or("");
}

ErrorClass class_of(int status) {
    switch (status) {
        case 400: return ErrorClass::Invalid;
        case 402: return ErrorClass::Declined;
        case 404: return ErrorClass::NotFound;
        case 409: return ErrorClass::Conflict;
        case 503: return ErrorClass::Unavailable;
        default: return ErrorClass::Unknown;
    }
}

} // namespace

std::string_view to_string(Finding finding) {
    return finding_names.at(static_cast<std::size_t>(finding));
}

std::string encode_operation(const core::Operation& operation) {
    JsonWriter w(640);
    w.begin_object();
    w.field("reference", operation.id.str());
    w.field("account", operation.account.str());
    write_id(w, "payment", operation.payment_intent);
    w.field("kind", core::to_string(operation.kind));
    w.field("amount", operation.amount.minor);
    w.field("currency", operation.amount.currency.code());
    write_id(w, "original", operation.original);
    if (!operation.vault_token.empty()) w.field("vault_token", operation.vault_token);
    w.field("valid_until", unix_micros(operation.valid_until));
    write_metadata(w, operation.metadata);
    w.end_object();
    return std::move(w).take();
}

Result<core::Operation> decode_operation(std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    core::Operation operation;
    TRY(operation.id, read_id<core::Operation>(value, "reference"));
    TRY(operation.account, read_id<core::Account>(value, "account"));
    TRY(operation.payment_intent, read_optional_id<core::PaymentIntent>(value, "payment"));
    TRY(operation.kind, read_name<core::OperationKind>(value, "kind"));
    TRY(operation.amount.minor, json_integer(value, "amount"));
    TRY(operation.amount.currency, read_currency(value));
    TRY(operation.original, read_optional_id<core::Operation>(value, "original"));
    TRY(operation.vault_token, read_text_or_empty(value, "vault_token"));
    TRY(operation.valid_until, read_time(value, "valid_until"));
    TRY(operation.metadata, read_metadata(value));
    return operation;
}

std::string encode_answer(const AcquirerAnswer& answer) {
    JsonWriter w(128);
    w.begin_object();
    w.field("finding", to_string(answer.finding));
    if (!answer.authorization_code.empty()) {
        w.field("authorization_code", answer.authorization_code);
    }
    if (answer.executed_as) w.field("kind", core::to_string(*answer.executed_as));
    if (answer.repeated) w.field("repeated", true);
    if (answer.finding == Finding::Declined) {
        w.key("failure");
        w.begin_object();
        w.field("code", answer.failure.code);
        if (!answer.failure.decline_code.empty()) {
            w.field("decline_code", answer.failure.decline_code);
        }
        w.field("message", answer.failure.message);
        w.end_object();
    }
    w.end_object();
    return std::move(w).take();
}

Result<AcquirerAnswer> decode_answer(std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    AcquirerAnswer answer;
    TRY(answer.finding, read_finding(value));
    TRY(answer.authorization_code, read_text_or_empty(value, "authorization_code"));
    if (json_find(value, "kind") != nullptr) {
        TRY(answer.executed_as, read_name<core::OperationKind>(value, "kind"));
    }
    TRY(answer.repeated, read_flag(value, "repeated"));
    if (answer.finding != Finding::Declined) return answer;
    const json::value* failure = json_find(value, "failure");
    if (failure == nullptr) return bad_message("failure");
    TRY(answer.failure.code, json_text(*failure, "code"));
    TRY(answer.failure.decline_code, read_text_or_empty(*failure, "decline_code"));
    TRY(answer.failure.message, json_text(*failure, "message"));
    return answer;
}

std::string encode_tokenize(const TokenizeMessage& message) {
    JsonWriter w(256);
    w.begin_object();
    w.field("account", message.account.str());
    w.field("number", message.card.number);
    w.field("cvc", message.card.cvc);
    w.field("exp_month", message.card.exp_month);
    w.field("exp_year", message.card.exp_year);
    w.end_object();
    return std::move(w).take();
}

Result<TokenizeMessage> decode_tokenize(std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    constexpr std::int64_t year_max = 9999;
    TokenizeMessage message;
    TRY(message.account, read_id<core::Account>(value, "account"));
    TRY(message.card.number, json_text(value, "number"));
    TRY(message.card.cvc, read_text_or_empty(value, "cvc"));
    TRY(std::int64_t month, json_integer(value, "exp_month", -year_max, year_max));
    TRY(std::int64_t year, json_integer(value, "exp_year", -year_max, year_max));
    message.card.exp_month = static_cast<std::int32_t>(month);
    message.card.exp_year = static_cast<std::int32_t>(year);
    return message;
}

std::string encode_vaulted(const Vaulted& vaulted) {
    JsonWriter w(256);
    w.begin_object();
    w.field("vault_token", vaulted.vault_token);
    w.key("card");
    w.begin_object();
    w.field("brand", vaulted.card.brand);
    w.field("last4", vaulted.card.last4);
    w.field("exp_month", vaulted.card.exp_month);
    w.field("exp_year", vaulted.card.exp_year);
    w.field("funding", vaulted.card.funding);
    w.field("country", vaulted.card.country);
    w.field("fingerprint", vaulted.card.fingerprint);
    w.end_object();
    w.end_object();
    return std::move(w).take();
}

Result<Vaulted> decode_vaulted(std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    Vaulted vaulted;
    TRY(vaulted.vault_token, json_text(value, "vault_token"));
    const json::value* card = json_find(value, "card");
    if (card == nullptr) return bad_message("card");
    TRY(vaulted.card.brand, json_text(*card, "brand"));
    TRY(vaulted.card.last4, json_text(*card, "last4"));
    TRY(std::int64_t month, json_integer(*card, "exp_month", 1, 12));
    TRY(std::int64_t year, json_integer(*card, "exp_year", 0, 9999));
    vaulted.card.exp_month = static_cast<std::int32_t>(month);
    vaulted.card.exp_year = static_cast<std::int32_t>(year);
    TRY(vaulted.card.funding, json_text(*card, "funding"));
    TRY(vaulted.card.country, json_text(*card, "country"));
    TRY(vaulted.card.fingerprint, json_text(*card, "fingerprint"));
    return vaulted;
}

std::string encode_lines(const std::vector<BookLine>& lines) {
    JsonWriter w(64 + lines.size() * 320);
    w.begin_object();
    w.key("lines");
    w.begin_array();
    for (const BookLine& line : lines) write_line(w, line);
    w.end_array();
    w.end_object();
    return std::move(w).take();
}

Result<std::vector<BookLine>> decode_lines(std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    const json::value* member = json_find(value, "lines");
    if (member == nullptr || !member->is_array()) return bad_message("lines");
    std::vector<BookLine> lines;
    lines.reserve(member->get_array().size());
    for (const json::value& element : member->get_array()) {
        TRY(BookLine line, read_line(element));
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string encode_error(const Error& error) {
    JsonWriter w(256);
    w.begin_object();
    w.key("error");
    w.begin_object();
    w.field("code", error.code);
    w.field("message", error.message);
    if (!error.param.empty()) w.field("param", error.param);
    w.end_object();
    w.end_object();
    return std::move(w).take();
}

int error_status(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Invalid: return 400;
        case ErrorClass::Auth: return 401;
        case ErrorClass::Declined: return 402;
        case ErrorClass::Forbidden: return 403;
        case ErrorClass::NotFound: return 404;
        case ErrorClass::Conflict: return 409;
        case ErrorClass::Overload:
        case ErrorClass::Unavailable: return 503;
        default: return 500;
    }
}

Result<Error> decode_error(int status, std::string_view text) {
    TRY(json::value value, parse_json(text, limits));
    const json::value* member = json_find(value, "error");
    if (member == nullptr) return bad_message("error");
    Error error{.kind = class_of(status)};
    error.retryable = error.kind == ErrorClass::Unavailable;
    TRY(error.code, json_text(*member, "code"));
    TRY(error.message, json_text(*member, "message"));
    TRY(error.param, read_text_or_empty(*member, "param"));
    return error;
}

} // namespace holdfast::gateway
