#include "core/detail/test_world.h"
#include "core/names.h"

#include <gtest/gtest.h>

#include <functional>

namespace holdfast::core {
namespace {

using Types = std::vector<std::string>;
using Status = PaymentIntentStatus;

constexpr auto manual = CaptureMethod::Manual;

// --- Which command is allowed in which state ---------------------------------------------------

/// Brings a world into a state and returns the payment that is in it.
struct State {
    std::string_view name;
    std::function<Id<PaymentIntent>(TestWorld&)> reach;
};

Id<PaymentIntent> created(TestWorld& world, CreatePaymentIntent creation) {
    world.run(creation);
    return creation.payment_intent.id;
}

const State states[] = {
    {"requires_payment_method", [](TestWorld& w) { return created(w, w.creation(1000, false)); }},
    {"requires_confirmation",
     [](TestWorld& w) {
         auto creation = w.creation(1000, false);
         creation.payment_method = w.new_card();
         return created(w, creation);
     }},
    {"processing",
     [](TestWorld& w) {
         const auto creation = w.creation(1000);
         EXPECT_TRUE(w.submit(creation)->started.has_value());
         return creation.payment_intent.id;
     }},
    {"requires_capture", [](TestWorld& w) { return w.pay(1000, manual).id; }},
    {"succeeded", [](TestWorld& w) { return w.pay(1000).id; }},
    {"canceled",
     [](TestWorld& w) {
         const auto id = created(w, w.creation(1000, false));
         w.run(CancelPaymentIntent{id});
         return id;
     }},
    {"declined",
     [](TestWorld& w) {
         const auto creation = w.creation(1000);
         w.run(creation, TestWorld::declined());
         return creation.payment_intent.id;
     }},
};

const std::string unexpected = "payment_intent_unexpected_state";

struct Attempt {
    std::string_view name;
    std::function<CommandBody(TestWorld&, Id<PaymentIntent>)> command;
    std::vector<std::string> codes; ///< by state, in the order of `states`
};

const Attempt attempts[] = {
    {"confirm with a card",
     [](TestWorld& w, Id<PaymentIntent> id) {
         return ConfirmPaymentIntent{.id = id, .payment_method = w.new_card()};
     },
     {"", "", "lock_timeout", unexpected, unexpected, unexpected, ""}},
    {"confirm as it is",
     [](TestWorld&, Id<PaymentIntent> id) { return ConfirmPaymentIntent{.id = id}; },
     {unexpected, "", "lock_timeout", unexpected, unexpected, unexpected, unexpected}},
    {"capture",
     [](TestWorld&, Id<PaymentIntent> id) { return CapturePaymentIntent{.id = id}; },
     {unexpected, unexpected, "lock_timeout", "", unexpected, unexpected, unexpected}},
    {"cancel",
     [](TestWorld&, Id<PaymentIntent> id) { return CancelPaymentIntent{.id = id}; },
     {"", "", unexpected, "", unexpected, unexpected, ""}},
    {"refund",
     [](TestWorld& w, Id<PaymentIntent> id) {
         return CreateRefund{.id = Id<Refund>(w.next_id()), .payment_intent = id};
     },
     {unexpected, unexpected, "lock_timeout", unexpected, "", unexpected, unexpected}},
    {"change the amount",
     [](TestWorld&, Id<PaymentIntent> id) {
         return UpdatePaymentIntent{.id = id, .amount_minor = {true, 2000}};
     },
     {"", "", unexpected, unexpected, unexpected, unexpected, ""}},
    {"change the payment method",
     [](TestWorld& w, Id<PaymentIntent> id) {
         return UpdatePaymentIntent{.id = id, .payment_method = w.new_card()};
     },
     {"", "", unexpected, unexpected, unexpected, unexpected, ""}},
    {"change the customer",
     [](TestWorld& w, Id<PaymentIntent> id) {
         return UpdatePaymentIntent{.id = id, .customer = {true, w.customer()}};
     },
     {"", "", unexpected, unexpected, unexpected, unexpected, ""}},
    {"change the description",
     [](TestWorld&, Id<PaymentIntent> id) {
         return UpdatePaymentIntent{.id = id, .description = {true, "lunch"}};
     },
     {"", "", "", "", "", "", ""}},
};

TEST(Payments, AllowInEachStateWhatStripeAllows) {
    for (const Attempt& attempt : attempts)
        for (std::size_t i = 0; i < std::size(states); ++i) {
            TestWorld world;
            const Id<PaymentIntent> id = states[i].reach(world);
            const CommandBody command = attempt.command(world, id);
            EXPECT_EQ(world.refuse(command), attempt.codes.at(i))
                << attempt.name << " while " << states[i].name;
        }
}

TEST(Payments, UnknownOnesAreNotFound) {
    TestWorld world;
    const Id<PaymentIntent> id(world.next_id());
    for (const CommandBody& command :
         {CommandBody(ConfirmPaymentIntent{.id = id}), CommandBody(CapturePaymentIntent{.id = id}),
          CommandBody(CancelPaymentIntent{.id = id}), CommandBody(UpdatePaymentIntent{.id = id})}) {
        const auto verdict = world.submit(command);
        ASSERT_FALSE(verdict.has_value());
        EXPECT_EQ(verdict.error().kind, ErrorClass::NotFound);
        EXPECT_EQ(verdict.error().code, "resource_missing");
        EXPECT_EQ(verdict.error().param, "intent");
        EXPECT_EQ(verdict.error().message, "No such payment_intent: '" + id.str() + "'");
    }
}

// --- What an outcome makes of a payment --------------------------------------------------------

TEST(Payments, SaleApproved) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1099);
    EXPECT_EQ(payment.status, Status::Succeeded);
    EXPECT_EQ(payment.amount_received_minor, 1099);
    EXPECT_TRUE(payment.active_operation.is_nil());
    const Charge& charge = world.get(payment.latest_charge);
    EXPECT_EQ(charge.status, ChargeStatus::Succeeded);
    EXPECT_TRUE(charge.captured);
    EXPECT_EQ(charge.amount_captured_minor, 1099);
    EXPECT_EQ(charge.authorization_code, "A12345");
    EXPECT_EQ(charge.card.last4, "4242");
    EXPECT_EQ(world.get(charge.authorization).kind, OperationKind::Sale);
    EXPECT_EQ(world.get(charge.authorization).state, OperationState::Approved);
    EXPECT_EQ(world.events(),
              (Types{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}));
    ASSERT_EQ(world.transactions().size(), 1u);
    const BalanceTransaction& booked = world.transactions()[0].balance_transaction;
    EXPECT_EQ(booked.id, charge.balance_transaction);
    EXPECT_EQ(booked.kind, PostingKind::Capture);
    EXPECT_EQ(booked.amount.minor, 1099);
    EXPECT_EQ(booked.fee_minor, 62);
    EXPECT_EQ(booked.source, charge.id.uuid());
    EXPECT_EQ(booked.available_on, world.now + std::chrono::days{2});
    EXPECT_EQ(world.balance(LedgerAccountKind::Pending), 1037);
    EXPECT_EQ(world.balance(LedgerAccountKind::FeeIncome), 62);
}

