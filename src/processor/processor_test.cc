#include "base/damage.h"
#include "processor/processor_fixture.h"

namespace holdfast::processor {
namespace {

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

TEST_F(ProcessorTest, ARefusalCostsNoCommit) {
    core::Command bad = create(1, false);
    std::get<core::CreatePaymentIntent>(bad.body).payment_intent.amount.minor = 1;
    EXPECT_FALSE(run(processor().submit(std::move(bad), in(seconds{1}))).has_value());
    EXPECT_TRUE(store_.calls_of(Kind::Commit).empty());
    EXPECT_EQ(store_.calls_of(Kind::Rollback).size(), 1u);
}

TEST_F(ProcessorTest, AReplayIsAnsweredOnlyAfterACommitOfItsOwn) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    bool standby_away = true; // what is committed meanwhile can be seen, and lost with its server
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        const bool waits = call.kind == Kind::Commit || call.kind == Kind::Resolve;
        if (waits && standby_away) return LaneFault{lost()};
        return std::nullopt;
    };
    auto early = run(processor().submit(create(1, false), in(seconds{1})));
    ASSERT_FALSE(early.has_value());
    EXPECT_EQ(early.error().kind, ErrorClass::Unknown);
    standby_away = false;
    auto again = run(processor().submit(create(1, false), in(seconds{5})));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(store_.all<core::PaymentIntent>().size(), 1u);
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

TEST_F(ProcessorTest, ASecondRequestUnderOneKeyJoinsTheFirst) {
    processor();
    connector_.executions.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{60})));
    sim_.run_for(seconds{1});
    calls.start(2, processor().pay(create(1), in(seconds{60})));
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value() && calls.results.at(2).has_value());
    EXPECT_EQ(calls.results.at(2)->answer, calls.results.at(1)->answer);
    EXPECT_TRUE(calls.results.at(2)->replayed);
    EXPECT_EQ(store_.all<core::Operation>().size(), 1u);
}

TEST_F(ProcessorTest, ASecondRequestDoesNotWaitBeyondItsDeadline) {
    processor();
    connector_.executions.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{60})));
    sim_.run_for(milliseconds{100});
    calls.start(2, processor().pay(create(1), in(seconds{2})));
    finish(calls);
    EXPECT_EQ(calls.results.at(2).error().code, "idempotency_key_in_use");
    EXPECT_TRUE(calls.results.at(1).has_value());
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

