#pragma once

// Remedy: what to do about a batch that failed, by the store's error. Pure.
//
// The question is always the same: is it the database's state (wait and try again), our neighbours
// (try again at once, a little apart), the batch itself (find the guilty member), or don't we know
// whether it happened (find out first). Sources: PostgreSQL's error codes, appendix A; what is
// known about each end of COMMIT is in store/store.h.

#include "base/env.h"
#include "base/result.h"

namespace holdfast::processor {

enum class Remedy : std::uint8_t {
    Resolve,   ///< the answer of COMMIT was lost: ask the seal
    Reconnect, ///< the database is away or slow: retry within the deadlines
    Again,     ///< a conflict that passes: 40001, 40P01, 55P03
    Blame,     ///< the database refuses this batch, or what one of its rows lies on is damaged:
               ///< run its members one by one
};

Remedy remedy_for(const Error& error);

/// Waits between tries: doubling from `first` up to `cap`, each between half and all of that, so
/// that many who failed together don't come back together.
class Backoff {
  public:
    Backoff(Env& env, Duration first, Duration cap) : env_(&env), next_(first), cap_(cap) {}
    Duration next();

  private:
    Env* env_; // a pointer, so that a Backoff can be started anew by assignment
    Duration next_, cap_;
};

} // namespace holdfast::processor
