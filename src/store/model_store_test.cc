#include "store/model_store.h"

#include "store/contract_test.h"
#include "store/seal.h"
#include "store/test_samples.h"

#include "net/gate.h"
#include "net/sim_loop.h"

#include <gmock/gmock.h>

namespace holdfast::store {
namespace {

class ModelHarness final : public StoreHarness {
  public:
    Store& store() override { return store_; }
    net::Loop& loop() override { return loop_; }

  private:
    net::Loop loop_{1};
    ModelStore store_;
};

INSTANTIATE_TEST_SUITE_P(Model, StoreContract,
                         testing::Values([] { return std::make_unique<ModelHarness>(); }));

constexpr std::chrono::minutes patience{5};

/// Commits `payments` payments one after the other through a store with faults, resolving what was
/// lost; answers how many are durable as far as the lane knows.
net::Task<int> pay(ModelStore& store, Id<core::Account> account, int payments) {
    const auto deadline = [] { return Deadline::after(std::chrono::seconds{10}); };
    CO_TRY(auto lane, co_await store.open_lane(deadline()));
    int durable = 0;
    for (int i = 0; i < payments; ++i) {
        const auto payment = samples::bare_payment(account);
        const core::RowRef claim{
            core::ObjectKind::PaymentIntent, {account, payment.id.uuid()}, core::Access::Claim};
        CO_TRY(Batch batch, co_await lane->begin({core::Needs{.rows = {claim}, .replay = {}}},
                                                 LockMode::Skip, deadline()));
        batch.work.payment_intents.insert(payment);
        auto committed = co_await lane->commit(std::move(batch.work), 1, deadline());
        if (committed) {
            ++durable;
        } else if (committed.error().kind == ErrorClass::Unknown) {
            CO_TRY(const bool done, co_await lane->resolve(deadline()));
            durable += done;
        } else {
            CO_TRY_VOID(co_await lane->reopen(deadline()));
        }
    }
    co_return durable;
}

TEST(ModelStore, ResolveTellsWhatBecameOfALostAnswer) {
    constexpr std::uint64_t seeds = 20;
    constexpr int payments = 50;
    bool some_lost = false;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        SimEnv env(seed);
        env.install();
        net::SimLoop sim(env, seed);
        ModelStore store({.seed = seed,
                          .latency_max = std::chrono::milliseconds{5},
                          .commit_fails_permille = 100,
                          .answer_lost_permille = 200});
        const auto account = samples::next_id<core::Account>();
        const Result<int> durable = sim.run(pay(store, account, payments), patience);
        ASSERT_TRUE(durable) << to_string(durable.error());
        EXPECT_EQ(std::ssize(store.all<core::PaymentIntent>()), *durable);
        EXPECT_EQ(std::ssize(store.seals()), *durable);
        EXPECT_TRUE(store.audit().clean());
        some_lost |= *durable < payments;
    }
    EXPECT_TRUE(some_lost);
}

TEST(ModelStore, AnswersUnavailableWhileAway) {
    SimEnv env(1);
    env.install();
    net::SimLoop sim(env, 1);
    ModelStore store;
    store.take_away(std::chrono::seconds{3});
    const auto ping = [&] {
        return sim.run(store.ping(Deadline::after(std::chrono::seconds{1})), patience);
    };
    const Result<void> away = ping();
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().kind, ErrorClass::Unavailable);
    sim.run_for(std::chrono::seconds{3});
    EXPECT_TRUE(ping());
}

