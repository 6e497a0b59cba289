#pragma once

// Deciding a batch: each member over the rows that the store has loaded and locked.
//
// Verdicts are per command: an error of one leaves the UnitOfWork as it was and the others go on.
// A member whose row is held by somebody else is set aside, and with it every later member that
// shares a key with it, so that one object's commands stay in order. Nothing is answered here: an
// answer may rest on a neighbour's change, so all of them wait until the batch is durable.
//
// Business time is read once per batch. Until when an operation is its owner's, and whether it may
// be taken over (ClaimOperation), goes by the database's clock instead: an instance with a fast
// clock must neither take what is still in the hands of its owner nor keep what it started for
// longer than it should after it has died.
//
// No waiting, no I/O. Limit: the batch's size.

#include "processor/intake.h"
#include "store/store.h"

#include <functional>
#include <span>
#include <vector>

namespace holdfast::processor {

/// What deciding needs besides the rows.
struct Rules {
    const core::Identity& identity;
    std::function<const core::Account*(Id<core::Account>)> account;
    Uuid instance;
    Duration operation_ttl;
};

struct Decided {
    std::vector<Ticket*> members; ///< with an answer to publish once the batch is durable
    std::vector<Ticket*> held;    ///< wanted a row that somebody else holds
    std::vector<Ticket*> behind;  ///< share a key with one of those
    std::vector<Ticket*> gone;    ///< released by the submitter, or too late
    std::int32_t applied = 0;     ///< members that changed something
    bool changes = false;         ///< there is something to write
    bool repeats = false;         ///< a member gives an answer that was found, not made
};

Decided decide_batch(std::span<Ticket* const> batch, store::Batch& loaded, WallTime now,
                     const Rules& rules);

} // namespace holdfast::processor
