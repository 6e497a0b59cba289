#include "core/detail/test_world.h"

#include <gtest/gtest.h>

namespace holdfast::core {
namespace {

using Types = std::vector<std::string>;
using Status = PaymentIntentStatus;

constexpr std::int64_t price_minor = 1000;

StandIn held_for(const TestWorld& world, Id<PaymentIntent> payment, std::int32_t attempts = 0) {
    return {world.identity.authorization(world.account.id, payment, attempts), {}, {}};
}

/// A payment made and confirmed in stand-in, up to its started authorization.
struct StoodIn {
    explicit StoodIn(TestWorld& world, CaptureMethod method = CaptureMethod::Automatic)
        : creation(world.creation(price_minor, true, method)),
          hold(held_for(world, creation.payment_intent.id)) {
        auto verdict = world.submit(creation, "key", 1, hold);
        EXPECT_TRUE(verdict && verdict->started);
        operation = verdict->started.value();
    }
    CreatePaymentIntent creation;
    StandIn hold;
    Operation operation;
};

/// A payment that was created before, to be confirmed in stand-in.
struct Confirmed {
    explicit Confirmed(TestWorld& world) : creation(world.creation(price_minor, false)) {
        creation.payment_method = world.new_card();
        world.run(creation);
        confirm.id = creation.payment_intent.id;
        hold = held_for(world, confirm.id);
        hold.amount = creation.payment_intent.amount;
        hold.vault_token = creation.payment_method->create->vault_token;
    }
    CreatePaymentIntent creation;
    ConfirmPaymentIntent confirm;
    StandIn hold;
};

TEST(StandIn, HoldsMoneyUnderTheReferenceOfTheAttempt) {
    TestWorld world;
    const StoodIn stood(world);
    EXPECT_EQ(stood.operation.kind, OperationKind::Authorize);
    EXPECT_EQ(stood.operation.id, stood.hold.reference);
    TestWorld with_database;
    const auto sold = with_database.submit(stood.creation, "key");
    ASSERT_TRUE(sold && sold->started);
    EXPECT_EQ(sold->started->kind, OperationKind::Sale);
    EXPECT_EQ(sold->started->id, stood.operation.id) << "whoever asks first decides for both";
    EXPECT_EQ(world.get(stood.operation.payment_intent).status, Status::Processing);
}

TEST(StandIn, TheHoldIsCapturedOnceItIsRecorded) {
    TestWorld world;
    const StoodIn stood(world);
    world.events();
    const Verdict held = world.record(stood.operation, TestWorld::approved());
    EXPECT_EQ(payment_in(held).status, Status::Processing);
    EXPECT_EQ(world.events(), (Types{"charge.succeeded", "payment_intent.processing"}));
    EXPECT_TRUE(world.transactions().empty()) << "a hold is no posting";
    ASSERT_TRUE(held.started.has_value());
    EXPECT_EQ(held.started->kind, OperationKind::Capture);
    EXPECT_EQ(held.started->original, stood.operation.id);
    EXPECT_EQ(held.started->amount.minor, price_minor);

    const Verdict captured = world.record(*held.started, TestWorld::approved());
    EXPECT_EQ(payment_in(captured).status, Status::Succeeded);
    EXPECT_EQ(payment_in(captured).amount_received_minor, price_minor);
    EXPECT_EQ(world.events(), (Types{"charge.captured", "payment_intent.succeeded"}));
    EXPECT_EQ(world.transactions().size(), 1u);
    EXPECT_EQ(world.submit(stood.creation, "key")->answer, held.answer) << "as it was answered";
}

TEST(StandIn, ManualCaptureIsTheMerchants) {
    TestWorld world;
    const StoodIn stood(world, CaptureMethod::Manual);
    const Verdict held = world.record(stood.operation, TestWorld::approved());
    EXPECT_EQ(payment_in(held).status, Status::RequiresCapture);
    EXPECT_FALSE(held.started.has_value());
}

TEST(StandIn, ADeclineIsAsEver) {
    TestWorld world;
    const StoodIn stood(world);
    const Verdict declined = world.record(stood.operation, TestWorld::declined());
    EXPECT_TRUE(declined.answer->declined.has_value());
    EXPECT_EQ(payment_in(declined).status, Status::RequiresPaymentMethod);
    EXPECT_FALSE(declined.started.has_value());
}

TEST(StandIn, AHoldThatCannotBeCapturedIsLetGo) {
    TestWorld world;
    const StoodIn stood(world);
    const Verdict held = world.record(stood.operation, TestWorld::approved());
    for (const OperationOutcome& letting_go : {TestWorld::approved(), TestWorld::declined()}) {
        TestWorld each = world;
        const Verdict failed = each.record(*held.started, TestWorld::declined());
        ASSERT_TRUE(failed.started.has_value());
        EXPECT_EQ(failed.started->kind, OperationKind::Void);
        const Verdict ended = each.record(*failed.started, letting_go);
        EXPECT_EQ(payment_in(ended).status, Status::Canceled);
        EXPECT_EQ(payment_in(ended).cancellation_reason, CancellationReason::Automatic);
        EXPECT_FALSE(payment_in(ended).active_operation);
        EXPECT_TRUE(each.transactions().empty());
    }
}

TEST(StandIn, ComesOutTheSameTheSecondTime) {
    TestWorld world;
    const StoodIn stood(world);
    auto started_before = world.submit(stood.creation, "key", 1, stood.hold);
    ASSERT_TRUE(started_before.has_value());
    EXPECT_FALSE(started_before->started.has_value());
    world.record(stood.operation, TestWorld::approved());
    auto recorded_before = world.submit(stood.creation, "key", 1, stood.hold);
    ASSERT_TRUE(recorded_before.has_value());
    EXPECT_FALSE(recorded_before->started.has_value());
}

TEST(StandIn, ASaleThatIsAHoldIsCaptured) {
    TestWorld world;
    const auto sold = world.submit(world.creation(price_minor), "key");
    ASSERT_TRUE(sold && sold->started);
    OperationOutcome held = TestWorld::approved();
    held.executed_as = OperationKind::Authorize;
    const Verdict recorded = world.record(*sold->started, held);
    EXPECT_EQ(payment_in(recorded).status, Status::Processing);
    EXPECT_TRUE(world.transactions().empty()) << "a hold is no posting";
    EXPECT_EQ(world.get(sold->started->id).kind, OperationKind::Authorize);
    ASSERT_TRUE(recorded.started.has_value());
    EXPECT_EQ(recorded.started->kind, OperationKind::Capture);
    const Verdict captured = world.record(*recorded.started, TestWorld::approved());
    EXPECT_EQ(payment_in(captured).status, Status::Succeeded);
    EXPECT_EQ(world.transactions().size(), 1u);
}

TEST(StandIn, AHoldThatIsASaleIsBooked) {
    TestWorld world;
    const StoodIn stood(world);
    OperationOutcome sold = TestWorld::approved();
    sold.executed_as = OperationKind::Sale;
    const Verdict recorded = world.record(stood.operation, sold);
    EXPECT_EQ(payment_in(recorded).status, Status::Succeeded);
    EXPECT_FALSE(recorded.started.has_value());
    EXPECT_EQ(world.get(stood.operation.id).kind, OperationKind::Sale);
    EXPECT_EQ(world.transactions().size(), 1u);
}

TEST(StandIn, TheSameAttemptInTheDatabaseIsItsOwn) {
    TestWorld world;
    const auto creation = world.creation(price_minor);
    const auto sold = world.submit(creation, "key");
    ASSERT_TRUE(sold && sold->started);
    StandIn hold = held_for(world, creation.payment_intent.id);
    hold.amount = sold->started->amount;
    hold.vault_token = sold->started->vault_token;
    const auto under_way = world.submit(creation, "key", 1, hold);
    ASSERT_TRUE(under_way.has_value()) << under_way.error().code;
    ASSERT_TRUE(under_way->started.has_value()) << "whoever knows its outcome may record it";
    EXPECT_EQ(under_way->started->id, hold.reference);

    StandIn other_money = hold;
    other_money.amount.minor += 1;
    const auto early = world.submit(creation, "key", 1, other_money);
    ASSERT_FALSE(early.has_value()) << "what was held for other money is not its word";
    EXPECT_TRUE(early.error().retryable) << "nothing may lead to its reversal";

    world.record(*sold->started, TestWorld::approved());
    for (bool cached : {true, false}) {
        if (!cached) world.expire_replays();
        const auto late = world.submit(creation, "key", 1, hold);
        ASSERT_TRUE(late.has_value()) << late.error().code;
        EXPECT_FALSE(late->started.has_value());
        EXPECT_EQ(payment_in(*late).status, Status::Succeeded);
    }
}

TEST(StandIn, TheAttemptOfAnotherRequestAnswersThisOneToo) {
    for (const bool approved : {true, false}) {
        TestWorld world;
        const Confirmed payment(world);
        const auto other = world.submit(payment.confirm, "other");
        ASSERT_TRUE(other && other->started);
        const auto open = world.submit(payment.confirm, "confirm", 1, payment.hold);
        ASSERT_TRUE(open && open->started) << "its outcome may be recorded";
        const auto outcome = approved ? TestWorld::approved() : TestWorld::declined();
        world.record(*other->started, outcome);
        const auto late = world.submit(payment.confirm, "confirm", 1, payment.hold);
        ASSERT_TRUE(late && late->answer);
        EXPECT_EQ(late->answer->declined.has_value(), !approved);
        const auto repeated = world.submit(payment.confirm, "confirm");
        ASSERT_TRUE(repeated.has_value()) << "answered and then refused: " << repeated.error().code;
        EXPECT_TRUE(repeated->replayed);
        EXPECT_EQ(repeated->answer, late->answer);
    }
}

TEST(StandIn, ConfirmsWhatIsStillTheSame) {
    TestWorld world;
    const Confirmed payment(world);
    auto verdict = world.submit(payment.confirm, "confirm", 1, payment.hold);
    ASSERT_TRUE(verdict && verdict->started);
    EXPECT_EQ(verdict->started->id, payment.hold.reference);
}

TEST(StandIn, WhoHasALaterAttemptUnderWayIsNotAnsweredByAnEarlierOne) {
    TestWorld world;
    const Confirmed payment(world);
    world.run(payment.confirm, TestWorld::declined(), "first");
    ConfirmPaymentIntent again = payment.confirm;
    again.payment_method = world.new_card();
    const auto second = world.submit(again, "second");
    ASSERT_TRUE(second && second->started);
    ASSERT_TRUE(world.submit(again, "second", 1, payment.hold).has_value());
    world.record(*second->started, TestWorld::approved());
    const auto repeated = world.submit(again, "second");
    ASSERT_TRUE(repeated && repeated->answer);
    EXPECT_FALSE(repeated->answer->declined.has_value());
}

TEST(StandIn, WhatNoLongerFitsIsReversedAndItsReferenceUsedUp) {
    UpdatePaymentIntent other_price{};
    other_price.amount_minor = {true, price_minor + 1};
    UpdatePaymentIntent other_card{};
    {
        TestWorld world;
        other_card.payment_method = world.new_card();
        other_card.payment_method->create->vault_token = "another";
    }
    for (UpdatePaymentIntent& change : {std::ref(other_price), std::ref(other_card)}) {
        TestWorld world;
        const Confirmed payment(world);
        change.id = payment.confirm.id;
        world.run(change);
        const auto late = world.submit(payment.confirm, "confirm", 1, payment.hold);
        ASSERT_TRUE(late && late->started);
        EXPECT_TRUE(late->started->reversing) << "an approval must not be recorded";
        EXPECT_EQ(late->started->id, payment.hold.reference);
        EXPECT_EQ(late->started->amount, payment.hold.amount);
        EXPECT_EQ(late->started->vault_token, payment.hold.vault_token);
        world.events();
        world.record(*late->started, TestWorld::reversed());
        EXPECT_EQ(world.events(), (Types{"charge.failed", "payment_intent.payment_failed"}));
        EXPECT_EQ(world.get(payment.confirm.id).failed_attempts, 1);
    }
}

TEST(StandIn, WhatWasHeldAWeekAgoIsNotChargedAnyMore) {
    for (const bool late : {false, true}) {
        TestWorld world;
        const Confirmed payment(world);
        const Command confirm = world.command(payment.confirm, "confirm", 1, payment.hold);
        world.advance(std::chrono::days{7} - std::chrono::seconds{late ? 0 : 1});
        const auto drained = world.submit(confirm);
        ASSERT_TRUE(drained && drained->started);
        EXPECT_EQ(drained->started->reversing, late);
    }
}

TEST(StandIn, IsSupersededByACancellation) {
    TestWorld world;
    const Confirmed payment(world);
    world.run(CancelPaymentIntent{payment.confirm.id});
    EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
              "stand_in_superseded");
}

TEST(StandIn, WaitsForTheAttemptBeforeIt) {
    TestWorld world;
    const Confirmed payment(world);
    const auto first = world.submit(payment.confirm, "confirm", 1, payment.hold);
    ASSERT_TRUE(first && first->started);
    ConfirmPaymentIntent confirm = payment.confirm;
    confirm.payment_method = world.new_card();
    StandIn second = held_for(world, confirm.id, 1);
    second.amount = payment.hold.amount;
    second.vault_token = confirm.payment_method->create->vault_token;
    const auto early = world.submit(confirm, "again", 1, second);
    ASSERT_FALSE(early.has_value());
    EXPECT_TRUE(early.error().retryable) << early.error().code;

    TestWorld taken = world;
    taken.record(*first->started, TestWorld::approved());
    taken.record(taken.get(taken.get(confirm.id).active_operation), TestWorld::approved());
    EXPECT_EQ(taken.submit(confirm, "again", 1, second).error().code, "stand_in_superseded");

    world.record(*first->started, TestWorld::declined());
    const auto late = world.submit(confirm, "again", 1, second);
    ASSERT_TRUE(late.has_value()) << late.error().code;
    ASSERT_TRUE(late->started) << "what was held in stand-in stands";
    EXPECT_EQ(late->started->id, second.reference);
    EXPECT_FALSE(late->started->reversing);
}

TEST(StandIn, AReferenceOfAnotherAttemptIsNotAdopted) {
    TestWorld world;
    Confirmed payment(world);
    payment.hold.reference = held_for(world, payment.confirm.id, 1).reference;
    EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
              "stand_in_superseded");
}

} // namespace
} // namespace holdfast::core