TEST(ModelStore, ALaneThatIsGoneHoldsNothing) {
    SimEnv env(1);
    env.install();
    net::SimLoop sim(env, 1);
    ModelStore store;
    const auto account = samples::next_id<core::Account>();
    const core::RowRef claim{
        core::ObjectKind::PaymentIntent, {account, samples::next_uuid()}, core::Access::Claim};
    const auto begin = [&](Lane& lane) {
        return sim.run(lane.begin({core::Needs{.rows = {claim}, .replay = {}}}, LockMode::Skip,
                                  Deadline::after(patience)),
                       patience);
    };
    auto first = sim.run(store.open_lane(Deadline::after(patience)), patience);
    auto second = sim.run(store.open_lane(Deadline::after(patience)), patience);
    ASSERT_TRUE(first && second);
    ASSERT_TRUE(begin(**first));
    first->reset(); // its process was killed
    const Result<Batch> batch = begin(**second);
    ASSERT_TRUE(batch);
    EXPECT_THAT(batch->busy, testing::IsEmpty());
}

net::Task<void> insert_by(Lane& lane, core::PaymentIntent payment) {
    const auto deadline = Deadline::after(patience);
    CO_TRY(Batch batch, co_await lane.begin({}, LockMode::Skip, deadline));
    batch.work.payment_intents.insert(payment);
    co_return co_await lane.commit(std::move(batch.work), 1, deadline);
}

/// A database that is a pair, on simulated time.
class ModelPair : public testing::Test {
  protected:
    static Deadline in(Duration duration) { return Deadline::after(duration); }
    template <class T> Result<T> run(net::Task<T> task) {
        return sim_.run(std::move(task), patience);
    }
    /// Of a batch that inserts one payment.
    Result<void> pay(Lane& lane, Duration patience_of_commit) {
        auto batch = run(lane.begin({}, LockMode::Skip, in(seconds{1})));
        if (!batch) return fail(batch.error());
        batch->work.payment_intents.insert(samples::bare_payment(account_));
        return run(lane.commit(std::move(batch->work), 1, in(patience_of_commit)));
    }
    std::size_t payments() const { return store_.all<core::PaymentIntent>().size(); }
    std::unique_ptr<Lane> lane() { return std::move(*run(store_.open_lane(in(seconds{1})))); }

    using seconds = std::chrono::seconds;
    SimEnv env_{1};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 1};
    ModelStore store_;
    Id<core::Account> account_ = samples::next_id<core::Account>();
};

TEST_F(ModelPair, WhatIsSilentAnswersLater) {
    store_.silence(seconds{3});
    const Result<void> early = run(store_.ping(in(seconds{1})));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().kind, ErrorClass::Deadline);
    const MonoTime began = env_.now();
    EXPECT_TRUE(run(store_.ping(in(seconds{10}))));
    EXPECT_EQ(env_.now() - began, seconds{2});
}

TEST_F(ModelPair, AReadOnlyServerIsReadAndNotWritten) {
    auto lane = this->lane();
    ASSERT_TRUE(pay(*lane, seconds{1}));
    store_.make_read_only(seconds{5});
    EXPECT_TRUE(run(store_.list_payment_intents(account_, {}, in(seconds{1}))));
    const Result<void> refused = pay(*lane, seconds{1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "database_read_only");
    sim_.run_for(seconds{5});
    ASSERT_TRUE(run(lane->reopen(in(seconds{1}))));
    EXPECT_TRUE(pay(*lane, seconds{1}));
    EXPECT_EQ(payments(), 2u);
}

TEST_F(ModelPair, AFailoverKeepsWhatWasAcknowledgedAndEndsSessions) {
    auto lane = this->lane();
    ASSERT_TRUE(pay(*lane, seconds{1}));
    auto batch = run(lane->begin({}, LockMode::Skip, in(seconds{1})));
    ASSERT_TRUE(batch);
    store_.fail_over(seconds{2});
    batch->work.payment_intents.insert(samples::bare_payment(account_));
    const Result<void> late = run(lane->commit(std::move(batch->work), 1, in(seconds{1})));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorClass::Unknown);
    EXPECT_FALSE(run(lane->resolve(in(seconds{1})))) << "nobody is there yet";
    sim_.run_for(seconds{2});
    EXPECT_FALSE(run(lane->resolve(in(seconds{1}))).value());
    EXPECT_EQ(payments(), 1u);
    EXPECT_TRUE(pay(*lane, seconds{1}));
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ModelPair, WithoutItsStandbyNothingIsDurableUntilItIsBack) {
    auto lane = this->lane();
    store_.cut_link(seconds{10});
    const Result<void> paid = pay(*lane, seconds{1});
    ASSERT_FALSE(paid);
    EXPECT_EQ(paid.error().kind, ErrorClass::Unknown);
    EXPECT_EQ(payments(), 1u) << "all can see it";
    const Result<bool> early = run(lane->resolve(in(seconds{1})));
    ASSERT_FALSE(early) << "but nobody may count on it";
    const MonoTime began = env_.now();
    EXPECT_TRUE(run(lane->resolve(in(seconds{60}))).value());
    EXPECT_EQ(env_.now() - began, seconds{8});
    EXPECT_TRUE(pay(*lane, seconds{1}));
}

