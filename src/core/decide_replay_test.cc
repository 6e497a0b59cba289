#include "core/detail/test_world.h"

#include <gtest/gtest.h>

namespace holdfast::core {
namespace {

const Uuid nil;

TEST(Replay, AnswersAgainWhatItAnsweredBefore) {
    TestWorld world;
    CreateCustomer creation;
    creation.customer.id = Id<Customer>(world.next_id());
    creation.customer.name = "Ada";
    const auto first = world.submit(creation, "key");
    world.run(UpdateCustomer{.id = creation.customer.id, .name = {true, "Grace"}});
    const auto again = world.submit(creation, "key");
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->replayed);
    EXPECT_NE(again->original_request, nil);
    EXPECT_EQ(again->answer, first->answer) << "as it was then, not as it is now";
    EXPECT_FALSE(first->replayed);
}

TEST(Replay, RefusesOtherParametersUnderTheSameKey) {
    TestWorld world;
    CreateCustomer creation;
    creation.customer.id = Id<Customer>(world.next_id());
    world.run(creation, {}, "key");
    const auto other = world.submit(creation, "key", 2);
    ASSERT_FALSE(other.has_value());
    EXPECT_EQ(other.error().code, "idempotency_error");
    EXPECT_EQ(other.error().kind, ErrorClass::Invalid);
    EXPECT_NE(other.error().message.find("'key'"), std::string::npos);
    world.expire_replays();
    EXPECT_EQ(world.refuse(creation, "key", 2), "idempotency_error") << "the object remembers";
}

TEST(Replay, OutlivesTheCachedAnswer) {
    TestWorld world;
    CreateCustomer customer;
    customer.customer.id = Id<Customer>(world.next_id());
    CreatePaymentMethod method{*world.new_card().create, {}};
    CreateToken token;
    token.token.id = Id<Token>(world.next_id());
    const auto payment = world.creation(1000);
    const CreateRefund refund{.id = Id<Refund>(world.next_id()),
                              .payment_intent = payment.payment_intent.id};
    for (const CommandBody& command :
         {CommandBody(customer), CommandBody(method), CommandBody(token), CommandBody(payment),
          CommandBody(refund)}) {
        const Verdict first = world.run(command, TestWorld::approved(), "key");
        world.expire_replays();
        const auto again = world.submit(command, "key");
        ASSERT_TRUE(again.has_value()) << again.error().code;
        EXPECT_TRUE(again->replayed);
        EXPECT_FALSE(again->started.has_value()) << "never a second operation";
        EXPECT_EQ(again->answer, first.answer);
        EXPECT_EQ(world.refuse(command, "key", 2), "idempotency_error");
    }
    EXPECT_EQ(world.charges().size(), 1u);
    EXPECT_EQ(world.refunds().size(), 1u);
}

TEST(Replay, WaitsForTheFirstRequest) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const auto started = world.submit(creation, "key");
    EXPECT_EQ(world.refuse(creation, "key"), "idempotency_key_in_use");
    EXPECT_EQ(world.refuse(creation, "key", 2), "idempotency_error");
    const ConfirmPaymentIntent confirm{.id = creation.payment_intent.id};
    EXPECT_EQ(world.refuse(confirm, "key"), "lock_timeout") << "another endpoint: another key";
    const auto busy = world.submit(confirm);
    EXPECT_TRUE(busy.error().retryable);
    EXPECT_EQ(busy.error().kind, ErrorClass::Conflict);
    const Verdict first = world.record(*started->started, TestWorld::approved());
    const auto again = world.submit(creation, "key");
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->answer, first.answer);
    EXPECT_EQ(again->original_request, started->started->request.request_id);
}

TEST(Replay, KeepsDeclinesToo) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const Verdict first = world.run(creation, TestWorld::declined(), "key");
    ASSERT_TRUE(first.answer->declined.has_value());
    EXPECT_EQ(world.submit(creation, "key")->answer, first.answer);
    world.expire_replays();
    EXPECT_EQ(world.submit(creation, "key")->answer, first.answer) << "from the payment itself";
    world.run(UpdatePaymentIntent{.id = creation.payment_intent.id, .description = {true, "x"}});
    EXPECT_FALSE(world.submit(creation, "key")->answer->declined.has_value())
        << "changed since: its current state";
}

