#pragma once

// LockPlan: what the commands of one batch need, put in the one order in which every store takes
// locks: claims by claim number, then object kinds in the order of core::ObjectKind, then keys.
// Everybody who waits for a lock waits in this order, so no two batches can wait for each other.
//
// A key that one command wants to lock and another only to read is in both lists: when its lock is
// skipped because somebody holds it, the reader must still find the row. One that somebody claims
// is locked too, if it exists. Needs may repeat; the plan does not.

#include "core/unit_of_work.h"

#include <array>
#include <vector>

namespace holdfast::store {

inline constexpr std::size_t object_kinds =
    static_cast<std::size_t>(core::ObjectKind::Operation) + 1;

class LockPlan {
  public:
    /// CHECKs that only lock roots (customers, payment methods, tokens, payment intents) are
    /// wanted with Lock or Claim.
    explicit LockPlan(const std::vector<core::Needs>& needs);

    struct Claim {
        core::ObjectKind kind;
        core::RowKey key;
        std::int64_t number; ///< of the advisory lock; a collision only makes somebody wait
    };
    const std::vector<Claim>& claims() const { return claims_; } ///< by number

    /// Keys to lock if they exist, and keys that somebody only reads; each list sorted. Read after
    /// the locks were taken, so that a row in both is the same in both.
    const std::vector<core::RowKey>& lock(core::ObjectKind kind) const { return of(kind).lock; }
    const std::vector<core::RowKey>& read(core::ObjectKind kind) const { return of(kind).read; }
    const std::vector<core::RowKey>& replays() const { return replays_; }

    /// The references that wanted this row for themselves, as they were asked for.
    std::vector<core::RowRef> wanted(core::ObjectKind kind, const core::RowKey& key) const;

  private:
    struct Keys {
        std::vector<core::RowKey> lock, read;
    };
    const Keys& of(core::ObjectKind kind) const { return keys_[static_cast<std::size_t>(kind)]; }

    std::vector<core::RowRef> refs_; ///< sorted
    std::array<Keys, object_kinds> keys_;
    std::vector<Claim> claims_;
    std::vector<core::RowKey> replays_;
};

} // namespace holdfast::store