TEST_F(ProcessorTest, APaymentWhoseRequesterGaveUpDuringTheCommitGoesOn) {
    bool away = true;
    store_.faults = [&](const LaneCall& call) -> std::optional<LaneFault> {
        if (call.kind == Kind::Commit && away) return LaneFault{lost(), true};
        if (call.kind == Kind::Resolve && away) return LaneFault{unavailable()};
        return std::nullopt;
    };
    auto outcome = run(processor().pay(create(1), in(milliseconds{300})));
    EXPECT_EQ(outcome.error().code, "commit_pending");
    EXPECT_TRUE(connector_.executed.empty());
    away = false;
    sim_.run_for(seconds{2});
    EXPECT_EQ(connector_.executed.size(), 1u);
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
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

TEST_F(ProcessorTest, ADamagedPageFailsWhoNeedsItAndNobodyElse) {
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(run(processor().submit(create(i, false), in(seconds{1}))).has_value());
    store_.faults = damaged(2);
    const MonoTime began = env_.now();
    Calls<core::Verdict> calls(sim_.loop());
    for (int i = 0; i < 5; ++i)
        calls.start(i, processor().submit(describe(i, "new"), in(seconds{5})));
    finish(calls);
    for (auto& [n, result] : calls.results) EXPECT_EQ(result.has_value(), n != 2) << n;
    EXPECT_LT(env_.now() - began, seconds{1});
    EXPECT_EQ(calls.results.at(2).error().code, "data_damaged");
    EXPECT_EQ(calls.results.at(2).error().kind, ErrorClass::Io);
    EXPECT_TRUE(is_damage(calls.results.at(2).error()));

    // Who comes again does so alone, and costs nobody a batch.
    store_.calls.clear();
    Calls<core::Verdict> again(sim_.loop());
    for (int i = 0; i < 5; ++i)
        again.start(i, processor().submit(describe(i, "newer"), in(seconds{5})));
    finish(again);
    EXPECT_EQ(again.results.at(2).error().code, "data_damaged");
    for (const LaneCall& call : store_.calls_of(Kind::Begin))
        EXPECT_EQ(call.lane == suspect_lane, call.commands == 1 && call.needs(row_of(2)));

    store_.faults = {}; // repaired: it recovers by itself
    EXPECT_TRUE(run(processor().submit(describe(2, "whole"), in(seconds{1}))).has_value());
    EXPECT_EQ(stored(2)->details.description, "whole");
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

/// A lane that had looked while another one still had something in its hands slept for a minute.
TEST_F(ProcessorTest, IsDrainedAsSoonAsNothingIsLeft) {
    processor();
    store_.faults = [](const LaneCall&) {
        return LaneFault{{.kind = ErrorClass::Unavailable, .code = "database_unavailable"}};
    };
    EXPECT_FALSE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    const MonoTime asked = env_.now();
    EXPECT_TRUE(run(processor().drain(in(seconds{30}))).has_value());
    EXPECT_LT(env_.now() - asked, seconds{2});
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
    connector_.executions.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
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

TEST_F(ProcessorTest, WhatWasNotSentIsNoExecution) {
    for (int i = 0; i < 5; ++i) connector_.executions.push_back(ScriptedConnector::unsent());
    connector_.executions.push_back(ScriptedConnector::unknown());
    connector_.inquiries = {AcquirerAnswer{.finding = Finding::NotFound}};
    auto paid = run(processor().pay(create(1), in(seconds{12})));
    ASSERT_TRUE(paid.has_value());
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Succeeded);
    EXPECT_EQ(connector_.executed.size(), 7u);
    EXPECT_TRUE(connector_.reversed.empty()) << "it was sent once, and may be sent again";
}

TEST_F(ProcessorTest, RepeatsAreAFractionOfTheCalls) {
    constexpr int payments = 60;
    for (int i = 0; i < payments; ++i) connector_.executions.push_back(connector_.unknown());
    for (int i = 0; i < 20 * payments; ++i) connector_.inquiries.push_back(connector_.unknown());
    processor();
    Calls<Outcome> calls(sim_.loop());
    for (int i = 0; i < payments; ++i) calls.start(i, processor().pay(create(i), in(seconds{12})));
    finish(calls);
    for (auto& [n, result] : calls.results) {
        ASSERT_TRUE(result.has_value()) << n;
        EXPECT_TRUE(result->pending);
    }
    // A burst of 100, 10 a second, and a fifth of the executions and first inquiries.
    const std::size_t repeats = connector_.inquired.size() - payments;
    EXPECT_LE(repeats, 100u + 15 * 10 + 2 * payments / 5);
    EXPECT_GE(repeats, 100u);
    connector_.inquiries.clear();
    sim_.run_for(seconds{30});
    for (int i = 0; i < payments; ++i) {
        const auto operation = only_of(i);
        if (operation.state != OperationState::Started) continue;
        ASSERT_TRUE(run(processor().take_over(operation)).value_or(false)) << i;
    }
    for (int i = 0; i < payments; ++i)
        EXPECT_EQ(stored(i)->status, PaymentIntentStatus::Succeeded) << "and it recovers";
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

TEST_F(ProcessorTest, WhatTheAcquirerRefusesDoesNotStayOpen) {
    ASSERT_TRUE(run(processor().pay(create(1), in(seconds{5}))).has_value());
    connector_.executions.assign(10'000,
                                 Error{.kind = ErrorClass::Invalid, .code = "message_invalid"});
    connector_.inquiries.assign(10'000, AcquirerAnswer{.finding = Finding::NotFound});
    auto outcome = run(processor().pay(refund(1, 2), in(seconds{30})));
    ASSERT_TRUE(outcome.has_value());
    auto made = core::restore<core::Refund>(outcome->answer.object);
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->status, core::RefundStatus::Failed);
    EXPECT_EQ(connector_.reversed.size(), 1u) << "none of what was sent may be booked later";
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

TEST_F(ProcessorTest, AnOpenOperationIsNeverToldToBeUndone) {
    processor();
    connector_.executions.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{2})));
    sim_.run_for(seconds{1});
    store_.take_away(seconds{3}); // so that even the payment as it is can't be shown
    finish(calls);
    ASSERT_FALSE(calls.results.at(1).has_value());
    EXPECT_EQ(calls.results.at(1).error().kind, ErrorClass::Unknown);
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

} // namespace
} // namespace holdfast::processor