TEST(Payments, AuthorizationApprovedThenCaptured) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    EXPECT_EQ(held.status, Status::RequiresCapture);
    EXPECT_EQ(held.amount_capturable_minor, 1000);
    EXPECT_FALSE(world.get(held.latest_charge).captured);
    EXPECT_TRUE(world.transactions().empty()) << "an authorization is not a posting";
    EXPECT_EQ(world.events(), (Types{"payment_intent.created", "charge.succeeded",
                                     "payment_intent.amount_capturable_updated"}));
    const PaymentIntent payment = payment_in(world.run(CapturePaymentIntent{.id = held.id}));
    EXPECT_EQ(payment.status, Status::Succeeded);
    EXPECT_EQ(payment.amount_received_minor, 1000);
    EXPECT_EQ(payment.amount_capturable_minor, 0);
    EXPECT_EQ(world.get(held.latest_charge).amount_refunded_minor, 0);
    EXPECT_EQ(world.events(), (Types{"charge.captured", "payment_intent.succeeded"}));
    EXPECT_EQ(world.balance(LedgerAccountKind::AcquirerReceivable), -1000);
}

TEST(Payments, PartialCaptureReleasesTheRest) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    const auto started = world.submit(CapturePaymentIntent{.id = held.id,
                                                           .amount_to_capture_minor = 400,
                                                           .statement_descriptor = {true, "SHOP"},
                                                           .metadata = {.set = {{"k", "v"}}}});
    ASSERT_TRUE(started->started.has_value());
    EXPECT_EQ(started->started->kind, OperationKind::Capture);
    EXPECT_EQ(started->started->amount.minor, 400);
    EXPECT_EQ(started->started->original, world.get(held.latest_charge).authorization);
    EXPECT_EQ(world.refuse(CapturePaymentIntent{.id = held.id}), "lock_timeout");
    EXPECT_EQ(world.refuse(CancelPaymentIntent{.id = held.id}), "lock_timeout");
    const auto payment = payment_in(world.record(*started->started, TestWorld::approved()));
    EXPECT_EQ(payment.amount_received_minor, 400);
    EXPECT_EQ(payment.details.metadata.at("k"), "v");
    const Charge& charge = world.get(payment.latest_charge);
    EXPECT_EQ(charge.amount_captured_minor, 400);
    EXPECT_EQ(charge.amount_refunded_minor, 600);
    EXPECT_EQ(charge.details.statement_descriptor, "SHOP");
    EXPECT_EQ(world.balance(LedgerAccountKind::AcquirerReceivable), -400);
    EXPECT_EQ(world.balance(LedgerAccountKind::FeeIncome), 42); // 11.6 -> 12, and 30
}

