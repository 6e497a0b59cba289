#pragma once

// AdaptiveLimits: a pool as large as helps, and never larger than its share of the server.
//
// Open sessions: at most `upper` and at most the share that was last set (server_share.h).
//
// At work at the same time: additive increase, multiplicative decrease, between `lower` and
// `upper`. After each `interval` with enough loans in it:
//   - loans took `stretch_max` times what they usually take, or longer, on average: the database
//     is what is slow, more at once would only make each slower still -> a tenth less;
//   - else, if one in ten had to queue here for longer than `queue_target` -> one more;
//   - else as it is.
//
// "Usually" is learned apart for each holder (the code that uses the connection), so that a change
// of the mix, more lists and fewer look-ups, is not taken for a slow database; and only from loans
// that did not have to queue, so that an overload does not become what is usual. When there has
// been no such loan for `forget`, the next one of any kind is the new measure: a database may have
// become slower for good. With two loans to a core each takes about twice its time, which is where
// this settles under load: cores x 2, the rule of thumb, found by measuring.
//
// Not judged: an interval in which nothing came back (a lock stall, a frozen server). It grows on
// evidence only.
//
//   AdaptiveLimits limits({.lower = 2, .upper = 8});
//   Pool pool(loop, registry, {}, limits, connect);
//   limits.set_share(5);  pool.limits_changed();
//
// The bounds may change while it runs (set_bounds): what is at work keeps to them from the next
// loan on, and nobody's connection is taken away.
//
// Sources: userver's congestion control (AIMD on the ratio of latencies, connlimit_watchdog.cpp)
// and Netflix' concurrency-limits (Gradient2: short-term against long-term latency). Owner: who
// owns the pool. Thread: that of the pool's Loop. Memory: `holders_max` measures.

#include "db/pool_limits.h"

#include <map>
#include <optional>
#include <string>

namespace holdfast::db {

/// Between what the number of connections at work moves; the upper one bounds those open, too.
struct PoolBounds {
    std::size_t lower = 2, upper = 8;
    bool operator==(const PoolBounds&) const = default;
};

struct AdaptiveOptions {
    std::size_t lower = 2;
    std::size_t upper = 8;
    std::size_t waiting = 1'000;
    std::size_t connecting = 2;
    Duration interval = std::chrono::milliseconds{500};
    Duration queue_target = std::chrono::milliseconds{5};
    double stretch_max = 2.0;
    Duration forget = std::chrono::minutes{10};
};

class AdaptiveLimits final : public PoolLimits {
  public:
    static constexpr std::size_t holders_max = 64;

    /// 1 <= lower <= upper.
    explicit AdaptiveLimits(AdaptiveOptions options);

    std::size_t max_connections() const override;
    std::size_t max_used() const override;
    std::size_t max_waiting() const override { return options_.waiting; }
    std::size_t max_connecting() const override { return options_.connecting; }
    void learn(const LoanReport& report) override;

    /// How many sessions the server has for this pool; `lower` until it is first known. At least
    /// one is used: with none nothing would ever be done.
    void set_share(std::size_t connections) { share_ = connections; }

    /// 1 <= lower <= upper. Pool::limits_changed() comes after it.
    void set_bounds(PoolBounds bounds);

  private:
    /// What a loan of one holder takes when nobody has to queue.
    struct Usual {
        double seconds = 0;
        MonoTime learned;
    };
    double stretch(const LoanReport& report, MonoTime now);
    void judge(MonoTime now);
    void keep_within_bounds();

    AdaptiveOptions options_;
    std::size_t share_;
    double limit_; ///< of those at work
    std::map<std::string, Usual, std::less<>> usual_;

    // Of the interval under way.
    MonoTime began_;
    double stretches_ = 0;
    std::size_t loans_ = 0, queued_ = 0;
};

} // namespace holdfast::db
