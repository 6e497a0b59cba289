#include "store/model_store.h"

#include "store/contract_test.h"
#include "store/seal.h"
#include "store/test_samples.h"

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

net::Task<void> insert(ModelStore& store, core::PaymentIntent payment) {
    const auto deadline = Deadline::after(patience);
    CO_TRY(auto lane, co_await store.open_lane(deadline));
    CO_TRY(Batch batch, co_await lane->begin({}, LockMode::Skip, deadline));
    batch.work.payment_intents.insert(payment);
    co_return co_await lane->commit(std::move(batch.work), 1, deadline);
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
