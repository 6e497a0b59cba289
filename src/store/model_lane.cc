#include "store/detail/model_world.h"
#include "store/seal.h"

#include "base/bytes.h"
#include "core/names.h"
#include "net/timer.h"

namespace holdfast::store {

using core::ObjectKind;
using core::RowKey;
using core::UnitOfWork;

namespace {

constexpr Duration lock_poll_interval = std::chrono::milliseconds{10};

class ModelLane final : public Lane {
  public:
    ModelLane(std::shared_ptr<ModelWorld> world, Uuid id)
        : world_(std::move(world)), id_(id), last_(first_predecessor(id)), era_(world_->era) {}
    ~ModelLane() override { world_->release(this); }

    const Uuid& id() const override { return id_; }

    Task<Batch> begin(std::vector<core::Needs> needs, LockMode mode, Deadline deadline) override {
        if (state_ == State::Broken) co_return broken_error();
        CHECK(state_ == State::Idle);
        state_ = State::Broken; // until all of it has worked
        LockPlan plan(needs);
        CO_TRY_VOID(co_await world_->travel(deadline));
        CO_TRY_VOID(still_connected());
        CO_TRY_VOID(world_->writable());
        Batch batch;
        auto locked = co_await lock(std::move(plan), mode, deadline, batch);
        if (!locked) {
            world_->release(this);
            co_return fail(std::move(locked).error());
        }
        batch.database_now = Env::current().wall();
        auto back = co_await world_->travel(deadline);
        if (back) back = still_connected();
        if (!back) {
            world_->release(this);
            co_return fail(std::move(back).error());
        }
        state_ = State::Open;
        now_ = batch.database_now;
        co_return batch;
    }

    Task<void> commit(UnitOfWork work, std::int32_t commands, Deadline deadline) override {
        if (state_ == State::Broken) co_return broken_error();
        CHECK(state_ == State::Open);
        state_ = State::Broken;
        const Seal seal = next_seal(last_, work, commands, now_, digest_of(work));
        awaited_ = seal.sequence;
        if (!still_connected()) co_return lost_error();
        CommitUnderWay sent(*world_, work, seal, this);
        auto there = co_await world_->travel(deadline);
        if (there && world_->roll(world_->faults.commit_stalls_permille)) {
            there = co_await world_->stall(deadline);
        }
        if (!there || !still_connected() || world_->roll(world_->faults.answer_lost_permille)) {
            // The connection broke: whether the server had got it all, nobody here can tell.
            sent.leave_to_chance();
            world_->release(this);
            co_return lost_error();
        }
        if (world_->cut()) co_return co_await commit_alone(work, seal, sent, deadline);
        (void)sent.forget();
        auto applied = refuse_or_apply(work, seal);
        world_->release(this);
        if (!applied) co_return applied;
        co_return co_await acknowledged(seal, deadline);
    }

    Task<void> rollback(Deadline deadline) override {
        CHECK(state_ == State::Open);
        state_ = State::Broken;
        world_->release(this);
        CO_TRY_VOID(co_await world_->travel(deadline));
        CO_TRY_VOID(still_connected());
        state_ = State::Idle;
        co_return Result<void>{};
    }

    Task<bool> resolve(Deadline deadline) override {
        CHECK(awaited_ > 0);
        CO_TRY_VOID(co_await reopen(deadline));
        state_ = State::Broken; // until what it shows is durable
        CO_TRY_VOID(co_await world_->replicated(deadline));
        CO_TRY_VOID(still_connected());
        state_ = State::Idle;
        co_return last_.sequence >= awaited_;
    }

    Task<void> reopen(Deadline deadline) override {
        world_->release(this);
        state_ = State::Broken;
        CO_TRY_VOID(co_await world_->travel(deadline));
        CO_TRY_VOID(world_->writable());
        era_ = world_->era;
        const std::vector<Seal>& chain = world_->chains[id_];
        last_ = chain.empty() ? first_predecessor(id_) : chain.back();
        state_ = State::Idle;
        co_return Result<void>{};
    }

  private:
    enum class State : std::uint8_t { Idle, Open, Broken };

    static std::unexpected<Error> broken_error() {
        return fail(ErrorClass::Unavailable, "lane_broken",
                    "The lane's last batch failed: resolve() or reopen() it first.");
    }
    static std::unexpected<Error> lost_error() {
        return fail(ErrorClass::Unknown, "commit_answer_lost",
                    "The connection broke while the commit was under way.");
    }

    /// Sessions end with their server.
    Result<void> still_connected() const {
        if (era_ == world_->era) return {};
        return fail({.kind = ErrorClass::Unavailable,
                     .code = "connection_lost",
                     .message = "The server has ended this session.",
                     .retryable = true});
    }

    /// The standby can't be told. It is durable once it can; whoever gives up before that leaves
    /// it where all can see it, and it may yet be gone.
    Task<void> commit_alone(const UnitOfWork& work, const Seal& seal, CommitUnderWay& sent,
                            Deadline deadline) {
        auto waited = co_await world_->replicated(deadline);
        const bool lives = still_connected().has_value();
        (void)sent.forget();
        if (lives) CO_TRY_VOID(world_->apply(work, seal, this));
        world_->release(this);
        if (!lives || !waited) co_return lost_error();
        co_return co_await acknowledged(seal, deadline);
    }

    Task<void> acknowledged(const Seal& seal, Deadline deadline) {
        if (!co_await world_->travel(deadline) || !still_connected()) co_return lost_error();
        last_ = seal;
        state_ = State::Idle;
        co_return Result<void>{};
    }

