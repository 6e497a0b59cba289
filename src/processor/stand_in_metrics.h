#pragma once

// Metrics of stand-in: holdfast_stand_in_*. Without a Registry they are shown to nobody.

#include "base/metrics.h"

#include <memory>
#include <string_view>

namespace holdfast::processor {

class StandInMetrics {
  public:
    explicit StandInMetrics(Registry* registry);

    void away(bool is) { away_->set(is ? 1 : 0); }
    void open(std::size_t payments) { open_->set(static_cast<std::int64_t>(payments)); }
    void log_bytes(std::uint64_t bytes) { log_bytes_->set(static_cast<std::int64_t>(bytes)); }
    /// approved, declined, accepted, unknown, refused
    void decided(std::string_view decision);
    /// adopted, superseded
    void drained(std::string_view result);

  private:
    std::unique_ptr<Registry> own_;
    Registry& registry_;
    Gauge* away_;
    Gauge* open_;
    Gauge* log_bytes_;
};

} // namespace holdfast::processor
