#include "api/errors.h"

#include "base/damage.h"
#include "base/json_writer.h"

#include <fmt/format.h>

namespace holdfast::api {
namespace {

constexpr int retry_after_overload_s = 1;

struct Shape {
    int status;
    std::string_view type;
    bool ours; ///< the cause is inside Holdfast: the message is replaced
};

Shape shape_of(const Error& error) {
    if (error.code == "idempotency_error") return {400, "idempotency_error", false};
    if (error.code == "idempotency_key_in_use") return {409, "idempotency_error", false};
    if (error.code == "lock_timeout" || error.code == "rate_limit")
        return {429, "invalid_request_error", false};
    switch (error.kind) {
        case ErrorClass::Invalid:
        case ErrorClass::Conflict: return {400, "invalid_request_error", false};
        case ErrorClass::Auth: return {401, "invalid_request_error", false};
        case ErrorClass::Forbidden: return {403, "invalid_request_error", false};
        case ErrorClass::NotFound: return {404, "invalid_request_error", false};
        case ErrorClass::Declined: return {402, "card_error", false};
        case ErrorClass::Overload:
        case ErrorClass::Deadline:
        case ErrorClass::Unavailable:
        case ErrorClass::Unknown: return {503, "api_error", true};
        case ErrorClass::Io:
        case ErrorClass::Bug: return {500, "api_error", true};
    }
    return {500, "api_error", true};
}

std::string_view public_message(const Error& error) {
    if (is_damage(error))
        return "What Holdfast has stored about this object is damaged and can't be read or changed "
               "until it is repaired; other objects are not affected. A retry does not help "
               "before. "
               "It has been recorded under this request's id.";
    switch (error.kind) {
        case ErrorClass::Overload:
            return "Holdfast is receiving more requests than it can take right now; nothing was "
                   "done. "
                   "Retry with the same idempotency key.";
        case ErrorClass::Unknown:
            return "The outcome of this request is not known yet. Retry with the same idempotency "
                   "key "
                   "to learn it; it will not be done twice.";
        case ErrorClass::Deadline:
        case ErrorClass::Unavailable:
            return "Holdfast could not complete this request in time; nothing was done. Retry with "
                   "the "
                   "same idempotency key.";
        default:
            return "An unexpected error occurred in Holdfast. It has been recorded under this "
                   "request's id.";
    }
}

void doc_url(JsonWriter& w, std::string_view code) {
    std::string anchor(code);
    for (char& c : anchor)
        if (c == '_') c = '-';
    w.field("doc_url", "https://docs.stripe.com/error-codes/" + anchor);
}

} // namespace

Reply error_reply(const Error& error) {
    const Shape shape = shape_of(error);
    JsonWriter w(512);
    w.begin_object();
    w.key("error");
    w.begin_object();
    if (is_damage(error)) w.field("code", "data_damaged");
    if (!shape.ours && !error.code.empty()) {
        w.field("code", error.code);
        doc_url(w, error.code);
    }
    w.field("message", shape.ours ? public_message(error) : std::string_view(error.message));
    if (!shape.ours && !error.param.empty()) w.field("param", error.param);
    w.field("type", shape.type);
    w.end_object();
    w.end_object();

    Reply reply{.status = shape.status, .body = std::move(w).take()};
    if (shape.status == 409 || shape.status == 429 || shape.status == 503)
        reply.should_retry = true;
    else if (shape.status < 500 || is_damage(error))
        reply.should_retry = false;
    if (shape.status == 503 || shape.status == 429) reply.retry_after_s = retry_after_overload_s;
    return reply;
}

Reply declined_reply(const core::PaymentError& declined, std::string_view payment_intent) {
    JsonWriter w(2048);
    w.begin_object();
    w.key("error");
    w.begin_object();
    if (declined.charge) w.field("charge", declined.charge.str());
    w.field("code", declined.failure.code);
    if (!declined.failure.decline_code.empty())
        w.field("decline_code", declined.failure.decline_code);
    doc_url(w, declined.failure.code);
    w.field("message", declined.failure.message);
    if (!payment_intent.empty()) {
        w.key("payment_intent");
        w.raw(payment_intent);
    }
    w.field("type", "card_error");
    w.end_object();
    w.end_object();
    return {.status = 402, .body = std::move(w).take(), .should_retry = false};
}

Error missing_resource(std::string_view what, std::string_view id, std::string_view param) {
    return {.kind = ErrorClass::NotFound,
            .code = "resource_missing",
            .message = fmt::format("No such {}: '{}'", what, id),
            .param = std::string(param)};
}

Error missing_reference(std::string_view what, std::string_view id, std::string_view param) {
    Error error = missing_resource(what, id, param);
    error.kind = ErrorClass::Invalid;
    return error;
}

Error invalid_parameter(std::string_view code, std::string_view param, std::string message) {
    return {.kind = ErrorClass::Invalid,
            .code = std::string(code),
            .message = std::move(message),
            .param = std::string(param)};
}

} // namespace holdfast::api
