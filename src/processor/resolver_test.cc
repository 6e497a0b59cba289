#include "processor/resolver.h"

#include "base/skewed_env.h"
#include "processor/processor_fixture.h"

namespace holdfast::processor {
namespace {

/// An operation that its owner left behind.
class ResolverTest : public ProcessorTest {
  protected:
    void leave_behind(int key, int count = 1, Env* clock = nullptr) {
        auto node = std::make_unique<net::SimProcess>(sim_);
        auto made = run(Processor::create(
            *node, clock ? *clock : env_, store_, connector_, identity_,
            [this](auto) { return &account_; }, options_));
        ASSERT_TRUE(made.has_value());
        connector_.executions.assign(static_cast<std::size_t>(count), ScriptedConnector::Silence{});
        net::Gate gate(*node, "requests");
        for (int i = 0; i < count; ++i) {
            ASSERT_TRUE(gate.spawn(ask((*made).get(), create(key + i))).has_value());
        }
        ASSERT_TRUE(
            sim_.run_until([&] { return std::ssize(connector_.executed) == count; }, seconds{5}));
        node->kill();
        made->reset();
    }
    static Task<void> ask(Processor* processor, core::Command command) {
        CO_TRY_VOID(co_await processor->pay(std::move(command), Deadline::after(seconds{30})));
        co_return Result<void>{};
    }
    ~ResolverTest() override {
        if (resolver_) EXPECT_TRUE(run(resolver_->stop(Deadline::after(seconds{1}))).has_value());
    }
    void start_resolver() {
        resolver_ = std::make_unique<Resolver>(sim_.loop(), env_, store_, processor());
        resolver_->start();
    }
    bool settled() { return only_operation().state != OperationState::Started; }

    std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, TakesOverWhatACrashedInstanceLeft) {
    leave_behind(1);
    MonoTime crashed = env_.now();
    start_resolver();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_EQ(only_operation().state, OperationState::Approved) << "the acquirer had booked it";
    EXPECT_GE(env_.now() - crashed, seconds{14}) << "before that it was the owner's";
    EXPECT_LE(env_.now() - crashed, seconds{20});
    EXPECT_EQ(connector_.executed.size(), 1u);
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(ResolverTest, ExecutesWhatSomebodyMayStillWaitFor) {
    leave_behind(1);
    connector_.executions.clear();
    connector_.inquiries.assign(1, AcquirerAnswer{.finding = Finding::NotFound});
    start_resolver();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_EQ(only_operation().state, OperationState::Approved);
    EXPECT_EQ(connector_.executed.size(), 2u);
    EXPECT_EQ(connector_.executed[0].id, connector_.executed[1].id) << "executed once, therefore";
    EXPECT_TRUE(connector_.reversed.empty());
}

TEST_F(ResolverTest, ADamagedPageIsNotReadAgainAndAgain) {
    leave_behind(1, 2);
    store_.faults = damaged(1);
    store_.calls.clear();
    start_resolver();
    sim_.run_for(std::chrono::minutes{3});
    EXPECT_EQ(only_of(1).state, OperationState::Started);
    EXPECT_EQ(only_of(2).state, OperationState::Approved) << "others go on";
    EXPECT_GE(begins_with(1), 3);
    EXPECT_LE(begins_with(1), 10);
    store_.faults = {}; // repaired: it recovers by itself
    sim_.run_for(std::chrono::minutes{1});
    EXPECT_EQ(only_of(1).state, OperationState::Approved);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ResolverTest, ReversesWhatTheAcquirerDoesNotKnow) {
    leave_behind(1);
    sim_.run_for(seconds{60}); // nobody waits any more
    connector_.inquiries.assign(1, AcquirerAnswer{.finding = Finding::NotFound});
    start_resolver();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_EQ(only_operation().state, OperationState::Reversed);
    EXPECT_EQ(connector_.reversed.size(), 1u);
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::RequiresPaymentMethod);
}

TEST_F(ResolverTest, SettlesManyWithinTheTimeThatIsPromised) {
    constexpr int many = 2'500; // what a few seconds of an outage of the acquirer leave open
    leave_behind(1, many);
    start_resolver();
    sim_.run_for(seconds{16}); // they are the owner's until then
    MonoTime started = env_.now();
    const auto open = [&] {
        return std::ranges::count(store_.all<core::Operation>(), OperationState::Started,
                                  &core::Operation::state);
    };
    while (open() > 0 && env_.now() - started < seconds{60}) sim_.run_for(seconds{1});
    EXPECT_EQ(open(), 0);
}

TEST_F(ResolverTest, WhatAnInstanceWithAFastClockLeftIsTakenOverInTime) {
    SkewedEnv ahead(env_, std::chrono::minutes{10});
    leave_behind(1, 1, &ahead);
    start_resolver();
    MonoTime crashed = env_.now();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{30}));
    EXPECT_LE(env_.now() - crashed, seconds{60});
}

