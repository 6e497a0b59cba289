#pragma once

// Load: shoppers who arrive whether or not the platform keeps up, and visitors beside them who only
// look.
//
// Purchases arrive at `rate` a second, as a Poisson process: buyers know nothing of each other. A
// purchase that finds the platform slow waits, and its latency counts from its arrival; a closed
// loop would stop asking just when it matters. Which manner and card a purchase has follows from
// the seed; when it arrives and what it meets does not.
//
// So do visitors, who look at a list of payments and then at one of them: as many come whatever the
// others got, and who is refused goes away. Who comes while visitors_max are there counts as
// refused.
//
// `shoppers` are the exception, to find out how much the platform carries (scenario.h): a closed
// loop of people who buy again as soon as they were told.
//
//   Load load(loop, env, way, {.rate = 200});
//   CO_TRY_VOID(load.start());
//   ...
//   CO_TRY_VOID(co_await load.stop(deadline));     // no new ones; every purchase has ended
//   for (const Purchase& purchase : load.purchases()) ...
//
// Limits: under_way_max purchases at once; one more is a failure of its own ("drill_overrun"),
// since then the drill does not measure what it says. Thread: the loop's; stop() before
// destruction.

#include "drill/purchase.h"
#include "drill/shopper.h"
#include "net/gate.h"

#include <deque>
#include <random>

namespace holdfast::drill {

struct LoadOptions {
    double rate = 200;   ///< purchases a second
    double visitors = 0; ///< a second
    int shoppers = 0;    ///< in a closed loop
    std::uint64_t seed = 1;
};

struct LoadCounts {
    std::int64_t offered = 0, told = 0, failed = 0;
    std::int64_t browsed = 0, browse_refused = 0;
    std::int64_t under_way() const { return offered - told; }
};

class Load {
  public:
    static constexpr std::int64_t under_way_max = 20'000;
    static constexpr std::size_t visitors_max = 2'000; ///< at once
    static constexpr int lanes = 16; ///< merchants' servers with connections of their own
    static constexpr int declined_percent = 3;

    Load(net::Loop& loop, Env& env, Way& way, LoadOptions options);

    Result<void> start();
    /// Ends the arrivals; waits until every purchase has ended.
    net::Task<void> stop(net::Deadline deadline);
    /// No more of them come; purchases go on.
    void end_visits() { visits_end_ = true; }
    /// Everybody goes away at once.
    void cancel();

    const std::deque<Purchase>& purchases() const { return purchases_; }
    const LoadCounts& counts() const { return counts_; }

  private:
    Purchase& next_purchase(MonoTime intended);
    net::Task<void> arrivals();
    net::Task<void> shop(int lane);
    net::Task<void> buy(Purchase& purchase, int lane);
    net::Task<void> visits();
    net::Task<void> visit(int visitor);
    net::Task<std::string> look(std::string target, int lane);

    Env& env_;
    Way& way_;
    LoadOptions options_;
    std::mt19937_64 random_, random_visit_;
    std::deque<Purchase> purchases_; ///< references stay valid
    LoadCounts counts_;
    bool stopping_ = false, visits_end_ = false;
    net::Gate arriving_, looking_, buying_, second_requests_;
    Shopper shopper_;
};

/// How a share of clients behaves; the weights are percents.
Manner manner_of(std::uint64_t percent);

} // namespace holdfast::drill
