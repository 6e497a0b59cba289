#pragma once

// PgStore: the Store on PostgreSQL 15, schema in schema/.
//
// Reads, lists and jobs go through a Pool. Each Lane has a connection of its own, which it opens
// with `connect` (db::connector) and keeps: a lane is a chain of transactions, one at a time.
//
//   begin()    one round trip: BEGIN, timeouts, the lane's lock, claims, row locks, what hangs on
//              the locked rows, reads, replays. Children are selected in later statements than the
//              locks of their roots, so that they are current (READ COMMITTED).
//   commit()   one round trip: one statement per table and kind of change, the seal, COMMIT.
//   resolve()  waits for the lane's lock, which the lost transaction holds until it has ended,
//   reads
//              the last seal, and commits a small write before it believes what it saw: on a server
//              that has been replaced that write is never acknowledged.
//
// The lane's lock is an advisory lock of the transaction; what it protects is that at most one
// transaction of a lane is alive. A batch takes one advisory lock per claim and none per row, so
// max_locks_per_transaction * max_connections bounds lanes * commands per batch.
//
// Connect as holdfast_app: its role settings pin the plans (schema/0001_roles.sql).
//
// Errors are those of db/connection.h, and: Conflict "lock_timeout" (LockMode::Wait), Invalid
// "resource_missing" (the cursor of a list), Bug "result_mismatch" (unreadable row), Bug
// "acknowledged_batch_missing" (the database lost a batch that it had confirmed).
//
// Thread: that of the Loop of pool and connect. `pool` outlives the store, the store its lanes.

#include "db/pool.h"
#include "store/acknowledged.h"
#include "store/pg_reads.h"
#include "store/store.h"

namespace holdfast::store {

class PgStore final : public Store, public PgReads {
  public:
    PgStore(db::Pool& pool, db::Pool::Connect connect)
        : pool_(pool), connect_(std::move(connect)) {}

    Task<std::unique_ptr<Lane>> open_lane(Deadline) override;

    Task<std::vector<core::Operation>> stale_operations(WallTime before, int limit,
                                                        Deadline) override;
    Task<std::int64_t> fold_balances(int limit, Deadline) override;
    Task<std::int64_t> expire_replays(WallTime before, int limit, Deadline) override;

    Task<void> create_account(core::Account, Deadline) override;
    Task<std::optional<core::Account>> find_account(Id<core::Account>, Deadline) override;
    Task<std::vector<core::Account>> list_accounts(Deadline) override;
    Task<void> set_floor_limit(Id<core::Account>, core::FloorLimit, Deadline) override;
    Task<bool> remove_floor_limit(Id<core::Account>, core::Currency, Deadline) override;
    Task<FloorShare> renew_floor_share(std::string holder, std::int32_t wanted_ppm, Duration lease,
                                       Deadline) override;
    Task<void> insert_key(ApiKey, Deadline) override;
    Task<std::optional<ApiKey>> find_key(std::string hash, Deadline) override;
    Task<std::vector<ApiKey>> list_keys(Id<core::Account>, Deadline) override;
    Task<std::vector<ApiKey>> working_keys(int limit, Deadline) override;
    Task<bool> expire_key(std::string hash, WallTime when, Deadline) override;
    Task<void> ping(Deadline) override;

    /// What the lanes of this store have made durable.
    const Acknowledged& acknowledged() const { return acknowledged_; }

  private:
    Task<std::vector<db::QueryResult>> ask(db::Priority priority, db::Pipeline& pipeline,
                                           Deadline deadline) override;

    db::Pool& pool_;
    db::Pool::Connect connect_;
    Acknowledged acknowledged_;
};

} // namespace holdfast::store
