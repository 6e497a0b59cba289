#include "api/payment_api.h"

#include "api/routes.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "net/client_network.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>

namespace holdfast::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view form_type = "application/x-www-form-urlencoded";
/// No path of ours needs an escape; what has one names nothing.
constexpr std::size_t path_length_max = 512;
constexpr std::int64_t request_timeout_ms_max = 3'600'000;
constexpr Duration away_patience = std::chrono::milliseconds{500};

Error no_key() {
    return {.kind = ErrorClass::Auth,
            .code = "api_key_missing",
            .message =
                "You did not provide an API key. Provide it in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."};
}

/// The key of "Bearer KEY", or the user of "Basic base64(KEY:)" as curl -u sends it.
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

Error no_route(const HttpRequest& request, bool other_method) {
    return {.kind = ErrorClass::NotFound,
            .code = other_method ? "method_not_allowed" : "url_invalid",
            .message = fmt::format("Unrecognized request URL ({}: {}). If you are trying to list "
                                   "objects, remove the trailing slash. If you are trying to "
                                   "retrieve an object, make sure you passed a valid ID.",
                                   request.method, request.path.substr(0, path_length_max))};
}

/// Parameters: the query, and the form of a POST behind it.
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

/// What an idempotency key belongs to. A slash at the end changes nothing for the router, so it
/// must not make another request of it.
std::string endpoint_of(const HttpRequest& request) {
    std::string endpoint = request.method + " " + request.path;
    if (request.path.size() > 1 && endpoint.ends_with('/')) endpoint.pop_back();
    return endpoint;
}

Result<std::string> idempotency_key_of(const HttpRequest& request) {
    if (request.method != "POST") return std::string{};
    auto given = request.headers.find("Idempotency-Key");
    if (!given) return std::string{};
    if (given->empty() || given->size() > PaymentApi::idempotency_key_length_max ||
        !valid_text(*given))
        return fail(invalid_parameter(
            "idempotency_key_invalid", "",
            fmt::format("The Idempotency-Key header must have 1 to {} characters.",
                        PaymentApi::idempotency_key_length_max)));
    return std::string(*given);
}

/// The parameters as text, in an order that does not depend on the client's.
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

/// Request-Timeout-Ms: the client says how long it is going to wait.
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

/// Refused at the door: counted there, and too many to log when they are many.
bool turned_away(const Error& error) {
    return error.code == "overloaded" || error.code == "rate_limit";
}

bool well_formed_version(std::string_view version) {
    return !version.empty() && version.size() <= PaymentApi::version_length_max &&
           std::ranges::all_of(version, [](char c) {
               return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' ||
                      c == '_' || c == ';' || c == '=' || c == ' ';
           });
}

HttpResponse response_of(Reply reply, const HttpRequest& request, const Uuid& request_id) {
    HttpResponse response;
    response.status = reply.status;
    response.body = std::move(reply.body);
    net::HttpHeaders& headers = response.headers;
    headers.add("Content-Type", "application/json");
    headers.add("Request-Id", "req_" + request_id.base62());
    const std::string_view version = request.headers.get("Stripe-Version");
    headers.add("Stripe-Version", well_formed_version(version) ? version : api_version);
    headers.add("Cache-Control", "no-cache, no-store");
    headers.add("Access-Control-Allow-Origin", "*");
    headers.add("Access-Control-Expose-Headers", "Request-Id, Stripe-Should-Retry, Retry-After");
    if (auto key = request.headers.find("Idempotency-Key");
        key && request.method == "POST" && key->size() <= PaymentApi::idempotency_key_length_max)
        headers.add("Idempotency-Key", *key);
    if (auto account = request.headers.find("Stripe-Account"))
        headers.add("Stripe-Account", account->substr(0, 64));
    if (reply.replayed) {
        headers.add("Idempotent-Replayed", "true");
        if (!reply.original_request.is_nil())
            headers.add("Original-Request", "req_" + reply.original_request.base62());
    }
    if (reply.should_retry)
        headers.add("Stripe-Should-Retry", *reply.should_retry ? "true" : "false");
    if (reply.retry_after_s) headers.add("Retry-After", std::to_string(*reply.retry_after_s));
    return response;
}

/// What a browser asks before it sends a form with an Authorization header.
HttpResponse preflight() {
    HttpResponse response;
    response.status = 204;
    response.headers.add("Access-Control-Allow-Origin", "*");
    response.headers.add("Access-Control-Allow-Methods", "GET, POST, DELETE");
    response.headers.add("Access-Control-Allow-Headers",
                         "Authorization, Content-Type, Idempotency-Key, Stripe-Version, "
                         "Stripe-Account, X-Stripe-Client-Telemetry");
    response.headers.add("Access-Control-Max-Age", "600");
    return response;
}

} // namespace

PaymentApi::PaymentApi(Env& env, store::Store& store, processor::Processor& processor,
                       gateway::Connector& connector, const core::Identity& identity,
                       Directory& directory, Registry& registry, const ApiLimits& limits)
    : env_(env),
      presenter_(store, processor, identity),
      services_{env, store, processor, connector, identity, directory, presenter_},
      metrics_(registry),
      admission_(limits.admission, registry),
      rates_(limits.rates, registry) {}

