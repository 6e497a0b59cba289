#include "base/log.h"
#include "processor/processor_fixture.h"

#include <fmt/format.h>

namespace holdfast::processor {
namespace {

using core::OperationKind;
using Kind = LaneCall::Kind;

Error away() { return {.kind = ErrorClass::Unavailable, .code = "database_unavailable"}; }
Error lost() { return {.kind = ErrorClass::Unknown, .code = "commit_answer_lost"}; }

class StandInTest : public ProcessorTest {
  protected:
    StandInTest() {
        stands_in_ = true;
        store_.faults = [this](const LaneCall&) -> std::optional<LaneFault> {
            if (away_) return LaneFault{away()};
            return std::nullopt;
        };
    }
    Result<Outcome> pay(core::Command command) {
        return run(processor().pay(std::move(command), in(seconds{30})));
    }
    core::Command confirm(int payment, int key) {
        core::ConfirmPaymentIntent body{.id = payment_of(payment)};
        return {account_.id, keyed(key), env_.wall(), std::move(body)};
    }
    /// As the kinds that the acquirer was asked for, in order.
    std::vector<OperationKind> asked() const {
        std::vector<OperationKind> kinds;
        for (const core::Operation& operation : connector_.executed)
            kinds.push_back(operation.kind);
        return kinds;
    }
    void database_returns() {
        away_ = false;
        sim_.run_for(seconds{20});
    }
    /// The database is reached once more: it commits, and the answer is lost.
    void lose_the_first_commit() {
        store_.faults = [this,
                         first = true](const LaneCall& call) mutable -> std::optional<LaneFault> {
            if (!away_) return std::nullopt;
            if (call.kind == Kind::Commit && std::exchange(first, false))
                return LaneFault{lost(), true};
            if (call.kind == Kind::Begin && first) return std::nullopt;
            return LaneFault{away()};
        };
    }
    void restart() { restart_on(*own_disk_); }
    void restart_on(MemoryDisk& disk) {
        ASSERT_TRUE(run(processor_->drain(in(seconds{60}))).has_value());
        processor_.reset();
        own_disk_ = &disk;
        processor();
    }

    bool away_ = false;
};

TEST_F(StandInTest, AShortOutageIsHeld) {
    processor();
    away_ = true;
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{30})));
    sim_.run_for(seconds{5});
    away_ = false;
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value());
    EXPECT_EQ(status_in(calls.results.at(1)->answer), PaymentIntentStatus::Succeeded);
    EXPECT_EQ(asked(), (std::vector{OperationKind::Sale}));
}

TEST_F(StandInTest, ALongOneIsAnsweredWithTheIssuersWordAndSettledLater) {
    processor();
    away_ = true;
    const MonoTime began = env_.now();
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_LT(env_.now() - began, seconds{10});
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
    EXPECT_EQ(asked(), (std::vector{OperationKind::Authorize}));
    EXPECT_FALSE(stored(1).has_value());

    database_returns();
    ASSERT_TRUE(stored(1).has_value());
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_EQ(asked(), (std::vector{OperationKind::Authorize, OperationKind::Capture}));
    EXPECT_TRUE(store_.audit().clean());
    EXPECT_TRUE(connector_.reversed.empty());
    auto again = pay(create(1));
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->answer, paid->answer);
}

TEST_F(StandInTest, OnceItIsAwayNobodyWaitsForIt) {
    processor();
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    const MonoTime began = env_.now();
    for (int key = 2; key < 10; ++key) ASSERT_TRUE(pay(create(key)).has_value()) << key;
    EXPECT_LT(env_.now() - began, seconds{1});
    database_returns();
    for (int key = 1; key < 10; ++key)
        EXPECT_EQ(stored(key)->status, PaymentIntentStatus::Succeeded) << key;
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ADeclineIsFinal) {
    processor();
    away_ = true;
    connector_.executions.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value());
    EXPECT_TRUE(paid->answer.declined.has_value());
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::RequiresPaymentMethod);
    EXPECT_EQ(stored(1)->failed_attempts, 1);
    EXPECT_EQ(asked(), (std::vector{OperationKind::Authorize}));
}

