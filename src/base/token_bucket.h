#pragma once

// TokenBucket, RateTable and RetryBudget: how often something may happen.
//
// A bucket holds up to `burst` tokens and gains `per_second` of them; what happens takes one.
//
//   TokenBucket bucket({.per_second = 100, .burst = 200}, env.now());      // full
//   if (!bucket.take(now)) return too_soon(bucket.wait(now));
//
// A RateTable is a bucket per key, of the `entries_max` keys used last: whoever makes up keys
// without end costs a bounded amount of memory, and gets at most a burst for each. A key that was
// pushed out is as good as new.
//
//   if (auto wait = table.take(address, rate, now)) return refuse(*wait);
//
// A RetryBudget lets what is repeated be a fraction of what is done for the first time, so that a
// peer in trouble is not asked many times as much as on a good day (Google, Site Reliability
// Engineering, "Handling Overload"). A few per second are always granted: one payment alone is to
// have its retries too.
//
//   retries.note_call();                                      // something was tried for the first
//   if (!retries.take()) ... wait, and ask again later
//
// Plain values, no timers; each on one thread. Times are monotonic.

#include "base/env.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace holdfast {

struct Rate {
    double per_second;
    double burst; ///< at least 1
    bool operator==(const Rate&) const = default;
};

class TokenBucket {
  public:
    TokenBucket(Rate rate, MonoTime now) : rate_(rate), tokens_(rate.burst), counted_(now) {}

    /// False, and nothing is taken, when there is none.
    bool take(MonoTime now);
    /// Time until there is one; zero when there is.
    Duration wait(MonoTime now);
    void add(double tokens);

  private:
    void gain(MonoTime now);

    Rate rate_;
    double tokens_;
    MonoTime counted_;
};

class RateTable {
  public:
    explicit RateTable(std::size_t entries_max) : entries_max_(entries_max) {}

    /// Takes a token of `key`, or says when there will be one.
    std::optional<Duration> take(std::string_view key, Rate rate, MonoTime now);
    /// The same without taking it.
    std::optional<Duration> peek(std::string_view key, MonoTime now);

    std::size_t size() const { return entries_.size(); }
    std::uint64_t pushed_out() const { return pushed_out_; }

  private:
    struct Entry {
        std::string key;
        TokenBucket bucket;
    };
    TokenBucket& bucket_of(std::string_view key, Rate rate, MonoTime now);

    std::size_t entries_max_;
    std::list<Entry> entries_; ///< used last first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
    std::uint64_t pushed_out_ = 0;
};

struct RetryBudgetOptions {
    int percent = 20;        ///< of calls
    int per_second_min = 10; ///< granted all the same
    int burst = 100;
};

class RetryBudget {
  public:
    RetryBudget(Env& env, RetryBudgetOptions options);

    void note_call() { bucket_.add(share_); }
    bool take() { return bucket_.take(env_.now()); }

  private:
    Env& env_;
    double share_;
    TokenBucket bucket_;
};

} // namespace holdfast
