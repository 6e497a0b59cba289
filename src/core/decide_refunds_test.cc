#include "core/detail/test_world.h"

#include <gtest/gtest.h>

namespace holdfast::core {
namespace {

using Types = std::vector<std::string>;

CreateRefund refund_of(TestWorld& world, Id<PaymentIntent> payment,
                       std::optional<std::int64_t> minor = std::nullopt) {
    return {.id = Id<Refund>(world.next_id()), .payment_intent = payment, .amount_minor = minor};
}

TEST(Refunds, ReturnEverythingByDefault) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    world.events();
    const CreateRefund command = refund_of(world, payment.id);
    const auto started = world.submit(command);
    ASSERT_TRUE(started->started.has_value());
    EXPECT_EQ(started->started->kind, OperationKind::Refund);
    EXPECT_EQ(started->started->refund, command.id);
    EXPECT_EQ(started->started->original, world.get(payment.latest_charge).authorization);
    EXPECT_EQ(world.get(command.id).status, RefundStatus::Pending);
    EXPECT_EQ(world.get(payment.latest_charge).amount_refunded_minor, 1000) << "set aside";
    const Verdict verdict = world.record(*started->started, TestWorld::approved());
    const Refund refund = *restore<Refund>(verdict.answer->object);
    EXPECT_EQ(refund.status, RefundStatus::Succeeded);
    EXPECT_EQ(refund.amount.minor, 1000);
    EXPECT_EQ(world.events(), (Types{"refund.created", "charge.refunded", "refund.updated"}));
}

TEST(Refunds, PostWhatTheyReturn) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    const CreateRefund command = refund_of(world, payment.id, 400);
    world.run(command);
    ASSERT_EQ(world.transactions().size(), 2u);
    const BalanceTransaction& booked = world.transactions()[1].balance_transaction;
    EXPECT_EQ(booked.kind, PostingKind::Refund);
    EXPECT_EQ(booked.amount.minor, -400);
    EXPECT_EQ(booked.fee_minor, 0) << "the fee of the capture is not given back";
    EXPECT_EQ(booked.source_kind, ObjectKind::Refund);
    EXPECT_EQ(booked.source, command.id.uuid());
    EXPECT_EQ(booked.id, world.get(command.id).balance_transaction);
    EXPECT_EQ(world.balance(LedgerAccountKind::Available), -400);
    EXPECT_EQ(world.balance(LedgerAccountKind::AcquirerReceivable), -600);
}

TEST(Refunds, NeverReturnMoreThanWasTaken) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    const auto too_much = world.submit(refund_of(world, payment.id, 1001));
    ASSERT_FALSE(too_much.has_value());
    EXPECT_EQ(too_much.error().param, "amount");
    EXPECT_EQ(too_much.error().message,
              "Refund amount ($10.01) is greater than unrefunded amount on charge ($10.00)");
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 0)), "parameter_invalid_integer");
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, -1)), "parameter_invalid_integer");
    world.run(refund_of(world, payment.id, 700));
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 301)), "amount_too_large");
    world.run(refund_of(world, payment.id));
    EXPECT_EQ(world.get(world.refunds().back()).amount.minor, 300);
    EXPECT_EQ(world.refuse(refund_of(world, payment.id)), "charge_already_refunded");
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 1)), "charge_already_refunded");
}

TEST(Refunds, OfAPartialCaptureReturnOnlyWhatWasCaptured) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, CaptureMethod::Manual);
    world.run(CapturePaymentIntent{.id = held.id, .amount_to_capture_minor = 400});
    EXPECT_EQ(world.refuse(refund_of(world, held.id, 401)), "amount_too_large");
    world.run(refund_of(world, held.id));
    EXPECT_EQ(world.get(world.refunds().back()).amount.minor, 400);
}

TEST(Refunds, OneAtATime) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    const auto first = world.submit(refund_of(world, payment.id, 600));
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 600)), "lock_timeout");
    world.record(*first->started, TestWorld::approved());
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 600)), "amount_too_large");
    EXPECT_EQ(world.refuse(refund_of(world, payment.id, 400)), "");
}

