#include "api/api_metrics.h"

namespace holdfast::api {
namespace {

/// Methods that no route has are counted as one: a client could make up any number of them.
std::string_view known_method(std::string_view method) {
    return method == "GET" || method == "POST" || method == "DELETE" ? method : "_OTHER";
}

} // namespace

ApiMetrics::ApiMetrics(Registry& registry)
    : registry_(registry),
      client_duration_(registry.histogram(
          "holdfast_client_request_duration_seconds",
          "API requests as long as the client saw them, from X-Stripe-Client-Telemetry.",
          latency_bounds)),
      replays_(registry.counter("holdfast_idempotent_replays_total",
                                "Requests answered with what their key was answered before.")) {}

void ApiMetrics::answered(const Route* route, std::string_view method, const Reply& reply,
                          Duration took) {
    Histogram*& series = durations_[{route, reply.status}];
    if (!series)
        series = &registry_.histogram(
            "http_server_request_duration_seconds", "Duration of HTTP requests.", latency_bounds,
            {{"http_request_method", std::string(route ? method : known_method(method))},
             {"http_response_status_code", std::to_string(reply.status)},
             {"http_route", route ? std::string(route->pattern) : "none"}});
    series->observe(took);
    if (reply.replayed) replays_.add();
}

} // namespace holdfast::api
