// Two processes: one has lost the database, the other has not, or has it back before.

#include "processor/mark_teller.h"
#include "processor/processor_fixture.h"

namespace holdfast::processor {
namespace {

using core::OperationKind;

class StandInPeersTest : public ProcessorTest {
  protected:
    StandInPeersTest() {
        stands_in_ = true;
        options_.acquirer_timeout = seconds{3};
        store_.faults = [this](const LaneCall& call) -> std::optional<LaneFault> {
            const bool others = call.lane >= others_first_ && call.lane < others_end_;
            if (others ? other_away_ : away_)
                return LaneFault{{.kind = ErrorClass::Unavailable, .code = "database_unavailable"}};
            return std::nullopt;
        };
        marks_ = {.book = &own_.book, .teller = &own_.teller};
        processor();
        start_other();
        sim_.run_for(seconds{1}); // they know each other
    }
    ~StandInPeersTest() override {
        stop_other();
        EXPECT_TRUE(run(processor_->drain(in(seconds{60}))).has_value());
        processor_.reset(); // before what it tells
    }

    /// What a process has of marks, and the wire to the other one.
    struct Side {
        Side(StandInPeersTest& test, std::string name, Side*& to)
            : book(test.sim_.loop(), test.env_),
              cipher(test.env_, SecretString{"id secret"}),
              teller(test.sim_.loop(), test.env_, cipher, std::move(name),
                     {{.name = "peer",
                       .post = [&test, &to](std::string sealed,
                                            Deadline) { return test.carry(std::move(sealed), to); },
                       .carry_out =
                           [&test, &to](core::Command command, Deadline by) {
                               return test.pass(std::move(command), to, by);
                           }}},
                     nullptr) {}
        MarkBook book;
        MarkCipher cipher;
        MarkTeller teller;
    };
    Task<MarkBook::Hearing> carry(std::string sealed, Side*& to) {
        CO_TRY_VOID(co_await net::sleep_for(milliseconds{1}));
        if (cut_ || to == nullptr) co_return fail(ErrorClass::Unavailable, "http_connect", "Cut.");
        CO_TRY(const MarkMessage message, to->cipher.open(sealed));
        co_return to->book.hear(message);
    }

    Task<Outcome> pass(core::Command command, Side*& to, Deadline deadline) {
        CO_TRY_VOID(co_await net::sleep_for(milliseconds{1}));
        if (cut_ || to == nullptr)
            co_return fail(ErrorClass::Unavailable, "peer_unreached", "Cut.");
        Processor& there = to == own_side_ ? processor() : *other_;
        auto outcome = co_await there.carry_out(std::move(command), deadline);
        if (answer_lost_) co_return fail(ErrorClass::Unknown, "peer_answer_lost", "Cut.");
        co_return outcome;
    }

    void start_other() {
        if (!other_marks_) other_marks_.emplace(*this, "pay-2", own_side_);
        other_side_ = &*other_marks_;
        CommandLogs logs;
        logs.own = command_log(other_disk_);
        others_first_ = store_.opened();
        Options options;
        options.name = "pay-2";
        auto made = run(Processor::create(
            sim_.loop(), env_, store_, connector_, identity_,
            [this](Id<core::Account> id) { return id == account_.id ? &account_ : nullptr; },
            options, std::move(logs),
            {.book = &other_side_->book, .teller = &other_side_->teller}));
        EXPECT_TRUE(made.has_value());
        other_ = std::move(*made);
        others_end_ = store_.opened();
    }
    void stop_other() {
        if (!other_) return;
        EXPECT_TRUE(run(other_->drain(in(seconds{60}))).has_value());
        other_.reset();
        other_side_ = nullptr;
        other_marks_.reset();
    }
    Result<Outcome> pay(core::Command command) {
        return run(processor().pay(std::move(command), in(seconds{30})));
    }
    Result<Outcome> pay_there(core::Command command, Duration patience = seconds{30}) {
        return run(other_->pay(std::move(command), in(patience)));
    }
    core::Command confirm(int payment, int key) {
        core::ConfirmPaymentIntent body{.id = payment_of(payment)};
        return {account_.id, keyed(key), env_.wall(), std::move(body)};
    }
    core::Command cancel(int payment, int key) {
        core::CancelPaymentIntent body{.id = payment_of(payment)};
        return {account_.id, keyed(key), env_.wall(), std::move(body)};
    }
    Here<core::PaymentIntent> seen_there(int payment) {
        return other_->find_here(account_.id, payment_of(payment));
    }
    std::size_t asked(OperationKind kind) const {
        return static_cast<std::size_t>(
            std::ranges::count(connector_.executed, kind, &core::Operation::kind));
    }
    void database_returns() {
        away_ = other_away_ = false;
        sim_.run_for(seconds{20});
    }

