#include "core/detail/test_world.h"

#include <gtest/gtest.h>

namespace holdfast::core {
namespace {

using Types = std::vector<std::string>;
using Status = PaymentIntentStatus;

constexpr std::int64_t price_minor = 1000;

StandIn held_for(const TestWorld& world, Id<PaymentIntent> payment) {
    return {world.identity.stand_in_authorization(world.account.id, payment, 0), {}, {}};
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

TEST(StandIn, HoldsMoneyUnderAReferenceOfItsOwn) {
    TestWorld world;
    const StoodIn stood(world);
    EXPECT_EQ(stood.operation.kind, OperationKind::Authorize);
    EXPECT_EQ(stood.operation.id, stood.hold.reference);
    EXPECT_NE(stood.operation.id,
              world.identity.authorization(world.account.id, stood.operation.payment_intent, 0));
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

TEST(StandIn, WhatHappenedInTheDatabaseWins) {
    TestWorld world;
    const auto creation = world.creation(price_minor);
    world.run(creation, TestWorld::approved(), "key");
    const auto late = world.submit(creation, "key", 1, held_for(world, creation.payment_intent.id));
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code, "stand_in_superseded");
    world.expire_replays();
    EXPECT_EQ(
        world.submit(creation, "key", 1, held_for(world, creation.payment_intent.id)).error().code,
        "stand_in_superseded");
}

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

TEST(StandIn, ConfirmsWhatIsStillTheSame) {
    TestWorld world;
    const Confirmed payment(world);
    auto verdict = world.submit(payment.confirm, "confirm", 1, payment.hold);
    ASSERT_TRUE(verdict && verdict->started);
    EXPECT_EQ(verdict->started->id, payment.hold.reference);
}

TEST(StandIn, IsSupersededByAnyChangeOfWhatItHeld) {
    {
        TestWorld world;
        const Confirmed payment(world);
        UpdatePaymentIntent other_price{.id = payment.confirm.id};
        other_price.amount_minor = {true, price_minor + 1};
        world.run(other_price);
        EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
                  "stand_in_superseded");
    }
    {
        TestWorld world;
        const Confirmed payment(world);
        UpdatePaymentIntent other_card{.id = payment.confirm.id};
        other_card.payment_method = world.new_card();
        other_card.payment_method->create->vault_token = "another";
        world.run(other_card);
        EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
                  "stand_in_superseded");
    }
    {
        TestWorld world;
        const Confirmed payment(world);
        world.run(CancelPaymentIntent{payment.confirm.id});
        EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
                  "stand_in_superseded");
    }
}

TEST(StandIn, WaitsForWhatIsUnderWayInTheDatabase) {
    TestWorld world;
    Confirmed payment(world);
    ConfirmPaymentIntent confirm = payment.confirm;
    confirm.payment_method = world.new_card();
    payment.hold.vault_token = confirm.payment_method->create->vault_token;
    const auto other = world.submit(payment.confirm, "other");
    ASSERT_TRUE(other && other->started);
    const auto early = world.submit(confirm, "confirm", 1, payment.hold);
    ASSERT_FALSE(early.has_value());
    EXPECT_TRUE(early.error().retryable) << early.error().code;

    TestWorld taken = world;
    taken.record(*other->started, TestWorld::approved());
    EXPECT_EQ(taken.submit(confirm, "confirm", 1, payment.hold).error().code,
              "stand_in_superseded");

    world.record(*other->started, TestWorld::declined());
    const auto late = world.submit(confirm, "confirm", 1, payment.hold);
    ASSERT_TRUE(late.has_value()) << late.error().code;
    ASSERT_TRUE(late->started) << "what was held in stand-in stands";
    EXPECT_EQ(late->started->id, payment.hold.reference);
}

TEST(StandIn, IsSupersededByADeclineUnderTheSameKey) {
    TestWorld world;
    const Confirmed payment(world);
    world.run(payment.confirm, TestWorld::declined(), "confirm");
    EXPECT_EQ(world.submit(payment.confirm, "confirm", 1, payment.hold).error().code,
              "stand_in_superseded");
}

} // namespace
} // namespace holdfast::core