TEST_F(StandInTest, ARepeatGetsTheSameAnswer) {
    processor();
    away_ = true;
    auto first = pay(create(1));
    auto second = pay(create(1));
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_TRUE(second->replayed);
    EXPECT_EQ(second->answer, first->answer);
    EXPECT_EQ(asked().size(), 1U);
    database_returns();
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ConfirmsWhatWasCreatedBefore) {
    processor();
    core::Command creation = create(1, false);
    ASSERT_TRUE(pay(std::move(creation)).has_value());
    away_ = true;
    auto paid = pay(confirm(1, 2));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, AnotherKeyFindsWhatIsHeldHere) {
    processor();
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    auto again = pay(confirm(1, 2));
    ASSERT_TRUE(again.has_value()) << to_string(again.error());
    EXPECT_EQ(status_in(again->answer), PaymentIntentStatus::Processing);
    EXPECT_EQ(asked().size(), 1U);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInTest, OneAttemptHasOneReferenceWhateverTheRequest) {
    processor();
    ASSERT_TRUE(pay(create(1, false)).has_value());
    away_ = true;
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    EXPECT_EQ(pay(confirm(1, 2)).error().code, "stand_in_no_acquirer");
    const Id<core::Operation> first = connector_.executed.back().id;
    connector_.executions.clear();
    ASSERT_TRUE(pay(confirm(1, 4)).has_value());
    EXPECT_EQ(connector_.executed.back().id, first);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ACardThatIsNotKnownHereWaits) {
    processor();
    ASSERT_TRUE(pay(create(1, false)).has_value());
    restart_on(other_disk_);
    ASSERT_TRUE(pay(describe(1, "known")).has_value()); // the payment is, its card is not
    away_ = true;
    auto paid = pay(confirm(1, 2));
    ASSERT_FALSE(paid.has_value());
    EXPECT_EQ(paid.error().code, "stand_in_unable");
}

TEST_F(StandInTest, WhatItDoesNotKnowWaits) {
    processor();
    away_ = true;
    auto paid = pay(confirm(1, 2));
    ASSERT_FALSE(paid.has_value());
    EXPECT_EQ(paid.error().code, "stand_in_unable");
    EXPECT_EQ(paid.error().kind, ErrorClass::Unavailable);
    EXPECT_TRUE(connector_.executed.empty());
    core::Command keyless = create(3);
    keyless.request.replay_key = {};
    EXPECT_FALSE(pay(std::move(keyless)).has_value());
    EXPECT_TRUE(connector_.executed.empty());
}

TEST_F(StandInTest, SurvivesARestart) {
    processor();
    away_ = true;
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value());
    restart();
    const auto known = processor().find_here(account_.id, payment_of(1));
    ASSERT_TRUE(known.has_value());
    EXPECT_TRUE(known->current);
    EXPECT_EQ(known->row.status, PaymentIntentStatus::Processing);
    auto again = pay(create(1));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->answer, paid->answer);
    EXPECT_EQ(asked().size(), 1U);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    restart();
    sim_.run_for(seconds{5});
    EXPECT_EQ(asked(), (std::vector{OperationKind::Authorize, OperationKind::Capture}));
}

