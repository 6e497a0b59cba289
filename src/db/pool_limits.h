#pragma once

// PoolLimits: how large a Pool may be, now. The pool asks at every decision and tells how each loan
// went, so that limits can learn (adaptive_limits.h).
//
// Two sizes: how many sessions may be open, which is a question of the server's places, and how
// many may be at work at the same time, which is a question of its cores. What is open and not at
// work costs little; closing and opening it again with every change of mind would cost more.

#include "db/wait_queue.h"

#include <cstddef>
#include <string_view>

namespace holdfast::db {

/// Connections that whoever can wait leaves to payments and checkouts: a quarter, rounded.
constexpr std::size_t kept_back_from(Priority priority, std::size_t max_used) {
    return priority <= Priority::Checkout ? 0 : (max_used + 2) / 4;
}

/// How a connection was used.
struct LoanReport {
    std::string_view holder; ///< the code that used it
    /// Waited for others to give theirs back; zero when there was room.
    Duration queued{};
    Duration used{};
};

class PoolLimits {
  public:
    virtual ~PoolLimits() = default;
    virtual std::size_t max_connections() const = 0; ///< open, with those that are ending
    virtual std::size_t max_used() const = 0;        ///< lent at the same time
    virtual std::size_t max_waiting() const = 0;
    virtual std::size_t max_connecting() const = 0; ///< at the same time
    virtual void learn(const LoanReport&) {}
};

struct FixedLimits final : PoolLimits {
    std::size_t connections = 8;
    std::size_t waiting = 1'000;
    std::size_t connecting = 2;
    std::size_t max_connections() const override { return connections; }
    std::size_t max_used() const override { return connections; }
    std::size_t max_waiting() const override { return waiting; }
    std::size_t max_connecting() const override { return connecting; }
};

} // namespace holdfast::db