TEST(Replay, OfACreationDoesNotTakeALaterDeclineForItsOwn) {
    TestWorld world;
    const auto creation = world.creation(1000);
    world.run(creation, TestWorld::declined(), "key");
    world.expire_replays();
    world.run(
        ConfirmPaymentIntent{.id = creation.payment_intent.id, .payment_method = world.new_card()},
        TestWorld::declined());
    EXPECT_FALSE(world.submit(creation, "key")->answer->declined.has_value());
}

TEST(Replay, OfConfirmCaptureCancelAndRefund) {
    TestWorld world;
    auto creation = world.creation(1000, false, CaptureMethod::Manual);
    creation.payment_method = world.new_card();
    world.run(creation);
    const Id<PaymentIntent> id = creation.payment_intent.id;
    const auto refund = [&] {
        return CreateRefund{.id = Id<Refund>(world.next_id()), .payment_intent = id};
    };
    const struct {
        CommandBody command, of_another_key;
    } cases[] = {{ConfirmPaymentIntent{.id = id}, ConfirmPaymentIntent{.id = id}},
                 {CapturePaymentIntent{.id = id}, CapturePaymentIntent{.id = id}},
                 {refund(), refund()}};
    for (const auto& [command, of_another_key] : cases) {
        const auto started = world.submit(command, "key");
        ASSERT_TRUE(started->started.has_value());
        EXPECT_EQ(world.refuse(command, "key"), "idempotency_key_in_use");
        EXPECT_EQ(world.refuse(of_another_key, "other"), "lock_timeout");
        EXPECT_EQ(world.refuse(of_another_key), "lock_timeout");
        const Verdict first = world.record(*started->started, TestWorld::approved());
        EXPECT_EQ(world.submit(command, "key")->answer, first.answer);
        EXPECT_TRUE(world.submit(command, "key")->replayed);
    }
    const PaymentIntent held = world.pay(500, CaptureMethod::Manual);
    const auto started = world.submit(CancelPaymentIntent{.id = held.id}, "key");
    EXPECT_EQ(world.refuse(CancelPaymentIntent{.id = held.id}, "key"), "idempotency_key_in_use");
    const Verdict first = world.record(*started->started, TestWorld::approved());
    EXPECT_EQ(world.submit(CancelPaymentIntent{.id = held.id}, "key")->answer, first.answer);
}

TEST(Replay, ErrorsAreNotKept) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, CaptureMethod::Manual);
    const CapturePaymentIntent too_much{.id = held.id, .amount_to_capture_minor = 2000};
    EXPECT_EQ(world.refuse(too_much, "key"), "amount_too_large");
    const CapturePaymentIntent fits{.id = held.id, .amount_to_capture_minor = 1000};
    EXPECT_TRUE(world.submit(fits, "key")->started.has_value()) << "nothing was done before";
}

TEST(Replay, WithinOneBatch) {
    TestWorld world;
    CreateCustomer creation;
    creation.customer.id = Id<Customer>(world.next_id());
    Command command{.account = world.account.id, .received = world.now, .body = creation};
    command.request.replay_key = world.next_id();
    const DecideContext context{world.now, world.account, world.identity, world.owner,
                                world.now + std::chrono::seconds{15}};
    UnitOfWork work;
    const auto first = decide(command, work, context);
    const auto second = decide(command, work, context);
    EXPECT_FALSE(first->replayed);
    EXPECT_TRUE(second->replayed);
    EXPECT_EQ(work.new_replays.size(), 1u);
    EXPECT_EQ(work.events.size(), 1u);
}

TEST(Replay, KeylessRequestsNeverTakeEachOtherForThemselves) {
    TestWorld world;
    auto creation = world.creation(1000, false);
    creation.payment_method = world.new_card();
    world.run(creation);
    const ConfirmPaymentIntent confirm{.id = creation.payment_intent.id};
    ASSERT_TRUE(world.submit(confirm)->started.has_value());
    EXPECT_EQ(world.refuse(confirm), "lock_timeout");
}

TEST(Replay, ConfirmWithACardOfItsOwnAfterExpiry) {
    TestWorld world;
    const auto creation = world.creation(1000, false);
    world.run(creation);
    const ConfirmPaymentIntent confirm{.id = creation.payment_intent.id,
                                       .payment_method = world.new_card()};
    world.run(confirm, TestWorld::declined(), "key");
    world.expire_replays();
    EXPECT_EQ(world.refuse(confirm, "key", 2), "idempotency_error");
    EXPECT_TRUE(world.submit(confirm, "key")->started.has_value()) << "the same card once more";
}