TEST_F(StandInTest, StartsWithoutTheDatabase) {
    processor();
    ASSERT_TRUE(pay(create(1)).has_value());
    away_ = true;
    store_.take_away(seconds{60});
    restart();
    EXPECT_TRUE(processor().database_away());
    const MonoTime began = env_.now();
    auto paid = pay(create(2));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
    EXPECT_LE(env_.now() - began, seconds{1}) << "nobody waits for what is known to be away";
    sim_.run_for(seconds{60});
    database_returns();
    EXPECT_FALSE(processor().database_away());
    ASSERT_TRUE(pay(create(3)).has_value());
    for (const int n : {1, 2, 3}) EXPECT_EQ(stored(n)->status, PaymentIntentStatus::Succeeded) << n;
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, DrainsWhatAProcessHasLeftThatIsNotStartedAnyMore) {
    processor();
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    left_disk_ = &disk_;
    restart_on(other_disk_);
    ASSERT_TRUE(pay(create(2)).has_value());
    EXPECT_TRUE(pay(create(1)).has_value()) << "it is known here as well";
    EXPECT_EQ(asked().size(), 2U);
    database_returns();
    for (const int n : {1, 2}) EXPECT_EQ(stored(n)->status, PaymentIntentStatus::Succeeded) << n;
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_TRUE(store_.audit().clean());
    restart();
    sim_.run_for(seconds{5});
    EXPECT_EQ(asked().size(), 4U) << "two held, two captured, once";
}

TEST_F(StandInTest, ACommitWhoseAnswerWasLostWins) {
    processor();
    lose_the_first_commit();
    away_ = true;
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
    const Id<core::Operation> hold = connector_.executed.at(0).id;
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    ASSERT_EQ(asked().back(), OperationKind::Capture);
    EXPECT_EQ(connector_.executed.back().original, hold)
        << "the attempt that was committed is ours";
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ADeclineOfAnotherAttemptIsNotToldAsItsOwn) {
    processor();
    away_ = true;
    const AcquirerAnswer declined{.finding = Finding::Declined,
                                  .failure = {"card_declined", "insufficient_funds", "No."},
                                  .repeated = true};
    connector_.executions.push_back(declined);
    EXPECT_EQ(pay(create(1)).error().code, "stand_in_unable") << "the next attempt may succeed";
    connector_.executions.push_back(ScriptedConnector::unknown());
    connector_.executions.push_back(declined);
    auto open = pay(create(2));
    ASSERT_TRUE(open.has_value()) << to_string(open.error());
    EXPECT_TRUE(open->pending);
    sim_.run_for(seconds{5});
    connector_.executions.push_back(declined);
    database_returns();
    EXPECT_FALSE(stored(1).has_value());
    EXPECT_EQ(stored(2)->status, PaymentIntentStatus::RequiresPaymentMethod);
}

TEST_F(StandInTest, WhatAnotherAttemptHasTakenIsLeftToTheDatabase) {
    processor();
    away_ = true;
    connector_.executions.push_back(
        AcquirerAnswer{.executed_as = OperationKind::Sale, .repeated = true});
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_TRUE(paid->pending);
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
}

TEST_F(StandInTest, AnAttemptWithOtherMoneyIsLeftAlone) {
    processor();
    away_ = true;
    connector_.executions.push_back(
        Error{.kind = ErrorClass::Conflict, .code = "reference_reused"});
    EXPECT_EQ(pay(create(1)).error().code, "stand_in_unable");
    database_returns();
    EXPECT_TRUE(connector_.reversed.empty());
}

