#include "processor/processor.h"

#include "core/snapshot.h"
#include "net/sim_loop.h"
#include "processor/fakes.h"
#include "processor/resolver.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::processor {
namespace {

using core::OperationState;
using core::PaymentIntentStatus;
using gateway::AcquirerAnswer;
using gateway::Finding;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = LaneCall::Kind;

constexpr int normal_lanes = 2, slow_lane = 2, suspect_lane = 3;

Error conflict(std::string sqlstate) {
    return {.kind = ErrorClass::Conflict, .code = "conflict", .sqlstate = std::move(sqlstate)};
}
Error refused() {
    return {.kind = ErrorClass::Invalid, .code = "untranslatable_character", .sqlstate = "22P05"};
}
Error unavailable() { return {.kind = ErrorClass::Unavailable, .code = "database_unavailable"}; }
Error lost() { return {.kind = ErrorClass::Unknown, .code = "commit_answer_lost"}; }

class ProcessorTest : public testing::Test {
  protected:
    ProcessorTest() {
        account_.id = Id<core::Account>::time_ordered(env_);
        account_.public_id = account_.id;
        store_.set_faults({.latency_min = milliseconds{1}, .latency_max = milliseconds{1}});
        EXPECT_TRUE(run(store_.create_account(account_, Deadline::after(seconds{1}))).has_value());
    }
    ~ProcessorTest() override {
        if (processor_)
            EXPECT_TRUE(run(processor_->drain(Deadline::after(seconds{60}))).has_value());
        EXPECT_EQ(bugs_found(), bugs_);
    }

    template <class T> Result<T> run(Task<T> task) {
        return sim_.run(std::move(task), std::chrono::minutes{10});
    }

    Processor& processor() {
        if (!processor_) {
            auto made = run(Processor::create(
                sim_.loop(), env_, store_, connector_, identity_,
                [this](Id<core::Account> id) { return id == account_.id ? &account_ : nullptr; },
                options_));
            EXPECT_TRUE(made.has_value());
            processor_ = std::move(*made);
        }
        return *processor_;
    }

    core::RequestContext keyed(int key) {
        core::RequestContext request;
        request.idempotency_key = "key-" + std::to_string(key);
        request.replay_key = identity_.replay_key(account_.id, "/v1/x", request.idempotency_key);
        request.fingerprint = 1;
        request.request_id = Uuid::time_ordered(env_);
        return request;
    }

    core::Command create(int key, bool confirm = true) {
        core::CreatePaymentIntent body;
        core::RequestContext request = keyed(key);
        body.payment_intent.id =
            identity_.created_by<core::PaymentIntent>(account_.id, request.replay_key);
        body.payment_intent.amount = {1000, {}};
        body.confirm = confirm;
        core::PaymentMethod card;
        card.id = identity_.created_by<core::PaymentMethod>(account_.id, request.replay_key);
        card.vault_token = "vault";
        body.payment_method = core::PaymentMethodChoice{.id = card.id, .create = card};
        return {account_.id, std::move(request), env_.wall(), std::move(body)};
    }
    Id<core::PaymentIntent> payment_of(int key) {
        return identity_.created_by<core::PaymentIntent>(account_.id, keyed(key).replay_key);
    }
    core::Command describe(int payment, std::string text) {
        core::UpdatePaymentIntent body{.id = payment_of(payment)};
        body.description = {true, std::move(text)};
        return {account_.id, {}, env_.wall(), std::move(body)};
    }
    core::Command refund(int payment, int key, std::optional<std::int64_t> amount = {}) {
        core::RequestContext request = keyed(key);
        core::CreateRefund body{
            .id = identity_.created_by<core::Refund>(account_.id, request.replay_key),
            .payment_intent = payment_of(payment),
            .amount_minor = amount};
        return {account_.id, std::move(request), env_.wall(), std::move(body)};
    }

