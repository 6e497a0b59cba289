#include "gateway/signed_http_connector.h"

#include "gateway/wire.h"

#include <algorithm>
#include <span>

namespace holdfast::gateway {

namespace {

constexpr int list_limit_max = 1000;

/// By the HttpClient, Unknown if and only if a byte of the request has left.
Error transport_error(Error cause) {
    const bool sent = cause.kind == ErrorClass::Unknown;
    Error error{.kind = sent ? ErrorClass::Unknown : ErrorClass::Unavailable,
                .code = sent ? "acquirer_answer_lost" : "acquirer_unavailable",
                .message = std::move(cause.message),
                .retryable = true};
    if (cause.code == "cancelled") error.code = std::move(cause.code);
    return error;
}

std::unexpected<Error> not_understood(std::string code, std::string message) {
    return fail(ErrorClass::Unknown, std::move(code), std::move(message));
}

/// An understood answer, or Unknown: whatever it says, it did not say it in a way we can rely on.
template <class T> Result<T> understood(Result<T> decoded) {
    if (decoded) return decoded;
    return not_understood("acquirer_answer_unreadable", std::move(decoded).error().message);
}

} // namespace

Result<std::unique_ptr<SignedHttpConnector>> SignedHttpConnector::create(
    net::Loop& loop, Env& env, SignedHttpOptions options) {
    TRY(net::HttpUrl url, net::parse_http_url(options.base_url));
    while (url.target.ends_with('/')) url.target.pop_back();
    return std::unique_ptr<SignedHttpConnector>(
        new SignedHttpConnector(loop, env, options, std::move(url)));
}

SignedHttpConnector::SignedHttpConnector(net::Loop& loop, Env& env,
                                         const SignedHttpOptions& options, net::HttpUrl url)
    : env_(env),
      url_(std::move(url)),
      signer_(options.secret),
      client_(loop, {.connections_per_host = options.connections_max, .offload = options.offload}) {
    Uuid random;
    env_.fill_random(std::as_writable_bytes(std::span(random.bytes)));
    nonce_start_ = random.base62();
}

std::string SignedHttpConnector::next_nonce() { return nonce_start_ + std::to_string(++nonces_); }

Task<std::string> SignedHttpConnector::ask(std::string method, std::string path, std::string body,
                                           Repeat repeat, Deadline deadline) {
    net::HttpClientRequest request{.method = std::move(method),
                                   .host = url_.host,
                                   .port = url_.port,
                                   .target = url_.target + path,
                                   .body = std::move(body),
                                   .safe_to_resend = repeat == Repeat::IfUnanswered};
    const std::string nonce = next_nonce();
    if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
    request.headers.add(
        signature_header,
        signer_.sign({request.method, request.target, request.body}, nonce, env_.wall()));
    auto response = co_await client_.request(std::move(request), deadline);
    if (!response) co_return fail(transport_error(std::move(response).error()));

    auto verified =
        signer_.verify(response->headers.get(signature_header),
                       SignedAnswer{nonce, response->status, response->body}, env_.wall());
    if (!verified) {
        co_return not_understood(
            "acquirer_answer_unverified",
            "HTTP " + std::to_string(response->status) + ": " + verified.error().message);
    }
    if (response->status == 200) co_return std::move(response->body);
    CO_TRY(Error error, understood(decode_error(response->status, response->body)));
    if (error.kind == ErrorClass::Unknown) {
        co_return not_understood("acquirer_failed", std::move(error.message));
    }
    co_return fail(std::move(error));
}

Task<AcquirerAnswer> SignedHttpConnector::execute(core::Operation operation, Deadline deadline) {
    CO_TRY(std::string body, co_await ask("POST", "/v1/operations", encode_operation(operation),
                                          Repeat::Never, deadline));
    co_return understood(decode_answer(body));
}

Task<AcquirerAnswer> SignedHttpConnector::inquire(Id<core::Operation> reference,
                                                  Deadline deadline) {
    CO_TRY(std::string body, co_await ask("GET", "/v1/operations/" + reference.str(), {},
                                          Repeat::IfUnanswered, deadline));
    co_return understood(decode_answer(body));
}

Task<AcquirerAnswer> SignedHttpConnector::reverse(Id<core::Operation> reference,
                                                  Deadline deadline) {
    CO_TRY(std::string body, co_await ask("POST", "/v1/operations/" + reference.str() + "/reverse",
                                          {}, Repeat::IfUnanswered, deadline));
    co_return understood(decode_answer(body));
}

Task<Vaulted> SignedHttpConnector::tokenize(Id<core::Account> account, CardData card,
                                            Deadline deadline) {
    CO_TRY(std::string body,
           co_await ask("POST", "/v1/cards", encode_tokenize({account, std::move(card)}),
                        Repeat::IfUnanswered, deadline));
    co_return understood(decode_vaulted(body));
}

Task<Vaulted> SignedHttpConnector::look_up(std::string vault_token, Deadline deadline) {
    // It comes from a browser: only what a vault token can consist of may become part of a path.
    const bool plausible = std::ranges::all_of(vault_token, [](char c) {
        return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z');
    });
    constexpr std::size_t vault_token_chars_max = 128;
    if (!plausible || vault_token.empty() || vault_token.size() > vault_token_chars_max) {
        co_return fail(ErrorClass::NotFound, "vault_token_unknown",
                       "No card was tokenized under that vault token.");
    }
    CO_TRY(std::string body,
           co_await ask("GET", "/v1/cards/" + vault_token, {}, Repeat::IfUnanswered, deadline));
    co_return understood(decode_vaulted(body));
}

Task<std::vector<BookLine>> SignedHttpConnector::list_since(std::string position, int limit,
                                                            Deadline deadline) {
    std::string path = "/v1/lines?limit=" + std::to_string(std::clamp(limit, 1, list_limit_max));
    if (!position.empty()) path += "&after=" + position;
    CO_TRY(std::string body,
           co_await ask("GET", std::move(path), {}, Repeat::IfUnanswered, deadline));
    co_return understood(decode_lines(body));
}

} // namespace holdfast::gateway