TEST_F(StandInTest, WhatMayBeCommittedIsNotCalledUndone) {
    processor();
    lose_the_first_commit();
    away_ = true;
    for (int i = 0; i < 100; ++i) connector_.executions.push_back(ScriptedConnector::unsent());
    auto paid = pay(create(1));
    ASSERT_FALSE(paid.has_value());
    EXPECT_EQ(paid.error().kind, ErrorClass::Unknown) << to_string(paid.error());
    connector_.executions.clear();
    database_returns();
    ASSERT_TRUE(stored(1).has_value());
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInTest, WithoutTheAcquirerNothingIsPromised) {
    processor();
    away_ = true;
    for (int i = 0; i < 100; ++i) connector_.executions.push_back(ScriptedConnector::unsent());
    auto paid = pay(create(1));
    ASSERT_FALSE(paid.has_value());
    EXPECT_EQ(paid.error().code, "stand_in_no_acquirer");
    EXPECT_FALSE(processor().find_here(account_.id, payment_of(1)).has_value());
    // Whoever comes now need not find out for himself; he may be asked to try the database.
    const MonoTime began = env_.now();
    EXPECT_EQ(pay(create(2)).error().code, "stand_in_no_acquirer");
    EXPECT_LE(env_.now() - began, seconds{1});
    connector_.executions.clear();
    database_returns();
    EXPECT_FALSE(stored(1).has_value());
    ASSERT_TRUE(pay(create(1)).has_value());
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInTest, WithinItsFloorLimitsAMerchantGoesOnWithoutTheAcquirer) {
    account_.floor_limits = {{{}, 1000, 2000, 2000}};
    processor();
    sim_.run_for(seconds{1}); // until it has its share
    away_ = true;
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    for (const int n : {1, 2}) {
        auto paid = pay(create(n));
        ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
        EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
        EXPECT_TRUE(paid->pending);
    }
    EXPECT_EQ(pay(create(3)).error().code, "stand_in_no_acquirer") << "above the limit";
    restart();
    EXPECT_EQ(pay(create(4)).error().code, "stand_in_no_acquirer") << "what was left counts";
    connector_.executions.assign({AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}}});
    database_returns();
    const auto declined = std::ranges::count_if(std::array{1, 2}, [&](int n) {
        return stored(n)->status == PaymentIntentStatus::RequiresPaymentMethod;
    });
    EXPECT_EQ(declined, 1) << "the issuer has spoken";
    for (const int n : {3, 4}) EXPECT_FALSE(stored(n).has_value()) << n;
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, TheAcquirerIsAskedAsSoonAsItIsBack) {
    account_.floor_limits = {{{}, 1000, 1000, 1000}};
    processor();
    sim_.run_for(seconds{1});
    away_ = true;
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    ASSERT_TRUE(pay(create(1)).has_value());
    connector_.executions.clear();
    sim_.run_for(seconds{5});
    auto paid = pay(create(2));
    ASSERT_TRUE(paid.has_value()) << "the first counts no longer: " << to_string(paid.error());
    EXPECT_FALSE(paid->pending);
    database_returns();
    for (const int n : {1, 2}) EXPECT_EQ(stored(n)->status, PaymentIntentStatus::Succeeded) << n;
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, AShareThatWasNotRenewedIsNotUsed) {
    account_.floor_limits = {{{}, 1000, 2000, 2000}};
    processor();
    sim_.run_for(seconds{1});
    away_ = true;
    store_.take_away(std::chrono::hours{2});
    sim_.run_for(std::chrono::hours{1});
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    EXPECT_EQ(pay(create(1)).error().code, "stand_in_no_acquirer");
}

TEST_F(StandInTest, AShareIsKeptOverARestartWithoutTheDatabase) {
    account_.floor_limits = {{{}, 1000, 2000, 2000}};
    processor();
    sim_.run_for(seconds{1});
    away_ = true;
    store_.take_away(std::chrono::hours{3});
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    restart();
    ASSERT_TRUE(pay(create(1)).has_value()) << "as before";
    sim_.run_for(std::chrono::hours{1});
    restart();
    EXPECT_FALSE(pay(create(2)).has_value()) << "it has run out";
}

TEST_F(StandInTest, AShareIsLoweredOnDiskBeforeLessIsAskedFor) {
    account_.floor_limits = {{{}, 1000, 2000, 2000}};
    processor();
    sim_.run_for(seconds{1});
    const auto renew = [this](std::string holder) {
        return *run(store_.renew_floor_share(std::move(holder), store::FloorShare::whole_ppm,
                                             std::chrono::hours{1}, in(seconds{5})));
    };
    EXPECT_EQ(renew("another").ppm, 0);
    sim_.run_for(seconds{30}); // it hears that there are two
    store_.take_away(seconds{40});
    sim_.run_for(seconds{35}); // and asks for half: who knows whether that has arrived?
    away_ = true;
    store_.take_away(std::chrono::hours{1});
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    restart();
    ASSERT_TRUE(pay(create(1)).has_value());
    EXPECT_FALSE(pay(create(2)).has_value()) << "half of it may be another's";
}

