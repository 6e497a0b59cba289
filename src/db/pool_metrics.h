#pragma once

// The series of one Pool, made once, so that counting costs an atomic add. Private to pool.cc.

#include "base/metrics.h"
#include "db/wait_queue.h"

#include <array>
#include <string>

namespace holdfast::db {

/// The series of one pool.
struct PoolMetrics {
    PoolMetrics(Registry& registry, const std::string& pool)
        : label{{"db_client_connection_pool_name", pool}},
          idle(registry.gauge(count_name, count_help, with("db_client_connection_state", "idle"))),
          used(registry.gauge(count_name, count_help, with("db_client_connection_state", "used"))),
          max(registry.gauge("db_client_connection_max", "Most connections the pool may open.",
                             label)),
          max_used(registry.gauge("holdfast_db_pool_used_max",
                                  "Most connections that may be at work at the same time, now.",
                                  label)),
          ending(registry.gauge("holdfast_db_connections_ending",
                                "Connections that were given up and keep their place until the "
                                "server has let go of their session.",
                                label)),
          waiting(registry.gauge("db_client_connection_pending_requests",
                                 "Callers waiting for a connection.", label)),
          timeouts(registry.counter("db_client_connection_timeouts_total",
                                    "Callers whose deadline passed while they waited.", label)),
          refused(registry.counter("holdfast_db_pool_refused_total",
                                   "Callers refused or displaced because the queue was full.",
                                   label)),
          connect_failures(registry.counter("holdfast_db_connect_failures_total",
                                            "Attempts to connect that failed.", label)),
          stale(registry.counter("holdfast_db_pool_stale_total",
                                 "Connections that did not answer after they had been idle.",
                                 label)),
          create_time(seconds(registry, "db_client_connection_create_time_seconds",
                              "Time to open a connection.", label)),
          use_time(seconds(registry, "db_client_connection_use_time_seconds",
                           "Time between borrowing a connection and returning it.", label)) {
        for (std::size_t i = 0; i < priorities; ++i) {
            const Registry::Labels labels =
                with("priority", std::string(to_string(static_cast<Priority>(i))));
            wait_time[i] = &seconds(registry, "db_client_connection_wait_time_seconds",
                                    "Time to obtain a connection from the pool.", labels);
            shed[i] =
                &registry.counter("holdfast_db_pool_shed_total",
                                  "Callers dropped because the queue did not get shorter.", labels);
        }
    }

    static constexpr std::string_view count_name = "db_client_connection_count";
    static constexpr std::string_view count_help = "Open connections by state.";

    Registry::Labels with(std::string name, std::string value) const {
        Registry::Labels labels = label;
        labels.emplace_back(std::move(name), std::move(value));
        return labels;
    }
    static Histogram& seconds(Registry& registry, std::string_view name, std::string_view help,
                              Registry::Labels labels) {
        return registry.histogram(name, help, latency_bounds, std::move(labels));
    }

    Registry::Labels label;
    Gauge &idle, &used, &max, &max_used, &ending, &waiting;
    Counter &timeouts, &refused, &connect_failures, &stale;
    Histogram &create_time, &use_time;
    std::array<Histogram*, priorities> wait_time;
    std::array<Counter*, priorities> shed;
};

} // namespace holdfast::db