// --- Outcomes and claims -----------------------------------------------------------------------

TEST(Outcome, IsRecordedOnce) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const Operation operation = *world.submit(creation)->started;
    const Verdict first = world.record(operation, TestWorld::approved());
    for (const OperationOutcome& late :
         {TestWorld::approved(), TestWorld::declined(), TestWorld::reversed()}) {
        const auto again = world.submit(record_outcome(operation, late));
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->answer, first.answer);
    }
    EXPECT_EQ(world.transactions().size(), 1u);
}

TEST(Outcome, RecordedBeforeTellsDeclinesAndRefunds) {
    TestWorld world;
    const Operation sale = *world.submit(world.creation(1000))->started;
    const Verdict declined = world.record(sale, TestWorld::declined());
    EXPECT_EQ(world.submit(record_outcome(sale, TestWorld::approved()))->answer, declined.answer);
    const PaymentIntent payment = world.pay(1000);
    const Operation refund =
        *world
             .submit(CreateRefund{.id = Id<Refund>(world.next_id()), .payment_intent = payment.id})
             ->started;
    const Verdict refunded = world.record(refund, TestWorld::approved());
    EXPECT_EQ(world.submit(record_outcome(refund, TestWorld::declined()))->answer, refunded.answer);
}

TEST(Outcome, RefusesWhatCanNotBe) {
    TestWorld world;
    const Operation operation = *world.submit(world.creation(1000))->started;
    EXPECT_EQ(world.refuse(record_outcome(operation, {OperationState::Started, {}, {}})),
              "outcome_open");
    RecordOutcome lost = record_outcome(operation, TestWorld::approved());
    lost.operation = Id<Operation>(world.next_id());
    EXPECT_EQ(world.refuse(lost), "operation_missing");
    lost = record_outcome(operation, TestWorld::approved());
    lost.payment_intent = world.pay(500).id;
    EXPECT_EQ(world.refuse(lost), "operation_missing");
}

TEST(Claim, TakesOverOnlyWhenTheTimeOfTheOwnerIsOver) {
    TestWorld world;
    const Operation operation = *world.submit(world.creation(1000))->started;
    const Uuid resolver = world.next_id();
    ClaimOperation claim{.payment_intent = operation.payment_intent,
                         .operation = operation.id,
                         .expected_owner = world.owner,
                         .new_owner = resolver};
    EXPECT_EQ(world.refuse(claim), "operation_claimed") << "before valid_until";
    world.advance(std::chrono::seconds{15});
    const auto claimed = world.submit(claim);
    ASSERT_TRUE(claimed.has_value());
    EXPECT_FALSE(claimed->started.has_value()) << "a claim executes nothing by itself";
    EXPECT_EQ(world.get(operation.id).owner, resolver);
    EXPECT_EQ(world.get(operation.id).valid_until, world.now + std::chrono::seconds{15})
        << "by the clock of the decision, whatever the claimant's says";
    world.advance(std::chrono::seconds{60});
    EXPECT_EQ(world.refuse(claim), "operation_claimed") << "somebody else was first";
    world.record(operation, TestWorld::approved());
    claim.expected_owner = resolver;
    EXPECT_EQ(world.refuse(claim), "operation_claimed") << "the outcome is recorded";
}

TEST(Claim, ToReverseRulesOutAnApproval) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const Operation operation = *world.submit(creation)->started;
    ClaimOperation claim{.payment_intent = operation.payment_intent,
                         .operation = operation.id,
                         .expected_owner = world.owner,
                         .new_owner = world.owner,
                         .to_reverse = true};
    ASSERT_TRUE(world.submit(claim).has_value()) << "the owner may at any time";
    EXPECT_EQ(world.refuse(record_outcome(operation, TestWorld::approved())),
              "operation_reversing");
    claim.to_reverse = false;
    ASSERT_TRUE(world.submit(claim).has_value());
    EXPECT_TRUE(world.get(operation.id).reversing) << "decided for good";
    const Verdict verdict = world.record(operation, TestWorld::reversed());
    EXPECT_EQ(payment_in(verdict).status, PaymentIntentStatus::RequiresPaymentMethod);
    EXPECT_EQ(world.get(operation.id).state, OperationState::Reversed);
}

} // namespace
} // namespace holdfast::core