TEST_F(StandInTest, WhatIsOpenKeepsItsShare) {
    account_.floor_limits = {{{}, 1000, 2000, 2000}};
    processor();
    sim_.run_for(seconds{1});
    const auto renew = [this] {
        return run(store_.renew_floor_share("another", store::FloorShare::whole_ppm,
                                            std::chrono::hours{1}, in(seconds{5})))
            ->ppm;
    };
    EXPECT_EQ(renew(), 0);
    away_ = true; // for payments alone
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    for (const int n : {1, 2}) ASSERT_TRUE(pay(create(n)).has_value()) << n;
    sim_.run_for(seconds{70});
    EXPECT_EQ(renew(), 0) << "as much as all may is open here";
    connector_.executions.clear();
    away_ = false;
    sim_.run_for(seconds{70});
    EXPECT_EQ(renew(), store::FloorShare::whole_ppm / 2);
}

TEST_F(StandInTest, OthersGetAShareLongAfterItMayBeUsed) {
    processor();
    sim_.run_for(seconds{1});
    ASSERT_TRUE(run(processor_->drain(in(seconds{60}))).has_value());
    processor_.reset();
    const auto renew = [this] {
        return *run(store_.renew_floor_share("another", store::FloorShare::whole_ppm,
                                             std::chrono::hours{1}, in(seconds{5})));
    };
    sim_.run_for(std::chrono::hours{23});
    EXPECT_EQ(renew().ppm, 0) << "what was accepted under it may still be open";
    sim_.run_for(std::chrono::hours{2});
    EXPECT_EQ(renew().ppm, store::FloorShare::whole_ppm);
}

TEST_F(StandInTest, WhoGoesBeforeItIsAcceptedIsPromisedNothing) {
    account_.floor_limits = {{{}, 500, 500, 500}}; // not enough
    processor();
    sim_.run_for(seconds{1});
    away_ = true;
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    auto paid = run(processor().pay(create(1), in(options_.hold + seconds{2})));
    ASSERT_FALSE(paid.has_value()) << "it is withdrawn a moment later";
    EXPECT_EQ(paid.error().kind, ErrorClass::Unknown) << to_string(paid.error());
}

TEST_F(StandInTest, WhatACrashWouldCarryOutIsNotRefused) {
    processor();
    away_ = true;
    connector_.executions.assign(10'000, ScriptedConnector::unsent());
    disk_.fail(MemoryDisk::Operation::Sync, 2); // its share, accepted, but not withdrawn
    auto paid = pay(create(1));
    ASSERT_FALSE(paid.has_value()) << "nobody has accepted it under a limit";
    EXPECT_EQ(paid.error().kind, ErrorClass::Unknown) << to_string(paid.error());
    connector_.executions.clear();
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInTest, AnUnknownOutcomeIsAskedForUntilItIsKnown) {
    processor();
    away_ = true;
    connector_.executions.push_back(ScriptedConnector::unknown());
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value());
    EXPECT_TRUE(paid->pending);
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
    sim_.run_for(seconds{5});
    EXPECT_EQ(connector_.executed.size(), 2U);
    EXPECT_EQ(connector_.executed[0].id, connector_.executed[1].id) << "one reference";
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, WhatTheAcquirerTakesNoMoreIsLeftToTheDrain) {
    processor();
    away_ = true;
    connector_.executions.push_back(ScriptedConnector::unknown());
    for (int i = 0; i < 1000; ++i) connector_.executions.push_back(ScriptedConnector::unsent());
    auto paid = pay(create(1));
    ASSERT_TRUE(paid.has_value());
    EXPECT_TRUE(paid->pending);
    sim_.run_for(options_.operation_ttl + seconds{5});
    away_ = false; // and nobody asks for anything else
    sim_.run_for(seconds{5});
    ASSERT_TRUE(stored(1).has_value()) << "it has noticed that the database is back";
    connector_.executions.clear();
    sim_.run_for(seconds{20});
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInTest, ItsLogIsReadWithoutTakingIt) {
    processor();
    away_ = true;
    ASSERT_TRUE(pay(create(1, false)).has_value());
    ASSERT_TRUE(pay(create(2)).has_value());
    connector_.executions.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
    ASSERT_TRUE(pay(create(3)).has_value());
    connector_.executions.push_back(ScriptedConnector::unknown());
    ASSERT_TRUE(pay(create(4)).has_value());
    const auto states = [&] {
        std::vector<StepState> found;
        auto steps = read_command_log(*disk_.mount(), SecretString{"secret of the command log"});
        EXPECT_TRUE(steps.has_value());
        for (const auto& [number, step] : *steps) {
            const auto summary = summary_of(step);
            EXPECT_EQ(summary->account, account_.id);
            EXPECT_EQ(summary->payment, payment_of(static_cast<int>(found.size()) + 1));
            found.push_back(summary->state);
        }
        return found;
    };
    EXPECT_EQ(states(), (std::vector{StepState::Created, StepState::Approved, StepState::Declined,
                                     StepState::Unknown}));
    database_returns();
    EXPECT_TRUE(states().empty());
}

