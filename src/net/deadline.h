#pragma once

// Deadline: the moment by which the work for one request must have ended. It is made once at the
// edge and handed down, so that every wait below shares one budget. Monotonic time.

#include "base/env.h"

#include <algorithm>

namespace holdfast::net {

class Deadline {
  public:
    static Deadline after(Duration from_now) { return Deadline(MonotonicClock::now() + from_now); }
    static Deadline at(MonoTime when) { return Deadline(when); }

    MonoTime when() const { return when_; }
    bool passed() const { return MonotonicClock::now() >= when_; }
    /// Time left, never negative.
    Duration left() const { return std::max(Duration{0}, when_ - MonotonicClock::now()); }
    /// The earlier of this and `from_now` from here.
    Deadline capped(Duration from_now) const {
        return Deadline(std::min(when_, MonotonicClock::now() + from_now));
    }

  private:
    explicit Deadline(MonoTime when) : when_(when) {}
    MonoTime when_;
};

} // namespace holdfast::net