    std::optional<core::PaymentIntent> stored(int key) {
        for (auto& payment : store_.all<core::PaymentIntent>()) {
            if (payment.id == payment_of(key)) return payment;
        }
        return std::nullopt;
    }
    core::Operation only_operation() {
        auto all = store_.all<core::Operation>();
        EXPECT_EQ(all.size(), 1u);
        return all.at(0);
    }
    static PaymentIntentStatus status_in(const core::Answer& answer) {
        auto payment = core::restore<core::PaymentIntent>(answer.object);
        EXPECT_TRUE(payment.has_value());
        return payment->status;
    }

    /// Answers of several calls under way at once.
    template <class T> struct Calls {
        explicit Calls(net::Loop& loop) : gate(loop, "test") {}
        net::Gate gate;
        std::map<int, Result<T>> results;
        static Task<void> into(Task<T> task, std::map<int, Result<T>>& results, int n) {
            results.emplace(n, co_await std::move(task));
            co_return Result<void>{};
        }
        void start(int n, Task<T> task) {
            EXPECT_TRUE(gate.spawn(into(std::move(task), results, n)).has_value());
        }
    };
    template <class T> void finish(Calls<T>& calls) {
        EXPECT_TRUE(run(calls.gate.close(Deadline::after(seconds{120}))).has_value());
    }

    std::uint64_t bugs_ = bugs_found();
    SimEnv env_{11};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 11};
    ScriptedStore store_;
    ScriptedConnector connector_;
    core::Identity identity_{SecretString{"0123456789abcdef0123456789abcdef"}};
    core::Account account_;
    Options options_;
    std::unique_ptr<Processor> processor_;
};

Deadline in(Duration duration) { return Deadline::after(duration); }

// --- Batches ----------------------------------------------------------------------------------

TEST_F(ProcessorTest, ALoneCommandIsABatchOfOne) {
    auto verdict = run(processor().submit(create(1, false), in(seconds{1})));
    ASSERT_TRUE(verdict.has_value());
    EXPECT_TRUE(stored(1).has_value());
    ASSERT_EQ(store_.calls_of(Kind::Commit).size(), 1u);
    EXPECT_EQ(store_.calls_of(Kind::Commit)[0].commands, 1u);
}

TEST_F(ProcessorTest, WhatArrivesDuringACommitIsOneBatch) {
    processor();
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 3; ++i) {
        calls.start(i, processor().submit(create(i, false), in(seconds{1})));
        sim_.run_for(milliseconds{1});
    }
    for (int i = 3; i < 40; ++i) {
        calls.start(i, processor().submit(create(i, false), in(seconds{1})));
    }
    finish(calls);
    for (auto& [n, result] : calls.results) EXPECT_TRUE(result.has_value()) << n;
    EXPECT_LE(store_.calls_of(Kind::Commit).size(), 5u);
    EXPECT_EQ(store_.all<core::PaymentIntent>().size(), 40u);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ProcessorTest, CommandsOnOneObjectKeepTheirOrder) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 20; ++i) {
        calls.start(i, processor().submit(describe(1, std::to_string(i)), in(seconds{1})));
    }
    finish(calls);
    EXPECT_EQ(stored(1)->details.description, "19");
    EXPECT_EQ(stored(1)->version, 21);
}

TEST_F(ProcessorTest, VerdictsArePerCommand) {
    processor();
    Calls<core::Verdict> calls(sim_.loop());
    core::Command bad = create(1, false);
    std::get<core::CreatePaymentIntent>(bad.body).payment_intent.amount.minor = 1;
    calls.start(1, processor().submit(std::move(bad), in(seconds{1})));
    calls.start(2, processor().submit(create(2, false), in(seconds{1})));
    finish(calls);
    EXPECT_EQ(calls.results.at(1).error().code, "amount_too_small");
    EXPECT_TRUE(calls.results.at(2).has_value());
    EXPECT_TRUE(stored(2).has_value());
}

