#pragma once

// Resolver: sees to it that no operation stays open: those of crashed instances, and those whose
// outcome their owner could not learn before valid_until.
//
// Every instance runs one. Each round (interval, jittered) it asks the store for operations
// past their valid_until, oldest first, and takes them over (Processor::take_over): a
// compare-and-set on the owner decides who may go on, so any number of resolvers can look at the
// same list. A round goes on, page by page, as long as pages are full and something gets settled:
// after an outage of the acquirer many are open at once. The acquirer is asked; "not found" is
// never believed while a request may still arrive (operations.h). An operation that can't be
// settled because the acquirer is away is open again when the claim runs out (operation_ttl), so
// all are settled within operation_ttl plus an interval after it answers again, well below the 60 s
// that are promised, after a restart as well. One whose rows are damaged in the database is left
// alone for damaged_pause: a page that somebody has to repair is not read once a second.
//
// Limits: at_once_max, damaged_max. Errors are logged and tried again in the next round.

#include "net/gate.h"
#include "net/timer.h"
#include "processor/processor.h"
#include "store/store.h"

#include <unordered_map>
#include <unordered_set>

namespace holdfast::processor {

struct ResolverOptions {
    Duration interval = std::chrono::seconds{1};
    int at_once_max = 256;
    Registry* metrics = nullptr; ///< null: not exported
};

class Resolver {
  public:
    static constexpr Duration damaged_pause = std::chrono::seconds{30};
    static constexpr std::size_t damaged_max = 1000; ///< more are asked for in every round

    Resolver(net::Loop& loop, Env& env, store::Store& store, Processor& processor,
             ResolverOptions options = {});

    void start();
    /// Ends the rounds and what they have begun; claims run out by themselves.
    Task<void> stop(Deadline deadline);

  private:
    Task<void> run();
    Task<void> round();
    Task<bool> page();
    Task<void> resolve(core::Operation operation);
    void set_aside(Id<core::Operation> id);
    Duration pause();

    Env& env_;
    store::Store& store_;
    Processor& processor_;
    ResolverOptions options_;
    Gauge* stale_gauge_ = nullptr;
    std::unordered_set<Id<core::Operation>> resolving_;
    std::unordered_map<Id<core::Operation>, MonoTime> damaged_; ///< until when they are left alone
    std::uint64_t settled_ = 0;
    net::Event ended_; ///< one of resolving_ has
    net::Gate gate_;
};

} // namespace holdfast::processor
