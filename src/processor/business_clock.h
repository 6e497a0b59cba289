#pragma once

// BusinessClock: the time that is stored with what happens: max(wall clock, last seen, database).
//
// It never goes back, and an instance whose wall clock is slow follows the database's, read with
// each batch and carried forward on the monotonic clock. One whose wall clock is fast is ahead of
// the others, so nothing that decides between instances (who may take over an operation) uses
// now(): that is decided by the database's own time, within the batch that reads it (batch.h).
//
// One per instance, on its loop.

#include "base/env.h"

#include <algorithm>
#include <optional>

namespace holdfast::processor {

class BusinessClock {
  public:
    explicit BusinessClock(Env& env) : env_(env) {}

    WallTime now() {
        last_ = std::max(last_, env_.wall());
        if (auto database = database_now()) last_ = std::max(last_, *database);
        return last_;
    }

    void observe(WallTime database_now) {
        database_ = database_now;
        read_at_ = env_.now();
    }

    /// The database's clock, as far as we can know; empty before the first batch.
    std::optional<WallTime> database_now() const {
        if (!database_) return std::nullopt;
        return *database_ + (env_.now() - read_at_);
    }

  private:
    Env& env_;
    WallTime last_{};
    std::optional<WallTime> database_;
    MonoTime read_at_{};
};

} // namespace holdfast::processor
