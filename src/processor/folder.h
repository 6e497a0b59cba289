#pragma once

// Folder: the housekeeping of the tables that payments only ever append to. For the background
// role.
//
// Balances are a folded base plus insert-only deltas; the folder adds deltas to bases so that a
// balance stays cheap to read. A lease in the store lets one process fold at a time. It also
// removes replay records (answers under idempotency keys) older than the retention; the object a
// key created still carries its id and fingerprint, so a later retry is answered from the object.
//
// Works in limited steps: as long as a step was full the next one follows at once, so it catches up
// after an outage without one long transaction. Errors are logged and tried again at the next turn.
// From start() to stop(), on the loop of its owner.

#include "net/gate.h"
#include "store/store.h"

namespace holdfast::processor {

struct FolderOptions {
    Duration interval = std::chrono::seconds{1};
    int fold_limit = 10'000;                            ///< deltas per step
    Duration replay_retention = std::chrono::hours{24}; ///< Stripe keeps keys at least that long
    int expire_limit = 5'000;                           ///< records per step
    Duration step_timeout = std::chrono::seconds{10};
};

class Folder {
  public:
    Folder(net::Loop& loop, Env& env, store::Store& store, FolderOptions options = {});

    void start();
    net::Task<void> stop(net::Deadline deadline);
    /// One turn: folds and expires until there is nothing left to do.
    net::Task<void> turn();

  private:
    net::Task<void> run();

    Env& env_;
    store::Store& store_;
    FolderOptions options_;
    net::Gate gate_;
};

} // namespace holdfast::processor
