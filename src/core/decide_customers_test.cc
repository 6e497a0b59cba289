#include "core/detail/test_world.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::core {
namespace {

using Types = std::vector<std::string>;

const std::string method_state = "payment_method_unexpected_state";

TEST(Customers, LiveAndDie) {
    TestWorld world;
    const Id<Customer> id = world.customer();
    world.run(UpdateCustomer{.id = id,
                             .email = {true, "ada@example.com"},
                             .address = {true, Address{.city = "London"}},
                             .metadata = {.set = {{"k", "v"}}}});
    EXPECT_EQ(world.get(id).email, "ada@example.com");
    EXPECT_EQ(world.get(id).address->city, "London");
    world.run(UpdateCustomer{.id = id, .email = {true, std::nullopt}, .metadata = {.clear = true}});
    EXPECT_FALSE(world.get(id).email.has_value());
    EXPECT_TRUE(world.get(id).metadata.empty());
    world.run(DeleteCustomer{id});
    EXPECT_TRUE(world.get(id).deleted);
    EXPECT_EQ(world.events(), (Types{"customer.created", "customer.updated", "customer.updated",
                                     "customer.deleted"}));
    EXPECT_EQ(world.refuse(DeleteCustomer{id}), "resource_missing");
    const auto gone = world.submit(UpdateCustomer{.id = id});
    EXPECT_EQ(gone.error().kind, ErrorClass::NotFound);
    EXPECT_EQ(gone.error().message, "No such customer: '" + id.str() + "'");
    EXPECT_EQ(gone.error().param, "id");
}

TEST(Customers, DefaultMethodMustBeTheirs) {
    TestWorld world;
    const Id<Customer> id = world.customer();
    const Id<PaymentMethod> card = world.card();
    const UpdateCustomer update{.id = id, .default_payment_method = {true, card}};
    const auto refused = world.submit(update);
    EXPECT_EQ(refused.error().code, "resource_missing");
    EXPECT_EQ(refused.error().param, "invoice_settings[default_payment_method]");
    EXPECT_EQ(refused.error().kind, ErrorClass::Invalid);
    world.run(AttachPaymentMethod{card, id});
    EXPECT_EQ(world.refuse(update), "");
    EXPECT_EQ(world.get(id).default_payment_method, card);
    EXPECT_EQ(world.refuse(UpdateCustomer{
                  .id = id, .default_payment_method = {true, Id<PaymentMethod>(world.next_id())}}),
              "resource_missing");
    world.run(UpdateCustomer{.id = id, .default_payment_method = {true, {}}});
    EXPECT_TRUE(world.get(id).default_payment_method.is_nil());
    CreateCustomer with_default;
    with_default.customer.id = Id<Customer>(world.next_id());
    with_default.customer.default_payment_method = card;
    EXPECT_EQ(world.refuse(with_default), "resource_missing");
}

TEST(PaymentMethods, AttachOnceAndDetachForGood) {
    TestWorld world;
    const Id<Customer> ada = world.customer(), grace = world.customer();
    const Id<PaymentMethod> card = world.card();
    EXPECT_EQ(world.refuse(UpdatePaymentMethod{.id = card}), method_state) << "not saved yet";
    EXPECT_EQ(world.refuse(DetachPaymentMethod{card, {}}), method_state);
    EXPECT_EQ(world.refuse(AttachPaymentMethod{card, Id<Customer>(world.next_id())}),
              "resource_missing");
    world.events();
    world.run(AttachPaymentMethod{card, ada});
    world.run(AttachPaymentMethod{card, ada}); // again: nothing happens
    EXPECT_EQ(world.refuse(AttachPaymentMethod{card, grace}), method_state);
    world.run(UpdatePaymentMethod{
        .id = card, .exp_year = {true, 2031}, .allow_redisplay = {true, "always"}});
    EXPECT_EQ(world.get(card).card.exp_year, 2031);
    world.run(UpdateCustomer{.id = ada, .default_payment_method = {true, card}});
    world.run(DetachPaymentMethod{card, ada});
    EXPECT_EQ(world.events(),
              (Types{"payment_method.attached", "payment_method.updated", "customer.updated",
                     "customer.updated", "payment_method.detached"}));
    EXPECT_TRUE(world.get(ada).default_payment_method.is_nil());
    EXPECT_TRUE(world.get(card).customer.is_nil());
    EXPECT_EQ(world.refuse(AttachPaymentMethod{card, ada}), method_state) << "spent";
    auto creation = world.creation(1000);
    creation.payment_method = PaymentMethodChoice{.id = card};
    EXPECT_EQ(world.refuse(creation), method_state);
    EXPECT_EQ(world.refuse(DetachPaymentMethod{Id<PaymentMethod>(world.next_id()), {}}),
              "resource_missing");
}

TEST(PaymentMethods, BelongToTheirCustomer) {
    TestWorld world;
    const Id<Customer> ada = world.customer(), grace = world.customer();
    const Id<PaymentMethod> card = world.card();
    world.run(AttachPaymentMethod{card, ada});
    auto creation = world.creation(1000);
    creation.payment_method = PaymentMethodChoice{.id = card};
    EXPECT_EQ(world.refuse(creation), method_state) << "without a customer";
    creation.payment_intent.customer = grace;
    EXPECT_EQ(world.refuse(creation), method_state) << "with another customer";
    creation.payment_intent.customer = ada;
    EXPECT_EQ(world.refuse(creation), "");
    creation = world.creation(1000, false);
    creation.payment_intent.customer = ada;
    creation.payment_method = PaymentMethodChoice{.id = card};
    world.run(creation);
    EXPECT_EQ(world.refuse(
                  UpdatePaymentIntent{.id = creation.payment_intent.id, .customer = {true, grace}}),
              method_state);
    creation = world.creation(1000);
    creation.payment_method = PaymentMethodChoice{.id = Id<PaymentMethod>(world.next_id())};
    EXPECT_EQ(world.refuse(creation), "resource_missing");
}

TEST(PaymentMethods, AreSavedWhenAPaymentHasWorked) {
    for (const bool works : {true, false})
        for (const auto method : {CaptureMethod::Automatic, CaptureMethod::Manual}) {
            TestWorld world;
            auto creation = world.creation(1000, true, method);
            creation.payment_intent.customer = world.customer();
            creation.payment_intent.setup_future_usage = SetupFutureUsage::OffSession;
            const Id<PaymentMethod> card = creation.payment_method->create->id;
            world.events();
            world.run(creation, works ? TestWorld::approved() : TestWorld::declined());
            EXPECT_EQ(world.get(card).customer,
                      works ? creation.payment_intent.customer : Id<Customer>());
            const auto events = world.events();
            EXPECT_EQ(std::ranges::count(events, "payment_method.attached"), works ? 1 : 0);
        }
}

TEST(PaymentMethods, AreNotSavedWithoutConsentOrCustomer) {
    TestWorld world;
    auto no_consent = world.creation(1000);
    no_consent.payment_intent.customer = world.customer();
    world.run(no_consent);
    EXPECT_TRUE(world.get(no_consent.payment_method->create->id).customer.is_nil());
    auto no_customer = world.creation(1000);
    no_customer.payment_intent.setup_future_usage = SetupFutureUsage::OnSession;
    world.run(no_customer);
    EXPECT_TRUE(world.get(no_customer.payment_method->create->id).customer.is_nil());
}

TEST(PaymentMethods, AreNotSavedTwice) {
    TestWorld world;
    const Id<Customer> ada = world.customer(), grace = world.customer();
    const Id<PaymentMethod> card = world.card();
    auto creation = world.creation(1000);
    creation.payment_intent.customer = ada;
    creation.payment_intent.setup_future_usage = SetupFutureUsage::OffSession;
    creation.payment_method = PaymentMethodChoice{.id = card};
    const auto started = world.submit(creation);
    EXPECT_EQ(started->started->save_payment_method, card);
    world.run(AttachPaymentMethod{card, grace}); // meanwhile
    world.record(*started->started, TestWorld::approved());
    EXPECT_EQ(world.get(card).customer, grace);
}

TEST(Tokens, AreUsedOnce) {
    TestWorld world;
    CreateToken creation;
    creation.token.id = Id<Token>(world.next_id());
    world.run(creation);
    CreatePaymentMethod method{*world.new_card().create, creation.token.id};
    world.run(method, {}, "key");
    EXPECT_TRUE(world.get(creation.token.id).used);
    EXPECT_TRUE(world.submit(method, "key")->replayed) << "a retry is not a second use";
    CreatePaymentMethod second{*world.new_card().create, creation.token.id};
    const auto refused = world.submit(second);
    EXPECT_EQ(refused.error().code, "token_already_used");
    EXPECT_EQ(refused.error().param, "card[token]");
    second.from_token = Id<Token>(world.next_id());
    EXPECT_EQ(world.refuse(second), "resource_missing");
    auto payment = world.creation(1000);
    payment.payment_method->from_token = creation.token.id;
    EXPECT_EQ(world.refuse(payment), "token_already_used");
}

TEST(Metadata, DoesNotGrowBeyondItsLimitByUpdates) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    const Id<Customer> customer = world.customer();
    MetadataChange some, more;
    for (int i = 0; i < 30; ++i) {
        some.set["a" + std::to_string(i)] = "1";
        more.set["b" + std::to_string(i)] = "1";
    }
    const auto refused_twice = [&](auto first) {
        first.metadata = some;
        EXPECT_EQ(world.refuse(first), "");
        first.metadata = more;
        EXPECT_EQ(world.refuse(first), "parameter_invalid") << name_of({{}, {}, {}, first});
        first.metadata.clear = true;
        EXPECT_EQ(world.refuse(first), "");
    };
    refused_twice(UpdateCustomer{.id = customer});
    refused_twice(UpdatePaymentIntent{.id = payment.id});
    refused_twice(UpdateCharge{.id = payment.latest_charge, .payment_intent = payment.id});
    const CreateRefund refund{.id = Id<Refund>(world.next_id()), .payment_intent = payment.id};
    world.run(refund);
    refused_twice(UpdateRefund{.id = refund.id, .payment_intent = payment.id});
    const Id<PaymentMethod> card = world.card();
    world.run(AttachPaymentMethod{card, customer});
    refused_twice(UpdatePaymentMethod{.id = card});
}

TEST(Tokens, PayDirectly) {
    TestWorld world;
    CreateToken creation;
    creation.token.id = Id<Token>(world.next_id());
    world.run(creation);
    auto payment = world.creation(1000);
    payment.payment_method->from_token = creation.token.id;
    EXPECT_EQ(payment_in(world.run(payment)).status, PaymentIntentStatus::Succeeded);
    EXPECT_TRUE(world.get(creation.token.id).used);
}

TEST(PaymentMethods, CreationTakesOnlyWhatAClientDecides) {
    TestWorld world;
    CreatePaymentMethod creation{*world.new_card().create, {}};
    creation.payment_method.customer = world.customer();
    creation.payment_method.detached = true;
    world.run(creation);
    const PaymentMethod& stored = world.get(creation.payment_method.id);
    EXPECT_TRUE(stored.customer.is_nil());
    EXPECT_FALSE(stored.detached);
    EXPECT_EQ(stored.created, world.now);
}

} // namespace
} // namespace holdfast::core