TEST_F(ProcessorTest, AReplayCostsNoCommit) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    auto again = run(processor().submit(create(1, false), in(seconds{1})));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(store_.calls_of(Kind::Commit).size(), 1u);
    EXPECT_EQ(store_.calls_of(Kind::Rollback).size(), 1u);
}

TEST_F(ProcessorTest, ADuplicateInFlightGetsTheAnswerOfTheFirst) {
    processor();
    Calls<core::Verdict> calls(sim_.loop());
    calls.start(1, processor().submit(create(1, false), in(seconds{1})));
    calls.start(2, processor().submit(create(1, false), in(seconds{1})));
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value() && calls.results.at(2).has_value());
    EXPECT_EQ(calls.results.at(1)->answer, calls.results.at(2)->answer);
    EXPECT_NE(calls.results.at(1)->replayed, calls.results.at(2)->replayed);
    EXPECT_EQ(store_.all<core::PaymentIntent>().size(), 1u);
}

TEST_F(ProcessorTest, ConcurrentConfirmationsUnderOneKeyStartOneOperation) {
    processor();
    connector_.executions.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{60})));
    sim_.run_for(seconds{1});
    calls.start(2, processor().pay(create(1), in(seconds{60})));
    finish(calls);
    EXPECT_TRUE(calls.results.at(1).has_value());
    EXPECT_EQ(calls.results.at(2).error().code, "idempotency_key_in_use");
    EXPECT_EQ(store_.all<core::Operation>().size(), 1u);
}

// --- Acknowledge after commit -----------------------------------------------------------------

TEST_F(ProcessorTest, AnswersOnlyAfterTheCommit) {
    bool durable_before_answer = false;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit) durable_before_answer = true;
        return std::nullopt;
    };
    auto verdict = run(processor().submit(create(1, false), in(seconds{1})));
    ASSERT_TRUE(verdict.has_value());
    EXPECT_TRUE(durable_before_answer);
    EXPECT_TRUE(stored(1).has_value());
}

TEST_F(ProcessorTest, ARefusedCommitIsNeverAcknowledged) {
    store_.faults = [](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit) return LaneFault{refused()};
        return std::nullopt;
    };
    auto verdict = run(processor().submit(create(1, false), in(seconds{1})));
    EXPECT_EQ(verdict.error().code, "untranslatable_character");
    EXPECT_FALSE(stored(1).has_value());
}

// --- Failures of the database -----------------------------------------------------------------

TEST_F(ProcessorTest, ALostCommitAnswerThatWasDurableIsDelivered) {
    int lose = 1;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && lose-- > 0) return LaneFault{lost(), true};
        return std::nullopt;
    };
    auto verdict = run(processor().submit(create(1, false), in(seconds{5})));
    ASSERT_TRUE(verdict.has_value());
    EXPECT_FALSE(verdict->replayed) << "delivered, not decided again";
    EXPECT_EQ(store_.calls_of(Kind::Resolve).size(), 1u);
    EXPECT_EQ(store_.calls_of(Kind::Commit).size(), 1u);
}

TEST_F(ProcessorTest, ALostCommitThatWasNotDurableIsDecidedAgain) {
    int lose = 1;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && lose-- > 0) return LaneFault{lost(), false};
        return std::nullopt;
    };
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{5}))).has_value());
    EXPECT_EQ(store_.calls_of(Kind::Commit).size(), 2u);
    EXPECT_TRUE(stored(1).has_value());
}

TEST_F(ProcessorTest, ResolvesUntilItIsKnownAndTellsUnknownMeanwhile) {
    bool away = true;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && away) return LaneFault{lost(), true};
        if (call.kind == Kind::Resolve && away) return LaneFault{unavailable()};
        return std::nullopt;
    };
    auto verdict = run(processor().submit(create(1, false), in(milliseconds{300})));
    EXPECT_EQ(verdict.error().kind, ErrorClass::Unknown);
    EXPECT_EQ(verdict.error().code, "commit_pending");
    away = false;
    sim_.run_for(seconds{2});
    auto again = run(processor().submit(create(1, false), in(seconds{1})));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
}

