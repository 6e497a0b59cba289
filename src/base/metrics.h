#pragma once

// Metrics: counters, gauges and histograms, rendered as Prometheus text 0.0.4.
//
//   Counter& declined = registry.counter("holdfast_payments_total", "Payments by outcome.",
//                                        {{"outcome", "declined"}});
//   declined.add();                                     // an atomic add; nothing is looked up
//
// Labels are fixed when a series is made, so that the hot path holds a reference and never
// allocates; asking again for the same name and labels gives the same series. What somebody else
// counts already is read at render time (observe_*). Names follow Prometheus: base units in the
// name, _total on counters; OpenTelemetry names are written with underscores by the caller.
// names() lists the families for the golden list that a test keeps.
//
// The Registry owns all series and outlives those who hold references; each process has one, and
// each simulated process one of its own. Any thread may make, change or render.
//
// Limits: series_max per family; beyond, one shared series with label values "overflow" takes the
// rest and a BUG is counted. A name of two types or of two helps is a broken invariant.
//
// Source: prometheus.io/docs/instrumenting/exposition_formats, .../practices/naming.

#include "base/env.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

class Counter {
  public:
    void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
  public:
    void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::int64_t> value_{0};
};

/// Counts observations by upper bound, ascending; what exceeds the last one only counts in +Inf.
class Histogram {
  public:
    explicit Histogram(std::span<const double> bounds);
    void observe(double value);
    void observe(Duration took) { observe(std::chrono::duration<double>(took).count()); }
    std::uint64_t count() const;
    double sum() const { return sum_.load(std::memory_order_relaxed); }
    /// The bound below which at least this share (0..1) of the observations lie.
    double quantile_bound(double share) const;

    const std::vector<double>& bounds() const { return bounds_; }
    std::uint64_t in_bucket(std::size_t i) const {
        return counts_[i].load(std::memory_order_relaxed);
    }

  private:
    std::vector<double> bounds_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts_; ///< one more than bounds
    std::atomic<double> sum_{0};
};

/// Seconds, from half a millisecond to the longest deadline of a request.
inline constexpr double latency_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                            0.1,    0.25,  0.5,    1,     2.5,  5,     10};
/// Things in a batch or queue.
inline constexpr double size_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};

class Registry {
  public:
    using Labels = std::vector<std::pair<std::string, std::string>>;
    static constexpr std::size_t series_max = 1000;

    Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    ~Registry();

    Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
    Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
    Histogram& histogram(std::string_view name, std::string_view help,
                         std::span<const double> bounds, Labels labels = {});

    /// `read` is called by render(), on its thread; it must stay callable as long as the Registry.
    void observe_counter(std::string_view name, std::string_view help, std::function<double()> read,
                         Labels labels = {});
    void observe_gauge(std::string_view name, std::string_view help, std::function<double()> read,
                       Labels labels = {});

    std::string render() const;
    /// Families, sorted.
    std::vector<std::string> names() const;

  private:
    enum class Type : std::uint8_t { Counter, Gauge, Histogram };
    struct Series;
    struct Family;
    Series& series(std::string_view name, std::string_view help, Type type, Labels labels);

    mutable std::mutex mutex_;
    std::map<std::string, Family, std::less<>> families_;
};

} // namespace holdfast