TEST(Payments, CaptureAmountsAreChecked) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    const auto capture = [&](std::int64_t minor) {
        return world.refuse(CapturePaymentIntent{.id = held.id, .amount_to_capture_minor = minor});
    };
    EXPECT_EQ(capture(1001), "amount_too_large");
    EXPECT_EQ(capture(0), "parameter_invalid_integer");
    EXPECT_EQ(capture(-5), "parameter_invalid_integer");
    EXPECT_EQ(capture(1000), "");
}

TEST(Payments, DeclinedCaptureLeavesTheMoneyHeld) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    const Verdict verdict = world.run(CapturePaymentIntent{.id = held.id}, TestWorld::declined());
    ASSERT_TRUE(verdict.answer->declined.has_value());
    EXPECT_EQ(verdict.answer->declined->charge, held.latest_charge);
    EXPECT_EQ(payment_in(verdict).status, Status::RequiresCapture);
    EXPECT_EQ(payment_in(world.run(CapturePaymentIntent{.id = held.id})).status, Status::Succeeded);
}

// Whoever took the operation over recorded first: the requester hears the same of it.
TEST(Payments, DeclinedCaptureIsACardErrorWhoeverRecordsIt) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    const auto started = world.submit(CapturePaymentIntent{.id = held.id})->started;
    ASSERT_TRUE(started.has_value());
    const Verdict first = world.record(*started, TestWorld::declined("lost_card"));
    const Verdict second = world.record(*started, TestWorld::declined("lost_card"));
    ASSERT_TRUE(second.answer->declined.has_value());
    EXPECT_EQ(second.answer->declined, first.answer->declined);
}

struct Failure {
    OperationOutcome outcome;
    CardFailure shown;
};