/// stripe-node reports how long its previous request took, by request id: the latency that counts
/// is the one the client saw.
void PaymentApi::note_telemetry(std::string_view telemetry) {
    if (telemetry.empty() || telemetry.size() > telemetry_length_max) return;
    auto parsed = parse_json(telemetry);
    const auto* last = parsed ? json_find(*parsed, "last_request_metrics") : nullptr;
    if (!last) return;
    auto id = json_text(*last, "request_id");
    auto duration_ms = json_integer(*last, "request_duration_ms", 0, 3'600'000);
    if (!id || !duration_ms) return;
    metrics_.client_measured(std::chrono::milliseconds{*duration_ms});
    log::debug("client_telemetry", {{"request", *id}, {"duration_ms", *duration_ms}});
}

void PaymentApi::note_request(const HttpRequest& request, const Reply& reply,
                              const Uuid& request_id) {
    const Route* route = match_route(request.method, request.path).route;
    const Duration took = MonotonicClock::now() - request.received;
    metrics_.answered(route, request.method, reply, took);
    log::debug("api_request", {log::request(request_id),
                               {"method", request.method},
                               {"route", route ? route->pattern : std::string_view("none")},
                               {"status", reply.status},
                               {"duration_us", took.count()},
                               {"replayed", reply.replayed}});
}

net::HttpResponse PaymentApi::render_problem(const net::HttpProblem& problem) {
    const bool overload = problem.status == 503 || problem.status == 429;
    Reply reply = error_reply({.kind = overload ? ErrorClass::Overload : ErrorClass::Invalid,
                               .code = std::string(problem.code),
                               .message = std::string(problem.message)});
    HttpResponse response;
    response.status = problem.status;
    response.headers.add("Content-Type", "application/json");
    if (reply.should_retry)
        response.headers.add("Stripe-Should-Retry", *reply.should_retry ? "true" : "false");
    response.body = std::move(reply.body);
    return response;
}

Task<Credential> PaymentApi::authenticate(const HttpRequest& request, Urgency urgency) {
    auto key = key_of(request.headers.get("Authorization"));
    const std::string hash = key ? hash_of_key(*key) : std::string{};
    const std::string network = net::client_network(request.peer);
    if (!key || !services_.directory.knows(hash))
        CO_TRY_VOID(rates_.may_try(network, urgency, env_.now()));
    auto found =
        key ? co_await services_.directory.authenticate(hash, env_.wall(), request.deadline)
            : fail(no_key());
    if (!found && found.error().kind == ErrorClass::Auth)
        rates_.note_wrong_key(network, env_.now());
    CO_TRY(auto credential, std::move(found));
    CO_TRY_VOID(rates_.take(hash, credential.account->livemode, urgency, env_.now()));
    const std::string_view account = request.headers.get("Stripe-Account");
    if (!account.empty() && account != credential.account->public_id.str())
        co_return fail(ErrorClass::Forbidden, "account_invalid",
                       fmt::format("The provided key does not have access to account '{}' (or "
                                   "that account does not exist).",
                                   account.substr(0, 64)));
    co_return credential;
}

Task<Reply> PaymentApi::answer(HttpRequest& request, Uuid request_id) {
    Match match = match_route(request.method, request.path);
    const Urgency urgency = match.route ? match.route->urgency : Urgency::Browse;
    CO_TRY(auto permit, admission_.enter(urgency));
    CO_TRY_VOID(shorten_deadline(request));
    CO_TRY(auto credential, co_await authenticate(request, urgency));
    if (!match.route) co_return fail(no_route(request, match.other_method));
    if (credential.publishable && !match.route->publishable)
        co_return fail(ErrorClass::Forbidden, "secret_key_required",
                       "This API call cannot be made with a publishable API key. Please use a "
                       "secret API key.");
    CO_TRY(auto key, idempotency_key_of(request));
    CO_TRY(FormNode form, parameters_of(request));

    const std::string endpoint = endpoint_of(request);
    Call call{.path_ids = std::move(match.path_ids),
              .params = Params(form),
              .account = credential.account,
              .publishable = credential.publishable,
              .request = {.request_id = request_id, .idempotency_key = key},
              .received = env_.wall(),
              .deadline = request.deadline,
              .path = request.path};
    if (!key.empty()) {
        call.request.replay_key =
            services_.identity.replay_key(credential.account->id, endpoint, key);
        call.request.fingerprint = services_.identity.request_fingerprint(
            credential.account->id, endpoint, canonical_form(form));
    }
    // What only the database can answer is refused soon while it is away.
    if (services_.processor.database_away() && !match.route->stands_in)
        call.deadline = call.deadline.capped(away_patience);
    note_telemetry(request.headers.get("X-Stripe-Client-Telemetry"));
    co_return co_await match.route->handler(services_, call);
}

Task<HttpResponse> PaymentApi::handle(HttpRequest request) {
    if (request.method == "OPTIONS") co_return preflight();
    const Uuid request_id = Uuid::time_ordered(env_);
    auto result = co_await answer(request, request_id);
    if (!result && result.error().kind >= ErrorClass::Overload && !turned_away(result.error()))
        log::warn("api_request_failed",
                  {log::request(request_id), {"error", to_string(result.error())}});
    Reply reply = result ? std::move(*result) : error_reply(result.error());
    note_request(request, reply, request_id);
    co_return response_of(std::move(reply), request, request_id);
}

} // namespace holdfast::api
