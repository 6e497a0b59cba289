#pragma once

// Errors in the API's own form: status, JSON error object and the headers SDKs obey.
//
//   {"error":{"type","code","message","param","doc_url", ...}}
//
// stripe-node picks its exception class by status, retries 409 and >= 500, and obeys
// Stripe-Should-Retry either way. What went wrong inside Holdfast is logged under the request id
// and never shown, except that stored data is damaged: a 500 "data_damaged", not to be repeated.
//
// Source: docs.stripe.com/api/errors, docs.stripe.com/error-low-level.

#include "api/render.h"
#include "base/result.h"
#include "core/objects.h"

#include <optional>
#include <string>

namespace holdfast::api {

/// What became of the payment that a request was about.
struct PaymentSeen {
    Id<core::Account> account;
    Id<core::PaymentIntent> id;
    core::Money amount;
    core::PaymentIntentStatus status{};
};

/// A finished answer, before the headers that every answer carries.
struct Reply {
    int status = 200;
    std::string body;
    std::optional<PaymentSeen> payment;
    std::optional<bool> should_retry; ///< Stripe-Should-Retry
    std::optional<int> retry_after_s; ///< Retry-After
    bool replayed = false;            ///< Idempotent-Replayed
    Uuid original_request;            ///< Original-Request
};

Reply error_reply(const Error& error);

/// 402 for a declined payment; `payment_intent` is its JSON, empty for none.
Reply declined_reply(const core::PaymentError& declined, std::string_view payment_intent);

/// The errors that handlers raise. What the path names and is not there is a 404; what a parameter
/// names, a 400: the resource of the request itself is there.
Error missing_resource(std::string_view what, std::string_view id, std::string_view param);
Error missing_reference(std::string_view what, std::string_view id, std::string_view param);
Error invalid_parameter(std::string_view code, std::string_view param, std::string message);

} // namespace holdfast::api
