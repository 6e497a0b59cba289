#pragma once

// Store: where payments live. An interface with two implementations: PgStore (pg_store.h) on
// PostgreSQL and ModelStore (model_store.h) in memory, which the simulator and unit tests use and
// which can lose answers, crash and hold locks on purpose.
//
// A Lane is one chain of batches: one connection, at most one batch under way, and a chain of
// seals with a gapless sequence. A batch is one transaction:
//
//   CO_TRY(Batch batch, co_await lane->begin(needs, LockMode::Skip, deadline));
//   ... decide commands over batch.work; commands that need a row in batch.busy go elsewhere ...
//   CO_TRY_VOID(co_await lane->commit(batch.work, deadline));
//
// In LockMode::Skip nothing ever waits for a row lock: a row held by somebody is reported as busy
// (SELECT ... FOR NO KEY UPDATE SKIP LOCKED; claims use pg_try_advisory_xact_lock). In
// LockMode::Wait, for the slow lane, it waits within the deadline. Keys are locked in sorted
// order, so our own statements can't deadlock.
//
// Failure behaviour of commit():
//   ok                   durable, on the synchronous standby too
//   Error kind != Unknown  certainly not committed; `code` names the constraint if one was hit
//   Error kind Unknown   the answer was lost. resolve() decides by the seal, behind a write barrier
//                        (it takes the lane's lock, so it waits until the old transaction ended).
// After any error the lane is broken until resolve() or reopen() has succeeded.
//
// What a Store reads outside batches (reads.h) it reads at the primary.

#include "store/reads.h"

#include <memory>
#include <vector>

namespace holdfast::store {

/// One per batch; proves what was committed, and that nothing was cut off later.
struct Seal {
    Uuid lane;
    std::int64_t sequence = 0; ///< from 1, no gaps within a lane
    WallTime created;
    std::int32_t commands = 0;
    std::int32_t rows = 0;
    std::int32_t events = 0;
    std::int32_t entries = 0;
    std::int64_t entries_sum_minor = 0; ///< of absolute values, all currencies
    std::string digest;                 ///< 32 bytes: SHA-256 over what the batch wrote
    std::string previous;               ///< 32 bytes: hash of the previous seal
    std::string hash;                   ///< 32 bytes: SHA-256 over all of the above
};

enum class LockMode : std::uint8_t { Skip, Wait };

struct Batch {
    core::UnitOfWork work;
    std::vector<core::RowRef> busy; ///< wanted Lock or Claim, held by somebody else
    WallTime database_now;
};

class Lane {
  public:
    virtual ~Lane() = default;
    virtual const Uuid& id() const = 0;
    virtual Task<Batch> begin(std::vector<core::Needs> needs, LockMode mode, Deadline deadline) = 0;
    /// Writes the changes and the next seal of this lane, and commits. `commands` counts those
    /// that are in it.
    virtual Task<void> commit(core::UnitOfWork work, std::int32_t commands, Deadline deadline) = 0;
    /// Gives up the batch begun; nothing was written.
    virtual Task<void> rollback(Deadline deadline) = 0;
    /// After Unknown: true when the batch of the last commit() is durable, false when it certainly
    /// is not and never will be. The lane is usable again.
    virtual Task<bool> resolve(Deadline deadline) = 0;
    /// After any other error: a fresh connection.
    virtual Task<void> reopen(Deadline deadline) = 0;
};

/// An API key as stored: only its hash. `secret` keys act for the account, publishable ones may
/// only tokenize and confirm with a client secret.
struct ApiKey {
    std::string hash; ///< 32 bytes SHA-256 of the key
    Id<core::Account> account;
    bool publishable = false;
    std::string hint; ///< first and last characters, for lists
    WallTime created;
    std::optional<WallTime> expires; ///< set by roll and revoke
};

/// Which part of every floor limit one process may use, in millionths, and how many share them.
struct FloorShare {
    static constexpr std::int32_t whole_ppm = 1'000'000;
    std::int32_t ppm = 0;
    std::int32_t holders = 0;
};

class Store : public virtual Reads {
  public:
    /// A new chain; registers the lane.
    virtual Task<std::unique_ptr<Lane>> open_lane(Deadline deadline) = 0;

    /// Operations still Started with valid_until before `before`, oldest first.
    virtual Task<std::vector<core::Operation>> stale_operations(WallTime before, int limit,
                                                                Deadline) = 0;
    /// Adds deltas to bases, under a lease so that one process does it; returns deltas folded.
    virtual Task<std::int64_t> fold_balances(int limit, Deadline) = 0;
    /// Removes replay records older than `before`; returns how many.
    virtual Task<std::int64_t> expire_replays(WallTime before, int limit, Deadline) = 0;

    // Accounts and keys (admin commands and the edge's cache).
    virtual Task<void> create_account(core::Account, Deadline) = 0;
    virtual Task<std::optional<core::Account>> find_account(Id<core::Account>, Deadline) = 0;
    virtual Task<std::vector<core::Account>> list_accounts(Deadline) = 0;
    /// Sets the account's limit of that currency. Error Invalid, by constraint.
    virtual Task<void> set_floor_limit(Id<core::Account>, core::FloorLimit, Deadline) = 0;
    /// False when there was none.
    virtual Task<bool> remove_floor_limit(Id<core::Account>, core::Currency, Deadline) = 0;
    /// At most `wanted_ppm`, and what others have not got, from now for so long. What a holder had
    /// before is given back, so it must not use more than `wanted_ppm` from before it asks.
    virtual Task<FloorShare> renew_floor_share(std::string holder, std::int32_t wanted_ppm,
                                               Duration lease, Deadline) = 0;
    virtual Task<void> insert_key(ApiKey, Deadline) = 0;
    virtual Task<std::optional<ApiKey>> find_key(std::string hash, Deadline) = 0;
    virtual Task<std::vector<ApiKey>> list_keys(Id<core::Account>, Deadline) = 0;
    /// The keys of all accounts that work, the newest of them.
    virtual Task<std::vector<ApiKey>> working_keys(int limit, Deadline) = 0;
    /// False when there is no such key.
    virtual Task<bool> expire_key(std::string hash, WallTime when, Deadline) = 0;

    /// Can a payment be committed now? Writable primary, round trip within the deadline.
    virtual Task<void> ping(Deadline) = 0;
};

} // namespace holdfast::store