TEST_F(ProcessorTest, HoldsWhatCantBeDoneWhileTheDatabaseIsAway) {
    processor();
    store_.take_away(seconds{3});
    auto verdict = run(processor().submit(create(1, false), in(seconds{8})));
    EXPECT_TRUE(verdict.has_value());
    EXPECT_TRUE(stored(1).has_value());
}

TEST_F(ProcessorTest, TellsThatTheDatabaseIsAwayWhenTheTimeIsUp) {
    processor();
    store_.take_away(seconds{30});
    auto verdict = run(processor().submit(create(1, false), in(seconds{2})));
    EXPECT_EQ(verdict.error().code, "database_unavailable");
    EXPECT_EQ(verdict.error().kind, ErrorClass::Unavailable);
    sim_.run_for(seconds{40});
    EXPECT_FALSE(stored(1).has_value()) << "nothing was done";
    EXPECT_TRUE(run(processor().submit(create(2, false), in(seconds{1}))).has_value());
}

TEST_F(ProcessorTest, RetriesConflictsApart) {
    int conflicts = 2;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && conflicts-- > 0) return LaneFault{conflict("40P01")};
        return std::nullopt;
    };
    EXPECT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    EXPECT_EQ(store_.calls_of(Kind::Commit).size(), 3u);
}

TEST_F(ProcessorTest, ABatchThatKeepsConflictingIsTriedOneByOne) {
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && call.commands > 1) return LaneFault{conflict("40001")};
        return std::nullopt;
    };
    processor();
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 4; ++i) {
        calls.start(i, processor().submit(create(i, false), in(seconds{5})));
    }
    finish(calls);
    for (auto& [n, result] : calls.results) EXPECT_TRUE(result.has_value()) << n;
}

TEST_F(ProcessorTest, OnlyTheGuiltyMemberOfARefusedBatchFails) {
    bool guilty_in_hand = false;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        // The third to come into the suspect lane is the one that the database refuses.
        if (call.kind == Kind::Begin && call.lane == suspect_lane) {
            auto begins = std::ranges::count_if(store_.calls, [](const LaneCall& c) {
                return c.kind == Kind::Begin && c.lane == suspect_lane;
            });
            guilty_in_hand = begins == 3;
        }
        bool batch = call.lane < normal_lanes && call.commands > 1;
        if (call.kind == Kind::Commit && (batch || guilty_in_hand)) return LaneFault{refused()};
        return std::nullopt;
    };
    processor();
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 5; ++i) {
        calls.start(i, processor().submit(create(i, false), in(seconds{5})));
    }
    finish(calls);
    int failed = 0;
    for (auto& [n, result] : calls.results) failed += result.has_value() ? 0 : 1;
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(store_.all<core::PaymentIntent>().size(), 4u);
}

TEST_F(ProcessorTest, ARefusalThatIsNotTheRequestsFaultIsOurs) {
    store_.faults = [](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit) return LaneFault{conflict("23514")};
        return std::nullopt;
    };
    auto verdict = run(processor().submit(create(1, false), in(seconds{1})));
    EXPECT_EQ(verdict.error().kind, ErrorClass::Bug);
    EXPECT_EQ(verdict.error().code, "command_refused");
    EXPECT_EQ(verdict.error().sqlstate, "23514");
}

// --- Held rows --------------------------------------------------------------------------------

