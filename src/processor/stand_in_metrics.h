#pragma once

// Metrics of stand-in: holdfast_stand_in_*. Without a Registry they are shown to nobody.

#include "base/metrics.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace holdfast::processor {

class StandInMetrics {
  public:
    enum class Decision : std::uint8_t {
        Accepted,
        Approved,
        Declined,
        Unknown,
        Unauthorized,
        Refused
    };

    static std::string_view name_of(Decision decision);

    explicit StandInMetrics(Registry* registry);

    void away(bool is) { away_->set(is ? 1 : 0); }
    void open(std::size_t payments) { open_->set(static_cast<std::int64_t>(payments)); }
    void log_bytes(std::uint64_t bytes) { log_bytes_->set(static_cast<std::int64_t>(bytes)); }
    void floor(std::int32_t share_ppm, std::size_t open) {
        floor_share_->set(share_ppm);
        floor_open_->set(static_cast<std::int64_t>(open));
    }
    void decided(Decision decision) { decided_[static_cast<std::size_t>(decision)]->add(); }
    void adopted() { adopted_->add(); }
    void superseded() { superseded_->add(); }

  private:
    std::unique_ptr<Registry> own_;
    Registry& registry_;
    Gauge* away_;
    Gauge* open_;
    Gauge* log_bytes_;
    Gauge* floor_share_;
    Gauge* floor_open_;
    std::array<Counter*, 6> decided_{};
    Counter* adopted_;
    Counter* superseded_;
};

} // namespace holdfast::processor
