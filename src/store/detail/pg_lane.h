#pragma once

// PgLane: the Lane of PgStore. See pg_store.h for what goes over the wire.

#include "db/pool.h"
#include "store/acknowledged.h"
#include "store/seal.h"
#include "store/store.h"
#include "store/write_batch.h"

#include <memory>

namespace holdfast::store {

class LockPlan;

/// Registers a new lane and opens its connection. `acknowledged` outlives it.
Task<std::unique_ptr<Lane>> open_pg_lane(db::Pool::Connect connect, Acknowledged& acknowledged,
                                         Deadline deadline);

class PgLane final : public Lane {
  public:
    PgLane(db::Pool::Connect connect, std::unique_ptr<db::Connection> connection,
           Acknowledged& acknowledged, Uuid id, std::int32_t number)
        : connect_(std::move(connect)),
          connection_(std::move(connection)),
          acknowledged_(acknowledged),
          id_(id),
          number_(number),
          last_(first_predecessor(id)) {}

    const Uuid& id() const override { return id_; }
    Task<Batch> begin(std::vector<core::Needs> needs, LockMode mode, Deadline deadline) override;
    Task<void> commit(core::UnitOfWork work, std::int32_t commands, Deadline deadline) override;
    Task<void> rollback(Deadline deadline) override;
    Task<bool> resolve(Deadline deadline) override;
    Task<void> reopen(Deadline deadline) override;

  private:
    enum class State : std::uint8_t { Idle, Open, Broken };

    std::string digest() const;
    Task<void> take_over(Deadline deadline);
    /// It is durable.
    void believe(Seal newest);

    db::Pool::Connect connect_;
    std::unique_ptr<db::Connection> connection_;
    Acknowledged& acknowledged_;
    Uuid id_;
    std::int32_t number_;
    Seal last_;                ///< the newest that is known to be durable
    std::int64_t awaited_ = 0; ///< sequence of the batch whose commit was not answered
    State state_ = State::Idle;
    WallTime database_now_;
    Originals originals_;
    db::Pipeline pipeline_; ///< its memory is used again by every batch
};

} // namespace holdfast::store