    Result<void> refuse_or_apply(const UnitOfWork& work, const Seal& seal) {
        TRY_VOID(world_->writable());
        if (world_->roll(world_->faults.commit_fails_permille)) {
            return fail({.kind = ErrorClass::Unavailable,
                         .code = "commit_refused",
                         .message = "The database refused the commit.",
                         .retryable = true});
        }
        return world_->apply(work, seal, this);
    }

    static std::string digest_of(const UnitOfWork& work) {
        Sha256 hash;
        for (const core::Event& event : work.events) hash.update(chars(event.id.uuid().bytes));
        for (const auto& record : work.new_replays) hash.update(chars(record.replay_key.bytes));
        return std::string(chars(hash.finish()));
    }

    /// Takes one lock; false when somebody else has it.
    bool take(ModelWorld::Locks& locks, ObjectKind kind, const RowKey& key) {
        if (world_->locked_outside({kind, key})) return false;
        auto [it, fresh] = locks.try_emplace({kind, key}, this);
        return fresh || it->second == this;
    }

    Task<void> take_or_wait(ModelWorld::Locks& locks, ObjectKind kind, RowKey key, LockMode mode,
                            Deadline deadline, const LockPlan& plan, Batch& batch) {
        while (!take(locks, kind, key)) {
            if (mode == LockMode::Skip) {
                for (const core::RowRef& ref : plan.wanted(kind, key)) {
                    if (std::ranges::find(batch.busy, ref) == batch.busy.end()) {
                        batch.busy.push_back(ref);
                    }
                }
                break;
            }
            if (deadline.passed()) {
                co_return fail({.kind = ErrorClass::Conflict,
                                .code = "lock_timeout",
                                .message = "Another request holds this object for too long.",
                                .retryable = true,
                                .sqlstate = "55P03"});
            }
            CO_TRY_VOID(co_await net::sleep_for(lock_poll_interval));
            CO_TRY_VOID(still_connected());
        }
        co_return Result<void>{};
    }

    Task<void> lock(LockPlan plan, LockMode mode, Deadline deadline, Batch& batch) {
        for (const LockPlan::Claim& claim : plan.claims()) {
            CO_TRY_VOID(co_await take_or_wait(world_->claims, claim.kind, claim.key, mode, deadline,
                                              plan, batch));
        }
        CO_TRY_VOID(co_await lock_rows<core::Customer>(ObjectKind::Customer, mode, deadline, plan,
                                                       batch, batch.work.customers));
        CO_TRY_VOID(co_await lock_rows<core::PaymentMethod>(
            ObjectKind::PaymentMethod, mode, deadline, plan, batch, batch.work.payment_methods));
        CO_TRY_VOID(co_await lock_rows<core::Token>(ObjectKind::Token, mode, deadline, plan, batch,
                                                    batch.work.tokens));
        CO_TRY_VOID(co_await lock_rows<core::PaymentIntent>(
            ObjectKind::PaymentIntent, mode, deadline, plan, batch, batch.work.payment_intents));
        read_rows(plan, batch.work);
        co_return Result<void>{};
    }

    template <class T>
    Task<void> lock_rows(ObjectKind kind, LockMode mode, Deadline deadline, const LockPlan& plan,
                         Batch& batch, core::Rows<T>& rows) {
        for (const RowKey& key : plan.lock(kind)) {
            if (!world_->table<T>().find(key)) continue; // nothing to lock
            CO_TRY_VOID(
                co_await take_or_wait(world_->row_locks, kind, key, mode, deadline, plan, batch));
            // Read now and not before: the row is current once its lock is held.
            if (holds(kind, key)) rows.load(*world_->table<T>().find(key));
        }
        co_return Result<void>{};
    }

    bool holds(ObjectKind kind, const RowKey& key) const {
        auto lock = world_->row_locks.find({kind, key});
        return lock != world_->row_locks.end() && lock->second == this;
    }

    template <class T> void load(core::Rows<T>& rows, const RowKey& key) const {
        if (const T* row = world_->table<T>().find(key); row && !rows.find(key)) rows.load(*row);
    }

    void read_rows(const LockPlan& plan, UnitOfWork& work) const {
        auto read = [&](ObjectKind kind, auto& rows) {
            for (const RowKey& key : plan.read(kind)) load(rows, key);
        };
        read(ObjectKind::Customer, work.customers);
        read(ObjectKind::PaymentMethod, work.payment_methods);
        read(ObjectKind::Token, work.tokens);
        for (const RowKey& key : plan.lock(ObjectKind::PaymentIntent)) {
            const core::PaymentIntent* payment = work.payment_intents.find(key);
            if (!payment) continue;
            load(work.charges, {key.account, payment->latest_charge.uuid()});
            load(work.operations, {key.account, payment->active_operation.uuid()});
            load(work.payment_methods, {key.account, payment->payment_method.uuid()});
        }
        read(ObjectKind::PaymentIntent, work.payment_intents);
        read(ObjectKind::Charge, work.charges);
        read(ObjectKind::Refund, work.refunds);
        read(ObjectKind::Operation, work.operations);
        for (const RowKey& key : plan.replays()) {
            auto it = world_->replays.find(key);
            if (it != world_->replays.end()) work.replays.insert(*it);
        }
    }

    std::shared_ptr<ModelWorld> world_;
    Uuid id_;
    Seal last_; ///< the newest that is known to be durable
    std::int64_t awaited_ = 0;
    WallTime now_;
    State state_ = State::Idle;
    std::uint64_t era_; ///< of its session
};

} // namespace

std::unique_ptr<Lane> make_model_lane(std::shared_ptr<ModelWorld> world, Uuid id) {
    return std::make_unique<ModelLane>(std::move(world), id);
}

} // namespace holdfast::store