TEST(Payments, FailedAttemptsLeaveAFailedCharge) {
    const Failure failures[] = {
        {TestWorld::declined("lost_card"),
         {"card_declined", "lost_card", "Your card was declined."}},
        {{OperationState::Declined, {}, {}},
         {"card_declined", "generic_decline", "Your card was declined."}},
        {TestWorld::reversed(),
         {"processing_error", "",
          "An error occurred while processing your card. Try again in a little bit."}},
    };
    for (const Failure& failure : failures) {
        TestWorld world;
        const auto creation = world.creation(1000);
        const Verdict verdict = world.run(creation, failure.outcome);
        const PaymentIntent payment = payment_in(verdict);
        ASSERT_TRUE(verdict.answer->declined.has_value());
        EXPECT_EQ(verdict.answer->declined->failure, failure.shown);
        EXPECT_EQ(verdict.answer->declined->payment_method, creation.payment_method->create->id);
        EXPECT_EQ(payment.last_error, verdict.answer->declined);
        EXPECT_EQ(payment.status, Status::RequiresPaymentMethod);
        EXPECT_TRUE(payment.payment_method.is_nil());
        EXPECT_EQ(payment.failed_attempts, 1);
        const Charge& charge = world.get(payment.latest_charge);
        EXPECT_EQ(charge.status, ChargeStatus::Failed);
        EXPECT_EQ(charge.failure, failure.shown);
        EXPECT_EQ(world.events(), (Types{"payment_intent.created", "charge.failed",
                                         "payment_intent.payment_failed"}));
        EXPECT_TRUE(world.transactions().empty());
    }
}

TEST(Payments, EachAttemptHasAReferenceOfItsOwn) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const auto first = world.submit(creation);
    world.record(*first->started, TestWorld::declined());
    const ConfirmPaymentIntent again{.id = creation.payment_intent.id,
                                     .payment_method = world.new_card()};
    const auto second = world.submit(again);
    EXPECT_NE(first->started->id, second->started->id);
    EXPECT_NE(first->started->charge, second->started->charge);
    EXPECT_EQ(second->started->id, world.identity.authorization(world.account.id, again.id, 1));
    const PaymentIntent payment = payment_in(world.record(*second->started, TestWorld::approved()));
    EXPECT_EQ(payment.status, Status::Succeeded);
    EXPECT_FALSE(payment.last_error.has_value());
    EXPECT_EQ(world.charges().size(), 2u);
}

TEST(Payments, StartedOperationSaysWhatTheAcquirerNeeds) {
    TestWorld world;
    auto creation = world.creation(1000, true, manual);
    creation.payment_intent.details.metadata["purchase"] = "42";
    const Operation operation = *world.submit(creation, "key")->started;
    EXPECT_EQ(operation.kind, OperationKind::Authorize);
    EXPECT_EQ(operation.state, OperationState::Started);
    EXPECT_EQ(operation.amount.minor, 1000);
    EXPECT_EQ(operation.vault_token, creation.payment_method->create->vault_token);
    EXPECT_EQ(operation.metadata.at("purchase"), "42");
    EXPECT_EQ(operation.owner, world.owner);
    EXPECT_EQ(operation.valid_until, world.now + std::chrono::seconds{15});
    EXPECT_EQ(operation.request.idempotency_key, "key");
    EXPECT_TRUE(operation.save_payment_method.is_nil());
    EXPECT_EQ(world.get(operation.payment_intent).active_operation, operation.id);
}

TEST(Payments, CreatedEventShowsThePaymentBeforeItsConfirmation) {
    TestWorld world;
    const auto creation = world.creation(1000);
    const Command command{.account = world.account.id, .received = world.now, .body = creation};
    UnitOfWork work;
    const DecideContext context{world.now, world.account, world.identity, world.owner,
                                world.now + std::chrono::seconds{15}};
    ASSERT_TRUE(decide(command, work, context).has_value());
    ASSERT_EQ(work.events.size(), 1u);
    EXPECT_EQ(restore<PaymentIntent>(work.events[0].object)->status, Status::RequiresConfirmation);
}

// --- Canceling ---------------------------------------------------------------------------------

