#pragma once

// QueueDelay: whom a queue that does not get shorter gives up, and when.
//
// A queue that fills in a burst and empties again does its job. One whose oldest waiter is never
// younger than `target` through a whole `interval` is a standing queue: more comes in than can be
// served, and all that waiting buys is that everybody is late. Then the least urgent priority is
// shed, after another such interval the next one too, up to Checkout; payments never are. Each
// interval in which the queue was short takes one back. Of a priority that is shed those are
// dropped who have waited longer than `target`, and of the others the newest goes first.
//
// Only a queue that is being served is judged: while the database is away nobody is served, nothing
// is overloaded, and everybody waits until his own deadline. The first to be served after a pause
// of an interval or more begins anew.
//
//   delay.served(oldest_wait, now);               // at every hand-over, with what still waits
//   if (delay.shed_from()) ... drop, newest first
//
// Sources: CoDel (RFC 8289), for the minimum over an interval; the short timeout under overload as
// in B. Maurer, "Fail at Scale", ACM Queue 13 (8), 2015. Pure; owner: a Pool.

#include "db/wait_queue.h"

namespace holdfast::db {

class QueueDelay {
  public:
    struct Options {
        Duration target = std::chrono::milliseconds{100};
        Duration interval = std::chrono::milliseconds{500};
    };

    explicit QueueDelay(Options options) : options_(options) {}

    /// Somebody got a connection at `now`; of those who still wait one has waited for `oldest`.
    void served(Duration oldest, MonoTime now);

    /// This priority and all that are less urgent are shed; empty: none is.
    std::optional<Priority> shed_from() const;
    Duration target() const { return options_.target; }

  private:
    void begin(MonoTime now) {
        interval_end_ = now + options_.interval;
        shortest_ = Duration::max();
    }

    Options options_;
    MonoTime interval_end_;
    Duration shortest_{};
    std::size_t shed_ = 0; ///< how many priorities
};

} // namespace holdfast::db
