#pragma once

// What a request says in its headers, query and body, before any of it is believed.

#include "base/form.h"
#include "base/result.h"
#include "base/secret.h"
#include "net/http_server.h"

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::api {

inline constexpr std::size_t idempotency_key_length_max = 255;

/// The key of "Bearer KEY", or the user of "Basic base64(KEY:)" as curl -u sends it.
std::optional<SecretString> key_of(std::string_view authorization);

/// Parameters: the query, and the form of a POST behind it.
Result<FormNode> parameters_of(const net::HttpRequest& request);

/// The parameters as text, in an order that does not depend on the client's.
std::string canonical_form(const FormNode& parameters);

/// What an idempotency key belongs to. A slash at the end changes nothing for the router, so it
/// must not make another request of it.
std::string endpoint_of(const net::HttpRequest& request);

/// Empty without one, or where none is looked at.
Result<std::string> idempotency_key_of(const net::HttpRequest& request);

/// Request-Timeout-Ms: the client says how long it is going to wait.
Result<void> shorten_deadline(net::HttpRequest& request);

} // namespace holdfast::api