    bool away_ = false, other_away_ = false, cut_ = false, answer_lost_ = false;
    int others_first_ = 0, others_end_ = 0;
    Side* other_side_ = nullptr;
    Side own_{*this, "pay-1", other_side_};
    Side* own_side_ = &own_;
    std::optional<Side> other_marks_;
    std::unique_ptr<Processor> other_;
};

TEST_F(StandInPeersTest, WhatOneHasAcceptedTheOtherKnows) {
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    auto seen = seen_there(1);
    ASSERT_TRUE(seen.has_value());
    EXPECT_TRUE(seen->current);
    EXPECT_EQ(seen->row.status, PaymentIntentStatus::Processing);
    auto method = other_->find_here(account_.id, seen->row.payment_method);
    ASSERT_TRUE(method.has_value()) << "what answers show beside it";
    database_returns();
    EXPECT_FALSE(seen_there(1) && seen_there(1)->current) << "the database knows better now";
}

TEST_F(StandInPeersTest, ARepeatElsewhereGetsTheSameAnswer) {
    away_ = true;
    connector_.executions.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
    auto first = pay(create(1));
    auto second = pay_there(create(1));
    ASSERT_TRUE(first.has_value() && second.has_value());
    EXPECT_TRUE(second->replayed);
    EXPECT_EQ(second->answer, first->answer);
    EXPECT_EQ(connector_.executed.size(), 1U) << "the issuer is asked once";
    database_returns();
    EXPECT_EQ(stored(1)->failed_attempts, 1);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, ARepeatElsewhereWaitsForAnAuthorizationUnderWay) {
    away_ = true;
    ASSERT_TRUE(pay(create(7)).has_value()); // from now on nobody waits for the database
    connector_.executions.push_back(ScriptedConnector::Silence{});
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, processor().pay(create(1), in(seconds{30})));
    sim_.run_for(seconds{1});
    calls.start(2, other_->pay(create(1), in(seconds{30})));
    finish(calls);
    ASSERT_TRUE(calls.results.at(2).has_value()) << to_string(calls.results.at(2).error());
    EXPECT_EQ(asked(OperationKind::Sale), 0U) << "nobody began it a second time";
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, WhatIsHeldIsNotChangedUntilItIsDrained) {
    ASSERT_TRUE(pay(create(1, false)).has_value());
    away_ = true;
    ASSERT_TRUE(pay(confirm(1, 2)).has_value());
    EXPECT_EQ(seen_there(1)->row.status, PaymentIntentStatus::Processing)
        << "the database has what was true before";
    auto refused = pay_there(cancel(1, 3), seconds{5});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, "stand_in_unable");
    Calls<Outcome> calls(sim_.loop());
    calls.start(1, other_->pay(cancel(1, 3), in(seconds{30})));
    sim_.run_for(seconds{1});
    away_ = false;
    finish(calls);
    ASSERT_FALSE(calls.results.at(1).has_value()) << "it had been paid";
    EXPECT_EQ(calls.results.at(1).error().code, "payment_intent_unexpected_state");
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, AConfirmationIsCarriedOutByWhoHoldsThePayment) {
    away_ = true;
    for (const int n : {1, 2}) {
        other_away_ = n == 2; // it has no need of the database for that, nor the other one
        ASSERT_TRUE(pay(create(n, false)).has_value());
        auto paid = pay_there(confirm(n, 10 + n));
        ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
        EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing);
        EXPECT_EQ(seen_there(n)->row.status, PaymentIntentStatus::Processing);
        auto again = pay_there(confirm(n, 10 + n));
        ASSERT_TRUE(again.has_value());
        EXPECT_TRUE(again->replayed);
        EXPECT_EQ(again->answer, paid->answer);
        EXPECT_EQ(asked(OperationKind::Authorize), static_cast<std::size_t>(n));
    }
    connector_.executions.push_back(AcquirerAnswer{
        .finding = Finding::Declined, .failure = {"card_declined", "insufficient_funds", "No."}});
    ASSERT_TRUE(pay(create(3, false)).has_value());
    auto declined = pay_there(confirm(3, 13));
    ASSERT_TRUE(declined.has_value());
    EXPECT_TRUE(declined->answer.declined.has_value());
    database_returns();
    for (const int n : {1, 2}) EXPECT_EQ(stored(n)->status, PaymentIntentStatus::Succeeded) << n;
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, WhatMayHaveBeenCarriedOutElsewhereIsNotCalledUndone) {
    away_ = other_away_ = true;
    ASSERT_TRUE(pay(create(1, false)).has_value());
    answer_lost_ = true;
    auto lost = pay_there(confirm(1, 2));
    ASSERT_FALSE(lost.has_value());
    EXPECT_EQ(lost.error().kind, ErrorClass::Unknown) << to_string(lost.error());
    auto again = pay_there(confirm(1, 2));
    ASSERT_TRUE(again.has_value()) << "it has been told meanwhile: " << to_string(again.error());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(asked(OperationKind::Authorize), 1U);
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
}