TEST_F(StandInTest, EachDecisionIsALineOfTheLog) {
    processor();
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    ASSERT_FALSE(pay(confirm(2, 3)).has_value());
    database_returns();
    const std::string lines = log::recorded_json();
    const auto said = [&](std::string_view event, std::string_view what, int payment) {
        const std::string begin = fmt::format(R"("event":"{}","{})", event, what);
        const std::size_t at = lines.rfind(begin);
        if (at == std::string::npos) return false;
        return lines.substr(at, lines.find('\n', at) - at).contains(payment_of(payment).str());
    };
    EXPECT_TRUE(said("stand_in_decided", R"(decision":"approved")", 1)) << lines;
    EXPECT_TRUE(said("stand_in_decided", R"(decision":"refused")", 2)) << lines;
    EXPECT_TRUE(said("stand_in_drained", "payment", 1)) << lines;
}

TEST_F(StandInTest, NothingIsSentThatIsNotOnDisk) {
    processor();
    away_ = true;
    disk_.fail(MemoryDisk::Operation::Sync);
    auto paid = pay(create(1));
    ASSERT_FALSE(paid.has_value());
    EXPECT_EQ(paid.error().kind, ErrorClass::Unknown) << "the disk may have it all the same";
    EXPECT_TRUE(connector_.executed.empty());
    database_returns();
    EXPECT_FALSE(stored(1).has_value());
}

TEST_F(StandInTest, WhatMayNotBeDecidedHereIsRefusedAtOnce) {
    processor();
    ASSERT_TRUE(pay(create(1)).has_value());
    away_ = true;
    ASSERT_TRUE(pay(create(2)).has_value());
    const MonoTime began = env_.now();
    auto refunded = pay(refund(1, 3));
    ASSERT_FALSE(refunded.has_value());
    EXPECT_EQ(refunded.error().kind, ErrorClass::Unavailable);
    EXPECT_LT(env_.now() - began, milliseconds{100});
    database_returns();
    EXPECT_TRUE(pay(refund(1, 3)).has_value());
}

TEST_F(StandInTest, AnOutcomeThatCannotBeStoredIsAnsweredFromDisk) {
    processor();
    bool sold = false;
    store_.faults = [&](const LaneCall&) -> std::optional<LaneFault> {
        if (away_ && sold) return LaneFault{away()};
        return std::nullopt;
    };
    connector_.executions.push_back(ScriptedConnector::Silence{}); // until it is away
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{30})));
    sim_.run_for(seconds{1});
    away_ = sold = true;
    const MonoTime began = env_.now();
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value()) << to_string(calls.results.at(1).error());
    EXPECT_EQ(status_in(calls.results.at(1)->answer), PaymentIntentStatus::Succeeded);
    EXPECT_FALSE(calls.results.at(1)->pending);
    EXPECT_LT(env_.now() - began, seconds{15});
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Processing);
    auto again = pay(create(1));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->answer, calls.results.at(1)->answer);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_EQ(asked(), (std::vector{OperationKind::Sale}));
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ARestartForgetsNoAnswerToWhatBeganInTheDatabase) {
    ASSERT_TRUE(pay(create(1, false)).has_value());
    bool asked_once = false;
    store_.faults = [&](const LaneCall&) -> std::optional<LaneFault> {
        if (away_ && asked_once) return LaneFault{away()};
        return std::nullopt;
    };
    connector_.executions.push_back(ScriptedConnector::Silence{}); // until it is away
    connector_.inquiries.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(confirm(1, 2), in(seconds{30})));
    sim_.run_for(seconds{1});
    away_ = asked_once = true;
    finish(calls);
    ASSERT_TRUE(calls.results.at(1).has_value()) << to_string(calls.results.at(1).error());
    ASSERT_TRUE(calls.results.at(1)->answer.declined.has_value());
    restart();
    auto again = pay(confirm(1, 2));
    ASSERT_TRUE(again.has_value()) << to_string(again.error());
    EXPECT_TRUE(again->replayed) << "a second attempt may be approved";
    EXPECT_EQ(again->answer, calls.results.at(1)->answer);
    EXPECT_EQ(asked().size(), 1U);
    database_returns();
    EXPECT_EQ(stored(1)->failed_attempts, 1);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, ADamagedPageIsNoOutage) {
    ASSERT_TRUE(pay(create(1)).has_value());
    ASSERT_TRUE(run(processor().submit(create(2, false), in(seconds{1}))).has_value());
    store_.faults = damaged(2);
    const MonoTime began = env_.now();
    auto paid = pay(confirm(2, 3));
    EXPECT_EQ(paid.error().code, "data_damaged");
    EXPECT_LT(env_.now() - began, seconds{1});
    EXPECT_FALSE(processor().database_away());
    ASSERT_TRUE(pay(create(4)).has_value());
    EXPECT_EQ(asked(), (std::vector{OperationKind::Sale, OperationKind::Sale}));
}

