// The numbers of HttpServer and HttpClient as metrics.

#include "base/metrics.h"
#include "net/http_connection.h"
#include "net/http_pool.h"

#include <memory>
#include <string_view>

namespace holdfast::net {

namespace {

/// Exports numbers of an owner that may be gone when they are asked for; they are 0 then.
template <class Owner> class Exporter {
  public:
    Exporter(Registry& registry, std::shared_ptr<Owner> owner, Registry::Labels labels)
        : registry_(registry), owner_(std::move(owner)), labels_(std::move(labels)) {}

    void gauge(std::string_view name, std::string_view help, auto member) {
        registry_.observe_gauge(name, help, reader(member), labels_);
    }
    void counter(std::string_view name, std::string_view help, auto member) {
        registry_.observe_counter(name, help, reader(member), labels_);
    }

  private:
    auto reader(auto member) {
        return [weak = std::weak_ptr<Owner>(owner_), member] {
            auto owner = weak.lock();
            return owner ? static_cast<double>(owner->stats.*member) : 0.0;
        };
    }

    Registry& registry_;
    std::shared_ptr<Owner> owner_;
    Registry::Labels labels_;
};

} // namespace

void export_stats(Registry& registry, std::shared_ptr<HttpServerState> state, std::string name) {
    using Stats = HttpServerStats;
    registry
        .gauge("holdfast_http_server_connections_max", "Most open connections.", {{"server", name}})
        .set(static_cast<std::int64_t>(state->options.max_connections));
    Exporter to(registry, std::move(state), {{"server", std::move(name)}});
    to.gauge("holdfast_http_server_connections", "Open connections.", &Stats::connections);
    to.gauge("holdfast_http_server_requests_running", "Requests in a handler.",
             &Stats::requests_running);
    to.counter("holdfast_http_server_accepted_total", "Connections accepted.", &Stats::accepted);
    to.counter("holdfast_http_server_requests_total", "Requests given to a handler.",
               &Stats::requests);
    to.counter("holdfast_http_server_refused_total", "Requests refused by the parser or a limit.",
               &Stats::refused_requests);
    to.counter("holdfast_http_server_timeouts_total",
               "Heads, bodies, idle connections and answers "
               "that took too long.",
               &Stats::timeouts);
    to.counter("holdfast_http_server_evicted_total",
               "Connections closed for a new one: those needed least.", &Stats::evicted);
    to.counter("holdfast_http_server_turned_away_total", "Connections over the limit.",
               &Stats::over_limit);
    to.counter("holdfast_http_server_network_turned_away_total",
               "Connections over the limit of one client address.", &Stats::over_network_limit);
    to.counter("holdfast_http_server_accept_pauses_total",
               "Pauses in accepting connections while full.", &Stats::accept_pauses);
    to.counter("holdfast_http_server_handler_bugs_total", "Exceptions of handlers.",
               &Stats::handler_bugs);
}

void export_stats(Registry& registry, std::shared_ptr<HttpPool> pool, std::string name) {
    using Stats = HttpClientStats;
    Exporter to(registry, std::move(pool), {{"client", std::move(name)}});
    to.gauge("holdfast_http_client_connections", "Connections open or being opened.",
             &Stats::connections);
    to.gauge("holdfast_http_client_idle", "Idle connections.", &Stats::idle);
    to.gauge("holdfast_http_client_waiting", "Requests that wait for a connection.",
             &Stats::waiting);
    to.counter("holdfast_http_client_requests_total", "Requests.", &Stats::requests);
    to.counter("holdfast_http_client_connects_total", "Connections tried.", &Stats::connects);
    to.counter("holdfast_http_client_resent_total", "Requests sent again on a new connection.",
               &Stats::resent);
    to.counter("holdfast_http_client_unknown_total", "Requests that left and were not answered.",
               &Stats::unknown);
}

} // namespace holdfast::net