TEST_F(StandInPeersTest, WhoDoesNotHoldAPaymentRefusesToCarryItOut) {
    ASSERT_TRUE(pay(create(1, false)).has_value());
    const auto refused = [&](core::Command command) {
        return run(processor().carry_out(std::move(command), in(seconds{1}))).error().code;
    };
    EXPECT_EQ(refused(confirm(1, 2)), "not_held_here");
    away_ = true;
    ASSERT_TRUE(pay(create(2, false)).has_value());
    EXPECT_EQ(refused(cancel(2, 3)), "not_held_here") << "nobody can do that without the database";
    core::Command decided = confirm(2, 4);
    decided.stand_in = core::StandIn{};
    EXPECT_EQ(refused(std::move(decided)), "not_held_here") << "nobody decides for it";
    EXPECT_TRUE(connector_.executed.empty());
}

TEST_F(StandInPeersTest, WhoHoldsItTooGoesItsOwnWay) {
    away_ = other_away_ = cut_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    ASSERT_TRUE(pay_there(create(1)).has_value()); // neither could know of the other
    cut_ = false;
    sim_.run_for(seconds{3});
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_EQ(asked(OperationKind::Capture), 1U);
    EXPECT_EQ(connector_.executed.at(0).id, connector_.executed.at(1).id)
        << "one reference, which the acquirer executes once";
    EXPECT_TRUE(connector_.reversed.empty());
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, TheDeadAreNotWaitedFor) {
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    cut_ = true; // as if it had died
    sim_.run_for(MarkBook::silence_max + seconds{1});
    ASSERT_TRUE(seen_there(1).has_value()) << "it is not unknown for that";
    EXPECT_FALSE(seen_there(1)->current);
    EXPECT_EQ(pay_there(confirm(1, 2)).error().code, "stand_in_unable") << "nor here";
    const MonoTime began = env_.now();
    auto paid = pay_there(create(1));
    ASSERT_TRUE(paid.has_value()) << to_string(paid.error());
    EXPECT_LT(env_.now() - began, seconds{1});
    EXPECT_EQ(status_in(paid->answer), PaymentIntentStatus::Processing) << "what is held is taken";
    sim_.run_for(seconds{1});
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    cut_ = false;
    sim_.run_for(seconds{3}); // it is heard again, and has no database yet
    EXPECT_FALSE(seen_there(1) && seen_there(1)->current) << "what it holds is old";
    database_returns();
    EXPECT_EQ(stored(1)->status, PaymentIntentStatus::Succeeded);
    EXPECT_EQ(asked(OperationKind::Capture), 1U);
    EXPECT_TRUE(connector_.reversed.empty()) << "its hold is the one that was captured";
    EXPECT_TRUE(store_.audit().clean());
}

TEST_F(StandInPeersTest, WhoStartsLaterIsTold) {
    away_ = true;
    ASSERT_TRUE(pay(create(1)).has_value());
    stop_other();
    sim_.run_for(seconds{2});
    start_other();
    sim_.run_for(seconds{2});
    ASSERT_TRUE(seen_there(1).has_value());
    EXPECT_TRUE(seen_there(1)->current);
    database_returns();
    EXPECT_TRUE(store_.audit().clean());
}

} // namespace
} // namespace holdfast::processor