TEST_F(ProcessorTest, AHeldRowGoesToTheSlowLaneAndHoldsUpNobodyElse) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    auto outsider = run(store_.open_lane(in(seconds{1})));
    core::Needs held;
    held.rows.push_back(
        {core::ObjectKind::PaymentIntent, {account_.id, payment_of(1).uuid()}, core::Access::Lock});
    ASSERT_TRUE(run((*outsider)->begin({held}, store::LockMode::Skip, in(seconds{1}))).has_value());

    Calls<core::Verdict> calls(sim_.loop());
    calls.start(1, processor().submit(describe(1, "first"), in(seconds{10})));
    calls.start(2, processor().submit(describe(1, "second"), in(seconds{10})));
    calls.start(3, processor().submit(create(3, false), in(seconds{10})));
    sim_.run_for(milliseconds{100});
    EXPECT_TRUE(calls.results.contains(3)) << "its neighbour is done";
    EXPECT_FALSE(calls.results.contains(1));
    sim_.run_for(seconds{2}); // more than one slice of waiting
    ASSERT_TRUE(run((*outsider)->rollback(in(seconds{1}))).has_value());
    finish(calls);
    EXPECT_TRUE(calls.results.at(1).has_value());
    EXPECT_TRUE(calls.results.at(2).has_value());
    EXPECT_EQ(stored(1)->details.description, "second");
    EXPECT_TRUE(std::ranges::any_of(store_.calls, [](const LaneCall& call) {
        return call.kind == Kind::Commit && call.lane == slow_lane;
    }));
}

TEST_F(ProcessorTest, ARowHeldTooLongIsALockTimeout) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    auto outsider = run(store_.open_lane(in(seconds{1})));
    core::Needs held;
    held.rows.push_back(
        {core::ObjectKind::PaymentIntent, {account_.id, payment_of(1).uuid()}, core::Access::Lock});
    ASSERT_TRUE(run((*outsider)->begin({held}, store::LockMode::Skip, in(seconds{1}))).has_value());
    auto verdict = run(processor().submit(describe(1, "x"), in(seconds{3})));
    EXPECT_EQ(verdict.error().code, "lock_timeout");
}

// --- Limits -----------------------------------------------------------------------------------

TEST_F(ProcessorTest, RefusesWhatTheQueueCantHold) {
    options_.queue_commands_max = 2;
    processor();
    store_.take_away(seconds{60});
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 3; ++i) {
        calls.start(i, processor().submit(create(i, false), in(seconds{1})));
    }
    finish(calls);
    int refused = 0;
    for (auto& [n, result] : calls.results) {
        refused += result.error().code == "processor_queue_full" ? 1 : 0;
    }
    EXPECT_EQ(refused, 1);
}

TEST_F(ProcessorTest, ADrainedProcessorTakesNothingMore) {
    Calls<Outcome> calls(sim_.loop());
    connector_.executions.push_back(ScriptedConnector::Silence{});
    calls.start(1, processor().pay(create(1), in(seconds{60})));
    sim_.run_for(seconds{1});
    Calls<void> drains(sim_.loop());
    drains.start(1, processor().drain(in(seconds{30})));
    sim_.run_for(milliseconds{10});
    EXPECT_EQ(run(processor().submit(create(2), in(seconds{1}))).error().code,
              "processor_draining");
    finish(calls);
    finish(drains);
    EXPECT_TRUE(drains.results.at(1).has_value());
    ASSERT_TRUE(calls.results.at(1).has_value());
    EXPECT_FALSE(calls.results.at(1)->pending) << "what was begun was ended";
    processor_.reset();
}

TEST_F(ProcessorTest, KnowsAccountsThatOnlyTheDatabaseKnows) {
    core::Account other = account_;
    other.id = Id<core::Account>::time_ordered(env_);
    ASSERT_TRUE(run(store_.create_account(other, in(seconds{1}))).has_value());
    core::Command command = create(1, false);
    command.account = other.id;
    EXPECT_TRUE(run(processor().submit(command, in(seconds{1}))).has_value());
    command.account = Id<core::Account>::time_ordered(env_);
    EXPECT_EQ(run(processor().submit(command, in(seconds{1}))).error().code, "account_unknown");
}