TEST_F(ResolverTest, AnIdleInstanceWithASlowClockTakesOverInTime) {
    leave_behind(1);
    SkewedEnv behind(env_, -std::chrono::minutes{10});
    auto made = run(Processor::create(
        sim_.loop(), behind, store_, connector_, identity_, [this](auto) { return &account_; },
        options_));
    ASSERT_TRUE(made.has_value());
    Resolver slow(sim_.loop(), behind, store_, **made);
    slow.start();
    MonoTime crashed = env_.now();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{30}));
    EXPECT_LE(env_.now() - crashed, seconds{60});
    EXPECT_TRUE(run(slow.stop(in(seconds{1}))).has_value());
    EXPECT_TRUE(run((*made)->drain(in(seconds{1}))).has_value());
}

TEST_F(ResolverTest, SettlesSoonAfterTheAcquirerIsBack) {
    leave_behind(1);
    start_resolver();
    connector_.inquiries.assign(10'000, ScriptedConnector::unsent());
    sim_.run_for(std::chrono::minutes{3});
    EXPECT_FALSE(settled());
    connector_.inquiries.clear();
    MonoTime back = env_.now();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_LE(env_.now() - back, seconds{60});
}

TEST_F(ResolverTest, AReversalOnceDecidedIsCarriedOut) {
    leave_behind(1);
    sim_.run_for(seconds{60}); // nobody waits any more
    connector_.inquiries.assign(1, AcquirerAnswer{.finding = Finding::NotFound});
    connector_.reversals.assign(10, ScriptedConnector::Silence{});
    start_resolver();
    ASSERT_TRUE(
        sim_.run_until([&] { return only_operation().reversing; }, std::chrono::minutes{1}));
    // Now the late original is booked: it must not count any more.
    connector_.inquiries.assign(10, AcquirerAnswer{.finding = Finding::Approved});
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_EQ(only_operation().state, OperationState::Reversed);
}

TEST_F(ResolverTest, AnInstanceWithAFastClockTakesNothingEarly) {
    leave_behind(1);
    SkewedEnv ahead(env_, seconds{60});
    auto made = run(Processor::create(
        sim_.loop(), ahead, store_, connector_, identity_, [this](auto) { return &account_; },
        options_));
    ASSERT_TRUE(made.has_value());
    MonoTime left = env_.now();
    core::Operation operation = only_operation();
    auto taken = run((*made)->take_over(operation));
    ASSERT_TRUE(taken.has_value());
    EXPECT_FALSE(*taken);
    EXPECT_LT(env_.now() - left, seconds{1});
    sim_.run_for(seconds{15});
    taken = run((*made)->take_over(operation));
    EXPECT_TRUE(*taken);
    EXPECT_TRUE(settled());
    EXPECT_TRUE(run((*made)->drain(in(seconds{1}))).has_value());
}

} // namespace
} // namespace holdfast::processor
