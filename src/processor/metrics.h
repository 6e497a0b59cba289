#pragma once

// Metrics of the processor: holdfast_processor_* and holdfast_operations_*.
//
// The hot path only adds to series it holds; those with many labels are made when they are first
// needed. Without a Registry they are counted and shown to nobody.

#include "base/metrics.h"
#include "core/command.h"
#include "core/operation.h"
#include "processor/intake.h"
#include "processor/remedy.h"

#include <array>
#include <memory>
#include <variant>

namespace holdfast::processor {

class Metrics {
  public:
    explicit Metrics(Registry* registry);

    void committed(Track track, std::size_t members, Duration took);
    void commit_resolved(bool durable);
    void batch_failed(Remedy remedy);
    void answered(const Ticket& ticket);
    void queue(std::size_t n) { queue_->set(static_cast<std::int64_t>(n)); }

    void operations_under_way(std::size_t n) { under_way_->set(static_cast<std::int64_t>(n)); }
    /// A call to the acquirer was to be repeated.
    void retried(bool granted) { retries_[granted ? 1 : 0]->add(); }
    void left_pending() { pending_->add(); }
    void unknown_began() { unknown_->add(1); }
    void unknown_ended() { unknown_->add(-1); }
    void operation_ended(core::OperationKind kind, core::OperationState state);
    void unknown_resolved(Duration since_start) { resolve_time_->observe(since_start); }

  private:
    static constexpr std::size_t commands = std::variant_size_v<core::CommandBody>;
    static constexpr std::size_t results = 11; ///< ok, and one per ErrorClass
    static constexpr std::size_t remedies = 4;
    static constexpr std::size_t kinds = 5, states = 4;

    void make_lane_series();
    Counter& verdict_series(const Ticket& ticket);

    std::unique_ptr<Registry> own_;
    Registry& registry_;
    std::array<Histogram*, tracks> batch_commands_{}, commit_time_{};
    std::array<Counter*, 2> resolved_{};
    std::array<Counter*, remedies> failures_{};
    std::array<std::array<Counter*, results>, commands> verdicts_{};
    Counter* replayed_ = nullptr;
    Histogram* wait_ = nullptr;
    Gauge* queue_ = nullptr;
    Gauge* under_way_ = nullptr;
    std::array<Counter*, 2> retries_{};
    Counter* pending_ = nullptr;
    Gauge* unknown_ = nullptr;
    Histogram* resolve_time_ = nullptr;
    std::array<std::array<Counter*, states>, kinds> operations_{};
};

} // namespace holdfast::processor
