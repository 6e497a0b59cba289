#include "api/request.h"

#include "api/errors.h"
#include "base/bytes.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace holdfast::api {

using net::Deadline;
using net::HttpRequest;

namespace {

constexpr std::string_view form_type = "application/x-www-form-urlencoded";
constexpr std::int64_t request_timeout_ms_max = 3'600'000;

} // namespace

std::optional<SecretString> key_of(std::string_view authorization) {
    const std::size_t space = authorization.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const std::string_view scheme = authorization.substr(0, space);
    std::string_view rest = authorization.substr(space + 1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (net::equals_ignoring_case(scheme, "Bearer") && !rest.empty())
        return SecretString(std::string(rest));
    if (!net::equals_ignoring_case(scheme, "Basic")) return std::nullopt;
    auto decoded = from_base64(rest);
    if (!decoded) return std::nullopt;
    std::string user = decoded->substr(0, decoded->find(':'));
    if (user.empty()) return std::nullopt;
    return SecretString(std::move(user));
}

Result<FormNode> parameters_of(const HttpRequest& request) {
    std::string text = request.query;
    if (!request.body.empty()) {
        const std::string_view type = request.headers.get("Content-Type");
        if (!type.empty() &&
            !net::equals_ignoring_case(type.substr(0, form_type.size()), form_type))
            return fail(ErrorClass::Invalid, "content_type_invalid",
                        "Invalid request (check that your POST content type is "
                        "application/x-www-form-urlencoded).");
        if (!text.empty()) text += '&';
        text += request.body;
    }
    return parse_form(text);
}

std::string canonical_form(const FormNode& parameters) {
    const std::string text = encode_form(parameters);
    std::vector<std::string_view> pairs;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        pairs.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::ranges::sort(pairs);
    return fmt::to_string(fmt::join(pairs, "&"));
}

std::string endpoint_of(const HttpRequest& request) {
    std::string endpoint = request.method + " " + request.path;
    if (request.path.size() > 1 && endpoint.ends_with('/')) endpoint.pop_back();
    return endpoint;
}

Result<std::string> idempotency_key_of(const HttpRequest& request) {
    if (request.method != "POST") return std::string{};
    auto given = request.headers.find("Idempotency-Key");
    if (!given) return std::string{};
    if (given->empty() || given->size() > idempotency_key_length_max || !valid_text(*given))
        return fail(invalid_parameter(
            "idempotency_key_invalid", "",
            fmt::format("The Idempotency-Key header must have 1 to {} characters.",
                        idempotency_key_length_max)));
    return std::string(*given);
}

Result<void> shorten_deadline(HttpRequest& request) {
    const auto given = request.headers.find("Request-Timeout-Ms");
    if (!given) return {};
    std::int64_t ms = 0;
    const auto [end, failure] = std::from_chars(given->data(), given->data() + given->size(), ms);
    const bool number = failure == std::errc() && end == given->data() + given->size();
    if (!number || ms < 1 || ms > request_timeout_ms_max)
        return fail(invalid_parameter(
            "request_timeout_invalid", "",
            fmt::format("The Request-Timeout-Ms header must be an integer from 1 to {}.",
                        request_timeout_ms_max)));
    const MonoTime end_of_patience = request.received + std::chrono::milliseconds{ms};
    request.deadline = Deadline::at(std::min(request.deadline.when(), end_of_patience));
    return {};
}

} // namespace holdfast::api
