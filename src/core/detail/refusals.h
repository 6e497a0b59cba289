#pragma once

// Refusals: the Errors of the rules, with Stripe's codes, messages and parameters. Private to core.
//
// A thing that the path of the request names and that is not there is NotFound (404), one that a
// parameter names is Invalid (400). Source: docs.stripe.com/error-codes.

#include "base/result.h"
#include "core/names.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace holdfast::core {

inline Error refusal(std::string_view code, std::string message, std::string_view param = {}) {
    return {.kind = ErrorClass::Invalid,
            .code = std::string(code),
            .message = std::move(message),
            .param = std::string(param)};
}

template <class T> Error no_such(std::string_view what, const Id<T>& id, std::string_view param) {
    return refusal("resource_missing", fmt::format("No such {}: '{}'", what, id.str()), param);
}

/// no_such(), for what the path of the request names.
template <class T> Error not_found(std::string_view what, const Id<T>& id, std::string_view param) {
    Error error = no_such(what, id, param);
    error.kind = ErrorClass::NotFound;
    return error;
}

inline Error no_such_payment(Id<PaymentIntent> id) {
    return not_found("payment_intent", id, "intent");
}

/// Of an object after an update.
inline Result<void> check_metadata(const Metadata& metadata) {
    if (metadata.size() <= metadata_keys_max) return {};
    return fail(refusal("parameter_invalid",
                        fmt::format("You can have up to {} metadata keys", metadata_keys_max),
                        "metadata"));
}

/// "requires_capture, requires_confirmation"
inline std::string list_of(std::initializer_list<PaymentIntentStatus> statuses) {
    std::string text;
    for (PaymentIntentStatus status : statuses) {
        if (!text.empty()) text += ", ";
        text += to_string(status);
    }
    return text;
}

inline Error stand_in_superseded() {
    return {.kind = ErrorClass::Conflict,
            .code = "stand_in_superseded",
            .message = "Something else has happened to this payment meanwhile."};
}

inline Error unexpected_state(std::string message, std::string_view param = {}) {
    return refusal("payment_intent_unexpected_state", std::move(message), param);
}

} // namespace holdfast::core
