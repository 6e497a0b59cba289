#pragma once

// Dice: the decisions of one simulated run, all from its seed.

#include "base/env.h"

#include <cstdint>
#include <random>

namespace holdfast::sim {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    /// Uniform in [0, bound).
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
    }
    Duration between(Duration low, Duration high) {
        return Duration{between(low.count(), high.count())};
    }
    bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }

  private:
    std::mt19937_64 random_;
};

} // namespace holdfast::sim