/// What was promised stays promised until the page is repaired.
TEST_F(StandInTest, WhatBelongsOnADamagedPageIsDrainedWhenThatIsRepaired) {
    ASSERT_TRUE(run(processor().submit(create(1, false), in(seconds{1}))).has_value());
    away_ = true;
    ASSERT_TRUE(pay(confirm(1, 2)).has_value());
    store_.faults = damaged(1);
    store_.calls.clear();
    sim_.run_for(std::chrono::minutes{3});
    ASSERT_TRUE(pay(create(3)).has_value());
    sim_.run_for(seconds{5});
    EXPECT_FALSE(processor().database_away()) << "it is back for all others";
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_LE(begins_with(1), 10);
    const MonoTime began = env_.now();
    EXPECT_EQ(pay(confirm(1, 4)).error().code, "data_damaged");
    EXPECT_LT(env_.now() - began, seconds{1});
    store_.faults = {};
    sim_.run_for(std::chrono::minutes{1});
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInTest, AFullLogRefusesAndKeepsWhatItHas) {
    processor();
    away_ = true;
    int accepted = 0;
    Result<Outcome> last;
    for (int key = 1; key < 4000; ++key) {
        last = pay(create(key));
        if (!last) break;
        ++accepted;
    }
    ASSERT_FALSE(last.has_value());
    EXPECT_EQ(last.error().code, "journal_full");
    EXPECT_EQ(last.error().kind, ErrorClass::Overload);
    away_ = false;
    sim_.run_for(std::chrono::minutes{2});
    EXPECT_EQ(store_.all<core::PaymentIntent>().size(), static_cast<std::size_t>(accepted));
    EXPECT_TRUE(store_.audit().clean());
    away_ = true;
    EXPECT_TRUE(pay(create(5000)).has_value()) << "what is settled makes room";
    database_returns();
}

} // namespace
} // namespace holdfast::processor