// --- Operations -------------------------------------------------------------------------------

TEST_F(ProcessorTest, PaysAndRecords) {
    auto outcome = run(processor().pay(create(1), in(seconds{5})));
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(status_in(outcome->answer), PaymentIntentStatus::Succeeded);
    EXPECT_FALSE(outcome->pending);
    EXPECT_EQ(only_operation().state, OperationState::Approved);
    EXPECT_TRUE(store_.audit().clean());

    auto again = run(processor().pay(create(1), in(seconds{5})));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->answer, outcome->answer);
    EXPECT_EQ(connector_.executed.size(), 1u);
}

TEST_F(ProcessorTest, ADeclineIsAnAnswer) {
    connector_.executions.push_back(
        AcquirerAnswer{Finding::Declined, {"card_declined", "insufficient_funds", "No."}, {}});
    auto outcome = run(processor().pay(create(1), in(seconds{5})));
    ASSERT_TRUE(outcome.has_value());
    ASSERT_TRUE(outcome->answer.declined.has_value());
    EXPECT_EQ(outcome->answer.declined->failure.decline_code, "insufficient_funds");
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::RequiresPaymentMethod);
}

TEST_F(ProcessorTest, TheAcquirerIsAskedOnlyAfterTheStartIsDurable) {
    store_.faults = [this](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && connector_.executed.empty())
            return LaneFault{unavailable()};
        return std::nullopt;
    };
    auto outcome = run(processor().pay(create(1), in(seconds{2})));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_TRUE(connector_.executed.empty());
    store_.faults = nullptr;
}

TEST_F(ProcessorTest, ALostAnswerIsAskedFor) {
    connector_.executions.push_back(ScriptedConnector::unknown());
    auto outcome = run(processor().pay(create(1), in(seconds{5})));
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(status_in(outcome->answer), PaymentIntentStatus::Succeeded);
    EXPECT_EQ(connector_.executed.size(), 1u);
    EXPECT_EQ(connector_.inquired.size(), 1u);
}

TEST_F(ProcessorTest, WhatWasCertainlyNotSentIsSentAgain) {
    connector_.executions.assign(3, ScriptedConnector::unsent());
    auto outcome = run(processor().pay(create(1), in(seconds{5})));
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(connector_.executed.size(), 4u);
    EXPECT_TRUE(connector_.inquired.empty());
}

TEST_F(ProcessorTest, NotFoundIsNotBelieved) {
    connector_.executions.assign(3, ScriptedConnector::unknown());
    connector_.inquiries.assign(100, AcquirerAnswer{.finding = Finding::NotFound});
    auto outcome = run(processor().pay(create(1), in(seconds{60})));
    ASSERT_TRUE(outcome.has_value());
    ASSERT_TRUE(outcome->answer.declined.has_value());
    EXPECT_EQ(outcome->answer.declined->failure.code, "processing_error");
    EXPECT_EQ(connector_.reversed.size(), 1u) << "recorded as failed only after it was reversed";
    EXPECT_EQ(only_operation().state, OperationState::Reversed);
    EXPECT_TRUE(only_operation().reversing);
    for (const auto& sent : connector_.executed) EXPECT_EQ(sent.id, only_operation().id);
}

TEST_F(ProcessorTest, TheDecisionToReverseIsDurableBeforeTheReversal) {
    connector_.executions.assign(3, ScriptedConnector::unknown());
    connector_.inquiries.assign(100, AcquirerAnswer{.finding = Finding::NotFound});
    connector_.reversals.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{60})));
    sim_.run_until([&] { return !connector_.reversed.empty(); }, seconds{60});
    EXPECT_TRUE(only_operation().reversing);
    EXPECT_EQ(only_operation().state, OperationState::Started);
    finish(calls);
    EXPECT_EQ(only_operation().state, OperationState::Reversed);
}