TEST_F(ModelPair, WhatOnlyThePrimaryShowedIsGoneWithIt) {
    auto lane = this->lane();
    ASSERT_TRUE(pay(*lane, seconds{1}));
    store_.cut_link(seconds{10});
    ASSERT_FALSE(pay(*lane, seconds{1}));
    EXPECT_EQ(payments(), 2u);
    store_.fail_over(seconds{0});
    EXPECT_EQ(payments(), 1u);
    EXPECT_FALSE(run(lane->resolve(in(seconds{1}))).value());
    EXPECT_TRUE(pay(*lane, seconds{1}));
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ModelPair, WhoEndsWithItsCommitUnderWayMayHaveDoneIt) {
    constexpr int tries = 40;
    for (int i = 0; i < tries; ++i) {
        store_.set_faults({.seed = static_cast<std::uint64_t>(i), .latency_max = seconds{1}});
        net::SimProcess process(sim_);
        auto lane = this->lane();
        net::Gate gate(process, "test");
        ASSERT_TRUE(gate.spawn(insert_by(*lane, samples::bare_payment(account_))));
        sim_.run_for(std::chrono::milliseconds{1500});
        process.kill();
    }
    EXPECT_GT(payments(), 0u);
    EXPECT_LT(payments(), static_cast<std::size_t>(tries));
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ModelPair, RowsThatOthersHoldAreBusy) {
    auto lane = this->lane();
    ASSERT_TRUE(pay(*lane, seconds{1}));
    const core::RowRef row{core::ObjectKind::PaymentIntent,
                           {account_, store_.all<core::PaymentIntent>().at(0).id.uuid()},
                           core::Access::Lock};
    const std::vector<core::Needs> needs{{.rows = {row}, .replay = {}}};
    store_.lock_payments(1'000, seconds{5});
    auto batch = run(lane->begin(needs, LockMode::Skip, in(seconds{1})));
    ASSERT_TRUE(batch);
    EXPECT_THAT(batch->busy, testing::SizeIs(1));
    ASSERT_TRUE(run(lane->rollback(in(seconds{1}))));
    const MonoTime began = env_.now();
    ASSERT_TRUE(run(lane->begin(needs, LockMode::Wait, in(seconds{10}))));
    EXPECT_GE(env_.now() - began, seconds{5});
}

net::Task<void> insert(ModelStore& store, core::PaymentIntent payment) {
    CO_TRY(auto lane, co_await store.open_lane(Deadline::after(patience)));
    co_return co_await insert_by(*lane, std::move(payment));
}

TEST(ModelAudit, FindsAPaymentThatReceivedNothing) {
    net::Loop loop{1};
    ModelStore store;
    auto payment = samples::bare_payment(samples::next_id<core::Account>());
    payment.amount_received_minor = 1099;
    ASSERT_TRUE(net::block_on(loop, insert(store, payment)));
    const AuditReport report = store.audit();
    ASSERT_THAT(report.findings, testing::SizeIs(1));
    EXPECT_EQ(report.findings[0].check, "payment_received");
    EXPECT_EQ(report.findings[0].expected, "0");
    EXPECT_EQ(report.findings[0].actual, "1099");
}

} // namespace
} // namespace holdfast::store