TEST(Refunds, ThatFailGiveTheAmountBack) {
    const struct {
        OperationOutcome outcome;
        std::string_view reason;
    } cases[] = {
        {TestWorld::declined("generic_decline"), "declined"},
        {TestWorld::declined("insufficient_funds"), "insufficient_funds"},
        {TestWorld::declined("stolen_card"), "lost_or_stolen_card"},
        {{OperationState::Declined, {"expired_card", "", ""}, {}}, "expired_or_canceled_card"},
        {{OperationState::Declined, {}, {}}, "unknown"},
        {TestWorld::reversed(), "unknown"},
    };
    for (const auto& c : cases) {
        TestWorld world;
        const PaymentIntent payment = world.pay(1000);
        world.events();
        const CreateRefund command = refund_of(world, payment.id, 400);
        const Verdict verdict = world.run(command, c.outcome);
        EXPECT_FALSE(verdict.answer->declined.has_value()) << "a failed refund is a 200";
        EXPECT_EQ(world.get(command.id).status, RefundStatus::Failed);
        EXPECT_EQ(world.get(command.id).failure_reason, c.reason);
        EXPECT_EQ(world.get(payment.latest_charge).amount_refunded_minor, 0);
        EXPECT_EQ(world.transactions().size(), 1u);
        EXPECT_EQ(world.events(), (Types{"refund.created", "refund.updated", "refund.failed",
                                         "charge.refund.updated"}));
        EXPECT_EQ(world.refuse(refund_of(world, payment.id)), "");
    }
}

TEST(Refunds, NameTheirChargeRightly) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const auto declined = payment_in(world.run(creation, TestWorld::declined()));
    const ConfirmPaymentIntent again{.id = declined.id, .payment_method = world.new_card()};
    const PaymentIntent payment = payment_in(world.run(again));
    const PaymentIntent other = world.pay(2000);
    CreateRefund command = refund_of(world, payment.id);
    command.charge = declined.latest_charge;
    EXPECT_EQ(world.refuse(command), "payment_intent_unexpected_state");
    command.charge = other.latest_charge;
    EXPECT_EQ(world.refuse(command), "resource_missing");
    command.charge = Id<Charge>(world.next_id());
    EXPECT_EQ(world.refuse(command), "resource_missing");
    command.charge = payment.latest_charge;
    command.currency = {true, *Currency::parse("eur")};
    EXPECT_EQ(world.refuse(command), "currency_mismatch");
    command.currency = {true, *Currency::parse("usd")};
    EXPECT_EQ(world.refuse(command), "");
    const auto missing = world.submit(refund_of(world, Id<PaymentIntent>(world.next_id())));
    EXPECT_EQ(missing.error().param, "payment_intent");
    EXPECT_EQ(missing.error().kind, ErrorClass::Invalid);
}

TEST(Refunds, AndChargesCanBeAnnotated) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    const CreateRefund command = refund_of(world, payment.id);
    world.run(command);
    world.events();
    world.run(UpdateRefund{command.id, payment.id, {.set = {{"a", "b"}}}});
    EXPECT_EQ(world.get(command.id).metadata.at("a"), "b");
    EXPECT_EQ(world.events(), (Types{"refund.updated", "charge.refund.updated"}));
    world.run(UpdateCharge{.id = payment.latest_charge,
                           .payment_intent = payment.id,
                           .description = {true, "lunch"},
                           .metadata = {.set = {{"c", "d"}}}});
    EXPECT_EQ(world.get(payment.latest_charge).details.description, "lunch");
    EXPECT_EQ(world.get(payment.latest_charge).details.metadata.at("c"), "d");
    EXPECT_EQ(world.events(), (Types{"charge.updated"}));
    const PaymentIntent other = world.pay(500);
    EXPECT_EQ(world.refuse(UpdateRefund{command.id, other.id, {}}), "resource_missing");
    EXPECT_EQ(world.refuse(UpdateCharge{.id = payment.latest_charge, .payment_intent = other.id}),
              "resource_missing");
}

} // namespace
} // namespace holdfast::core