TEST_F(ProcessorTest, ARefundIsRepeatedUnderItsReferenceAndNeverReversed) {
    ASSERT_TRUE(run(processor().pay(create(1), in(seconds{5}))).has_value());
    connector_.executions.assign(4, ScriptedConnector::unknown());
    connector_.inquiries.assign(4, AcquirerAnswer{.finding = Finding::NotFound});
    auto outcome = run(processor().pay(refund(1, 2), in(seconds{60})));
    ASSERT_TRUE(outcome.has_value());
    auto made = core::restore<core::Refund>(outcome->answer.object);
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->status, core::RefundStatus::Succeeded);
    EXPECT_TRUE(connector_.reversed.empty());
    std::set<Id<core::Operation>> references;
    for (const auto& sent : connector_.executed) references.insert(sent.id);
    EXPECT_EQ(references.size(), 2u) << "one of the sale, one of the refund";
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(ProcessorTest, AnAnswerThatTakesTooLongIsPendingAndGoesOn) {
    connector_.executions.push_back(ScriptedConnector::Silence{});
    auto outcome = run(processor().pay(create(1), in(seconds{2})));
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(outcome->pending);
    EXPECT_EQ(status_in(outcome->answer), PaymentIntentStatus::Processing);
    sim_.run_for(seconds{20});
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    auto again = run(processor().pay(create(1), in(seconds{2})));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(status_in(again->answer), PaymentIntentStatus::Succeeded);
}

TEST_F(ProcessorTest, AnOutcomeIsRecordedWhenTheDatabaseIsBack) {
    processor();
    connector_.executions.push_back(ScriptedConnector::Silence{}); // 10 s, then an inquiry
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{120})));
    sim_.run_for(seconds{5});
    store_.take_away(seconds{20});
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value());
    EXPECT_EQ(status_in(calls.results.at(1)->answer), PaymentIntentStatus::Succeeded);
}

// --- Resolving --------------------------------------------------------------------------------

/// The same time as another Env, with a wall clock that is ahead.
class FastClock final : public Env {
  public:
    FastClock(Env& env, Duration ahead) : env_(env), ahead_(ahead) {}
    MonoTime now() override { return env_.now(); }
    WallTime wall() override { return env_.wall() + ahead_; }
    void fill_random(std::span<std::byte> out) override { env_.fill_random(out); }
    int pid() override { return env_.pid(); }
    std::string hostname() override { return env_.hostname(); }
    bool simulated() const override { return true; }
    void note_wakeup(MonoTime when) override { env_.note_wakeup(when); }

  private:
    Env& env_;
    Duration ahead_;
};

/// An operation that its owner left behind.
class ResolverTest : public ProcessorTest {
  protected:
    void leave_behind(int key) {
        auto node = std::make_unique<net::SimProcess>(sim_);
        auto made = run(Processor::create(
            *node, env_, store_, connector_, identity_, [this](auto) { return &account_; },
            options_));
        ASSERT_TRUE(made.has_value());
        connector_.executions.push_back(ScriptedConnector::Silence{});
        net::Gate gate(*node, "requests");
        ASSERT_TRUE(gate.spawn(ask((*made).get(), create(key))).has_value());
        ASSERT_TRUE(sim_.run_until([&] { return !connector_.executed.empty(); }, seconds{5}));
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

TEST_F(ResolverTest, ReversesWhatTheAcquirerDoesNotKnow) {
    leave_behind(1);
    connector_.inquiries.assign(1, AcquirerAnswer{.finding = Finding::NotFound});
    start_resolver();
    ASSERT_TRUE(sim_.run_until([&] { return settled(); }, std::chrono::minutes{5}));
    EXPECT_EQ(only_operation().state, OperationState::Reversed);
    EXPECT_EQ(connector_.reversed.size(), 1u);
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::RequiresPaymentMethod);
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
    FastClock ahead(env_, seconds{60});
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
