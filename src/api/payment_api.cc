#include "api/payment_api.h"

#include "api/attempts.h"
#include "api/request.h"
#include "api/routes.h"
#include "base/json.h"
#include "base/log.h"
#include "net/client_network.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>

#include <algorithm>

namespace holdfast::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

/// No path of ours needs an escape; what has one names nothing.
constexpr std::size_t path_length_max = 512;
constexpr Duration away_patience = std::chrono::milliseconds{500};

Error no_key() {
    return {.kind = ErrorClass::Auth,
            .code = "api_key_missing",
            .message =
                "You did not provide an API key. Provide it in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."};
}

Error no_route(const HttpRequest& request, bool other_method) {
    return {.kind = ErrorClass::NotFound,
            .code = other_method ? "method_not_allowed" : "url_invalid",
            .message = fmt::format("Unrecognized request URL ({}: {}). If you are trying to list "
                                   "objects, remove the trailing slash. If you are trying to "
                                   "retrieve an object, make sure you passed a valid ID.",
                                   request.method, request.path.substr(0, path_length_max))};
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
        key && request.method == "POST" && key->size() <= idempotency_key_length_max)
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

PaymentApi::PaymentApi(Env& env, Views views, processor::Processor& processor,
                       gateway::Connector& connector, const core::Identity& identity,
                       Directory& directory, Registry& registry, const ApiLimits& limits,
                       AttemptLog* attempts)
    : env_(env),
      presenter_(views.current, processor, identity),
      shown_presenter_(views.shown, processor, identity),
      services_{env, views.current, processor, connector, identity, directory, presenter_},
      showing_{env, views.shown, processor, connector, identity, directory, shown_presenter_},
      metrics_(registry),
      admission_(limits.admission, registry),
      rates_(limits.rates, registry),
      attempts_(attempts) {}

/// A GET changes nothing, so it may be answered by whoever has what is shown.
Services& PaymentApi::services_for(const Match& match) {
    return match.route->method == Method::Get ? showing_ : services_;
}

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

void PaymentApi::note_request(const HttpRequest& request, const Match& match, const Reply& reply,
                              const Uuid& request_id) {
    const Route* route = match.route;
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
    if (!key || services_.directory.behind(hash) == nullptr)
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

Task<Reply> PaymentApi::answer(HttpRequest& request, const Match& match, Uuid request_id) {
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
    Call call{.path_ids = match.path_ids,
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
    co_return co_await match.route->handler(services_for(match), call);
}

Task<HttpResponse> PaymentApi::handle(HttpRequest request) {
    if (request.method == "OPTIONS") co_return preflight();
    const Uuid request_id = Uuid::time_ordered(env_);
    const Match match = match_route(request.method, request.path);
    auto result = co_await answer(request, match, request_id);
    if (!result && result.error().kind >= ErrorClass::Overload && !turned_away(result.error()))
        log::warn("api_request_failed",
                  {log::request(request_id), {"error", to_string(result.error())}});
    if (attempts_ != nullptr && match.route != nullptr && match.route->stands_in) {
        Attempt attempt = attempt_of(request, match, result, services_);
        attempt.time = env_.wall();
        attempt.request = request_id;
        attempts_->note(attempt);
    }
    Reply reply = result ? std::move(*result) : error_reply(result.error());
    note_request(request, match, reply, request_id);
    co_return response_of(std::move(reply), request, request_id);
}

} // namespace holdfast::api
