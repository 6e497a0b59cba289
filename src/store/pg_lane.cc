#include "store/detail/pg_lane.h"

#include "base/bytes.h"
#include "store/batch_query.h"
#include "store/detail/read_seal.h"
#include "store/sql_batches.h"

#include <fmt/format.h>

namespace holdfast::store {

using db::Bytea;
using db::Pipeline;

namespace {

/// For the old session of a lane that takes over its own lock: longer is up to the lock.
constexpr Duration dispose_timeout = std::chrono::seconds{1};

db::Timeouts until(Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left());
    return {left, left};
}

std::unexpected<Error> broken_error() {
    return fail(ErrorClass::Unavailable, "lane_broken",
                "The lane's last batch failed: resolve() or reopen() it first.");
}

Error begin_error(Error error) {
    constexpr std::string_view lock_not_available = "55P03";
    if (error.sqlstate == lock_not_available) {
        error.code = "lock_timeout";
        error.message = "Another request holds this object for too long.";
    }
    return error;
}

} // namespace

Task<std::unique_ptr<Lane>> open_pg_lane(db::Pool::Connect connect, Acknowledged& acknowledged,
                                         Deadline deadline) {
    const Uuid id = Uuid::time_ordered(Env::current());
    CO_TRY(auto connection, co_await connect(deadline));
    Pipeline pipeline;
    const auto registered = pipeline.add(sql::register_lane, id);
    CO_TRY(auto results, co_await connection->run(pipeline, deadline));
    CO_TRY(auto number, results[registered].front().get<std::int32_t>(0));
    co_return std::make_unique<PgLane>(std::move(connect), std::move(connection), acknowledged, id,
                                       number);
}

Task<Batch> PgLane::begin(std::vector<core::Needs> needs, LockMode mode, Deadline deadline) {
    if (state_ == State::Broken) co_return broken_error();
    CHECK(state_ == State::Idle);
    state_ = State::Broken; // until all of it has worked
    originals_.clear();
    pipeline_.clear();
    if (mode == LockMode::Wait) pipeline_.limit(until(deadline));
    pipeline_.begin();
    const auto locked = pipeline_.add(sql::lock_lane, sql::lane_locks, number_);
    const BatchQuery query(LockPlan(needs), mode, pipeline_);
    auto results = co_await connection_->run(pipeline_, deadline);
    if (!results) co_return fail(begin_error(std::move(results).error()));
    CO_TRY(Batch batch, query.read(*results, originals_));
    CO_TRY(batch.database_now, (*results)[locked].front().get<WallTime>(1));
    database_now_ = batch.database_now;
    state_ = State::Open;
    co_return batch;
}

std::string PgLane::digest() const {
    Sha256 hash;
    for (const Pipeline::Step& step : pipeline_.steps()) hash.update(step.statement->name);
    hash.update(pipeline_.bytes());
    return std::string(chars(hash.finish()));
}

Task<void> PgLane::commit(core::UnitOfWork work, std::int32_t commands, Deadline deadline) {
    if (state_ == State::Broken) co_return broken_error();
    CHECK(state_ == State::Open);
    state_ = State::Broken;
    pipeline_.clear();
    write_batch(pipeline_, work, originals_);
    const Seal seal = next_seal(last_, work, commands, database_now_, digest());
    pipeline_.add(sql::insert_seal, seal.lane, seal.sequence, seal.created, seal.commands,
                  seal.rows, seal.events, seal.entries, seal.entries_sum_minor, Bytea{seal.digest},
                  Bytea{seal.previous}, Bytea{seal.hash});
    pipeline_.commit();
    auto committed = co_await connection_->run(pipeline_, deadline);
    if (!committed) {
        if (committed.error().kind == ErrorClass::Unknown) awaited_ = seal.sequence;
        co_return fail(std::move(committed).error());
    }
    believe(seal);
    state_ = State::Idle;
    co_return Result<void>{};
}

Task<void> PgLane::rollback(Deadline deadline) {
    CHECK(state_ == State::Open);
    state_ = State::Broken;
    pipeline_.clear();
    pipeline_.rollback();
    CO_TRY_VOID(co_await connection_->run(pipeline_, deadline));
    state_ = State::Idle;
    co_return Result<void>{};
}

/// A fresh connection, and the lane's lock on it: once that is ours, the transaction that held it
/// has ended. What it left is believed only when our own write after it is durable.
Task<void> PgLane::take_over(Deadline deadline) {
    if (connection_) {
        (void)co_await connection_->dispose(deadline.capped(dispose_timeout));
        connection_.reset();
    }
    CO_TRY(connection_, co_await connect_(deadline));
    pipeline_.clear();
    pipeline_.limit(until(deadline));
    pipeline_.begin();
    pipeline_.add(sql::lock_lane, sql::lane_locks, number_);
    const auto sealed = pipeline_.add(sql::last_seal, id_);
    pipeline_.add(sql::raise_barrier, id_);
    pipeline_.commit();
    CO_TRY(auto results, co_await connection_->run(pipeline_, deadline));
    Seal newest = first_predecessor(id_);
    if (!results[sealed].empty()) {
        CO_TRY(newest, read_seal(results[sealed].front()));
    }
    if (newest.sequence < last_.sequence) {
        co_return fail(ErrorClass::Bug, "acknowledged_batch_missing",
                       fmt::format("Lane {} has seal {} but {} was confirmed.", id_.base62(),
                                   newest.sequence, last_.sequence));
    }
    believe(newest);
    state_ = State::Idle;
    co_return Result<void>{};
}

void PgLane::believe(Seal newest) {
    last_ = std::move(newest);
    if (last_.sequence > 0) acknowledged_.note(id_, last_.sequence);
}

Task<bool> PgLane::resolve(Deadline deadline) {
    CHECK(awaited_ > 0);
    CO_TRY_VOID(co_await take_over(deadline));
    co_return last_.sequence >= std::exchange(awaited_, 0);
}

Task<void> PgLane::reopen(Deadline deadline) {
    const bool usable = connection_ && !connection_->broken() && !connection_->in_transaction();
    if (!usable || awaited_ > 0) {
        CO_TRY_VOID(co_await take_over(deadline));
    }
    awaited_ = 0;
    state_ = State::Idle;
    co_return Result<void>{};
}

} // namespace holdfast::store
