#pragma once

// ApiMetrics: what payment-api counts, by the OpenTelemetry names for HTTP servers.
//
//   http_server_request_duration_seconds{http_route,http_request_method,http_response_status_code}
//   holdfast_client_request_duration_seconds   as the client measured it, from its telemetry
//   holdfast_idempotent_replays_total
//
// Series are looked up by route and status in a small map of pointers; no label is built per
// request.

#include "api/routes.h"
#include "base/metrics.h"

#include <map>
#include <utility>

namespace holdfast::api {

class ApiMetrics {
  public:
    explicit ApiMetrics(Registry& registry);

    /// `route` null: no such path.
    void answered(const Route* route, std::string_view method, const Reply& reply, Duration took);
    void client_measured(Duration took) { client_duration_.observe(took); }

  private:
    Registry& registry_;
    Histogram& client_duration_;
    Counter& replays_;
    std::map<std::pair<const Route*, int>, Histogram*> durations_;
};

} // namespace holdfast::api
