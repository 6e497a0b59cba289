#pragma once

// BusinessClock: the time that is stored with what happens: max(wall clock, last seen, database).
//
// It never goes back, and an instance whose wall clock is slow follows the database's, read with
// each batch and carried forward on the monotonic clock. One whose wall clock is fast is ahead of
// the others, so nothing that instances decide between them (until when an operation is whose)
// uses now(), but shared(): the database's time.
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

    /// The database's clock where it is known, else the best that there is.
    WallTime shared() { return database_now().value_or(now()); }

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
