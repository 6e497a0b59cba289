#pragma once

// PaymentApi: the HTTP face of Holdfast, in the dialect of the Stripe API.
//
//   request -> route -> key -> form -> parameters -> Command -> processor -> object -> JSON
//
// handle() answers every request, also those that no route knows, with the headers SDKs look at:
// Request-Id, Stripe-Version, Idempotency-Key, Original-Request and Idempotent-Replayed,
// Stripe-Should-Retry and Retry-After. Bodies never reach the log; what the client measured of its
// last request (X-Stripe-Client-Telemetry) does.
//
// Idempotency: the key is scoped by account, mode and endpoint; it decides the ids of what is
// created, so a repeat is the same payment whether or not its answer is still cached.
//
// Before any of that a request may be turned away: 503 when too many of its urgency are under way
// (api/admission.h), 429 when its key or address asks too often (api/rate_limits.h); both at once,
// with Retry-After and Stripe-Should-Retry, nothing done and nothing stored.
//
// Deadline: that of the HTTP server, or less by the header Request-Timeout-Ms; every wait below
// has it, down to the statement timeout in the database.
//
// Whoever wanted to pay is noted, also when turned away (api/attempt_log.h).
//
// Limits: idempotency keys 255 characters, telemetry 1 KiB, those of the form codec and of
// net::HttpServer. Thread: that of the loop; all references outlive it.

#include "api/admission.h"
#include "api/api_metrics.h"
#include "api/attempt_log.h"
#include "api/call.h"
#include "api/rate_limits.h"
#include "api/routes.h"
#include "net/http_server.h"

namespace holdfast::api {

struct ApiLimits {
    AdmissionOptions admission;
    RateLimitOptions rates;
};

/// Two ways to read: for who goes on to change something, and for who is only shown.
struct Views {
    store::Reads& current;
    store::Reads& shown;
};

class PaymentApi {
  public:
    static constexpr std::size_t telemetry_length_max = 1024;
    static constexpr std::size_t version_length_max = 64;

    PaymentApi(Env& env, Views views, processor::Processor& processor,
               gateway::Connector& connector, const core::Identity& identity, Directory& directory,
               Registry& registry, const ApiLimits& limits = {}, AttemptLog* attempts = nullptr);

    Task<net::HttpResponse> handle(net::HttpRequest request);
    /// What was measured of this process's queues; about ten times a second.
    void note_delays(const Delays& delays) { admission_.observe(delays); }

    /// For what the HTTP server refuses before a handler sees it.
    static net::HttpResponse render_problem(const net::HttpProblem& problem);

  private:
    Task<Reply> answer(net::HttpRequest& request, const Match& match, Uuid request_id);
    Task<Credential> authenticate(const net::HttpRequest& request, Urgency urgency);
    void note_telemetry(std::string_view telemetry);
    void note_request(const net::HttpRequest& request, const Match& match, const Reply& reply,
                      const Uuid& request_id);

    Services& services_for(const Match& match);

    Env& env_;
    Presenter presenter_;       ///< of what was changed
    Presenter shown_presenter_; ///< of what is only shown
    Services services_, showing_;
    ApiMetrics metrics_;
    Admission admission_;
    RateLimits rates_;
    AttemptLog* attempts_; ///< null: none is kept
};

} // namespace holdfast::api