TEST(Payments, CancelBeforeAnyMoneyIsHeld) {
    TestWorld world;
    const auto creation = world.creation(1000, false);
    world.run(creation);
    const PaymentIntent payment = payment_in(world.run(CancelPaymentIntent{
        .id = creation.payment_intent.id, .reason = CancellationReason::Abandoned}));
    EXPECT_EQ(payment.status, Status::Canceled);
    EXPECT_EQ(payment.canceled_at, world.now);
    EXPECT_EQ(payment.cancellation_reason, CancellationReason::Abandoned);
    EXPECT_EQ(world.events(), (Types{"payment_intent.created", "payment_intent.canceled"}));
}

TEST(Payments, CancelReleasesHeldMoney) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    world.events();
    const auto started =
        world.submit(CancelPaymentIntent{.id = held.id, .reason = CancellationReason::Duplicate});
    ASSERT_TRUE(started->started.has_value());
    EXPECT_EQ(started->started->kind, OperationKind::Void);
    EXPECT_EQ(world.get(held.id).status, Status::RequiresCapture);
    const auto payment = payment_in(world.record(*started->started, TestWorld::approved()));
    EXPECT_EQ(payment.status, Status::Canceled);
    EXPECT_EQ(payment.cancellation_reason, CancellationReason::Duplicate);
    EXPECT_EQ(payment.amount_capturable_minor, 0);
    EXPECT_EQ(world.get(held.latest_charge).amount_refunded_minor, 1000);
    EXPECT_EQ(world.events(), (Types{"charge.refunded", "payment_intent.canceled"}));
    EXPECT_TRUE(world.transactions().empty());
}

TEST(Payments, VoidThatFailsKeepsTheMoneyHeld) {
    TestWorld world;
    const PaymentIntent held = world.pay(1000, manual);
    const Verdict verdict = world.run(CancelPaymentIntent{.id = held.id}, TestWorld::declined());
    EXPECT_TRUE(verdict.answer->declined.has_value());
    EXPECT_EQ(payment_in(verdict).status, Status::RequiresCapture);
    EXPECT_EQ(payment_in(world.run(CancelPaymentIntent{.id = held.id})).status, Status::Canceled);
}

// --- Creating and updating ---------------------------------------------------------------------

TEST(Payments, AmountsAreChecked) {
    const struct {
        std::string_view currency;
        std::int64_t minor;
        std::string_view code, message;
    } cases[] = {
        {"usd", 49, "amount_too_small", "Amount must be at least $0.50 usd"},
        {"usd", 0, "amount_too_small", "Amount must be at least $0.50 usd"},
        {"usd", -1, "amount_too_small", "Amount must be at least $0.50 usd"},
        {"usd", INT64_MIN, "amount_too_small", "Amount must be at least $0.50 usd"},
        {"gbp", 29, "amount_too_small", "Amount must be at least £0.30 gbp"},
        {"usd", 100'000'000, "amount_too_large", "Amount must be no more than $999,999.99 usd"},
        {"usd", INT64_MAX, "amount_too_large", "Amount must be no more than $999,999.99 usd"},
        {"kwd", 1234, "invalid_charge_amount", "Amounts in kwd must be divisible by 10"},
        {"isk", 550, "invalid_charge_amount", "Amounts in isk must be divisible by 100"},
        {"usd", 50, "", ""},
        {"usd", 99'999'999, "", ""},
        {"jpy", 50, "", ""},
        {"kwd", 1230, "", ""},
    };
    for (const auto& c : cases) {
        TestWorld world;
        auto creation = world.creation(c.minor, false);
        creation.payment_intent.amount.currency = *Currency::parse(c.currency);
        const auto verdict = world.submit(creation);
        EXPECT_EQ(verdict ? "" : verdict.error().code, c.code) << c.minor << c.currency;
        if (verdict) continue;
        EXPECT_EQ(verdict.error().message, c.message);
        EXPECT_EQ(verdict.error().param, "amount");
    }
}

