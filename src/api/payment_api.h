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
// Limits: idempotency keys 255 characters, telemetry 1 KiB, those of the form codec and of
// net::HttpServer. Thread: that of the loop; all references outlive it.

#include "api/api_metrics.h"
#include "api/call.h"
#include "net/http_server.h"

namespace holdfast::api {

class PaymentApi {
  public:
    static constexpr std::size_t idempotency_key_length_max = 255;
    static constexpr std::size_t telemetry_length_max = 1024;
    static constexpr std::size_t version_length_max = 64;

    PaymentApi(Env& env, store::Store& store, processor::Processor& processor,
               gateway::Connector& connector, const core::Identity& identity, Directory& directory,
               Registry& registry);

    Task<net::HttpResponse> handle(net::HttpRequest request);

    /// For what the HTTP server refuses before a handler sees it.
    static net::HttpResponse render_problem(const net::HttpProblem& problem);

  private:
    Task<Reply> answer(const net::HttpRequest& request, Uuid request_id);
    Task<Credential> authenticate(const net::HttpRequest& request);
    void note_telemetry(std::string_view telemetry);
    void note_request(const net::HttpRequest& request, const Reply& reply, const Uuid& request_id);

    Env& env_;
    Presenter presenter_;
    Services services_;
    ApiMetrics metrics_;
};

} // namespace holdfast::api