TEST(Payments, PartsOfAnAmountAreWhatCardNetworksCarry) {
    TestWorld world;
    auto creation = world.creation(5'000, true, CaptureMethod::Manual);
    creation.payment_intent.amount.currency = *Currency::parse("kwd");
    const PaymentIntent held = payment_in(world.run(creation));
    EXPECT_EQ(world.refuse(CapturePaymentIntent{.id = held.id, .amount_to_capture_minor = 1'001}),
              "invalid_charge_amount");
    world.run(CapturePaymentIntent{.id = held.id, .amount_to_capture_minor = 1'010});
    CreateRefund refund{.id = Id<Refund>(world.next_id()), .payment_intent = held.id};
    refund.amount_minor = 5;
    EXPECT_EQ(world.refuse(refund), "invalid_charge_amount");
    refund.amount_minor = 10;
    EXPECT_EQ(world.refuse(refund), "");
}

TEST(Payments, ConfirmingNeedsACard) {
    TestWorld world;
    auto creation = world.creation(1000, false);
    creation.confirm = true;
    EXPECT_EQ(world.refuse(creation), unexpected);
    creation.payment_method = PaymentMethodChoice{};
    EXPECT_EQ(world.refuse(creation), unexpected);
    EXPECT_TRUE(world.payments().empty());
}

TEST(Payments, CustomerMustBeThere) {
    TestWorld world;
    auto creation = world.creation(1000, false);
    creation.payment_intent.customer = Id<Customer>(world.next_id());
    const auto verdict = world.submit(creation);
    ASSERT_FALSE(verdict.has_value());
    EXPECT_EQ(verdict.error().code, "resource_missing");
    EXPECT_EQ(verdict.error().kind, ErrorClass::Invalid) << "named by a parameter: 400, not 404";
    EXPECT_EQ(verdict.error().param, "customer");
    creation.payment_intent.customer = world.customer();
    world.run(DeleteCustomer{creation.payment_intent.customer});
    EXPECT_EQ(world.refuse(creation), "resource_missing");
}

TEST(Payments, CreationTakesOnlyWhatAClientDecides) {
    TestWorld world;
    auto creation = world.creation(1000, false);
    creation.payment_intent.status = Status::Succeeded;
    creation.payment_intent.amount_received_minor = 1000;
    creation.payment_intent.failed_attempts = 7;
    creation.payment_intent.account = Id<Account>(world.next_id());
    const PaymentIntent payment = payment_in(world.run(creation));
    EXPECT_EQ(payment.status, Status::RequiresPaymentMethod);
    EXPECT_EQ(payment.amount_received_minor, 0);
    EXPECT_EQ(payment.failed_attempts, 0);
    EXPECT_EQ(payment.account, world.account.id);
    EXPECT_EQ(payment.created, world.now);
}

TEST(Payments, UpdateMovesBetweenOpenStates) {
    TestWorld world;
    const auto creation = world.creation(1000, false);
    world.run(creation);
    const auto update = [&](UpdatePaymentIntent change) {
        change.id = creation.payment_intent.id;
        return payment_in(world.run(change));
    };
    EXPECT_EQ(update({.payment_method = world.new_card()}).status, Status::RequiresConfirmation);
    EXPECT_EQ(update({.amount_minor = {true, 2500}}).amount.minor, 2500);
    EXPECT_EQ(update({.payment_method = PaymentMethodChoice{}}).status,
              Status::RequiresPaymentMethod);
    EXPECT_EQ(update({.currency = {true, *Currency::parse("eur")}}).amount.currency.code(), "eur");
    EXPECT_EQ(world.refuse(
                  UpdatePaymentIntent{.id = creation.payment_intent.id, .amount_minor = {true, 1}}),
              "amount_too_small");
}

TEST(Payments, UpdateMakesTheLastFailureHistory) {
    TestWorld world;
    const auto creation = world.creation(1000);
    world.run(creation, TestWorld::declined());
    const PaymentIntent payment = payment_in(world.run(
        UpdatePaymentIntent{.id = creation.payment_intent.id, .description = {true, "again"}}));
    EXPECT_FALSE(payment.last_error.has_value());
    EXPECT_EQ(payment.details.description, "again");
}

} // namespace
} // namespace holdfast::core
