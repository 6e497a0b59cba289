#include "core/identity.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace holdfast::core {
namespace {

const Identity& identity() {
    static const Identity instance{SecretString("a secret of thirty-two bytes....")};
    return instance;
}

Uuid uuid(std::uint8_t first) {
    Uuid id;
    id.bytes[0] = first;
    return id;
}
Id<Account> account(std::uint8_t first) { return Id<Account>(uuid(first)); }

TEST(Identity, NamesTheSameThingAgain) {
    const Uuid key = identity().replay_key(account(1), "/v1/customers", "k");
    EXPECT_EQ(key, identity().replay_key(account(1), "/v1/customers", "k"));
    EXPECT_EQ(identity().created_by<Customer>(account(1), key),
              identity().created_by<Customer>(account(1), key));
    const Identity twin{SecretString("a secret of thirty-two bytes....")};
    EXPECT_EQ(twin.replay_key(account(1), "/v1/customers", "k"), key);
}

// Ids are in databases, in the acquirer's books and with merchants: a derivation never changes.
TEST(Identity, DerivationIsPinned) {
    const Uuid key = identity().replay_key(account(1), "/v1/payment_intents", "order-1");
    const auto payment = identity().created_by<PaymentIntent>(account(1), key);
    EXPECT_EQ(payment.str(), "pi_0fs2dl3GhGRbPYf0MGajm9");
    EXPECT_EQ(identity().authorization(account(1), payment, 0).str(), "op_3zgtK5Vee9qkfaBtcz9BSo");
    EXPECT_EQ(identity().client_secret(account(1), payment),
              payment.str() + "_secret_6ezsU5IE7nB7WJtGKsuSPe");
}

TEST(Identity, AnotherAccountGetsOtherIds) {
    const Uuid parent = uuid(9);
    EXPECT_NE(identity().replay_key(account(1), "/v1/refunds", "k"),
              identity().replay_key(account(2), "/v1/refunds", "k"));
    EXPECT_NE(identity().created_by<Refund>(account(1), parent),
              identity().created_by<Refund>(account(2), parent));
    EXPECT_NE(identity().child<Charge>(account(1), parent, 0),
              identity().child<Charge>(account(2), parent, 0));
    EXPECT_NE(identity().authorization(account(1), Id<PaymentIntent>(parent), 0),
              identity().authorization(account(2), Id<PaymentIntent>(parent), 0));
    EXPECT_NE(identity().client_secret(account(1), Id<PaymentIntent>(parent)),
              identity().client_secret(account(2), Id<PaymentIntent>(parent)));
    const WallTime now = wall_from_micros(1);
    EXPECT_NE(identity().ordered(now, "evt_", account(1), parent, 0),
              identity().ordered(now, "evt_", account(2), parent, 0));
}

TEST(Identity, ReplayKeyCoversTheEndpoint) {
    EXPECT_NE(identity().replay_key(account(1), "/v1/refunds", "k"),
              identity().replay_key(account(1), "/v1/charges", "k"));
}

TEST(Identity, InputsDoNotRunIntoEachOther) {
    EXPECT_NE(identity().replay_key(account(1), "/v1/a", "bc"),
              identity().replay_key(account(1), "/v1/ab", "c"));
    EXPECT_NE(identity().replay_key(account(1), "", "x"),
              identity().replay_key(account(1), "x", ""));
}

TEST(Identity, FingerprintCoversTheRequestAndCanNotBeGuessed) {
    const std::string_view form = "card[number]=4242424242424242";
    const std::set<std::uint64_t> fingerprints{
        identity().request_fingerprint(account(1), "POST /v1/tokens", form),
        identity().request_fingerprint(account(2), "POST /v1/tokens", form),
        identity().request_fingerprint(account(1), "POST /v1/payment_methods", form),
        identity().request_fingerprint(account(1), "POST /v1/tokens", "card[number]=4111"),
        Identity(SecretString("another")).request_fingerprint(account(1), "POST /v1/tokens", form),
    };
    EXPECT_EQ(fingerprints.size(), 5u);
    EXPECT_EQ(
        fingerprints.count(identity().request_fingerprint(account(1), "POST /v1/tokens", form)),
        1u);
}

TEST(Identity, EverythingInTheDerivationCounts) {
    const Uuid parent = uuid(9);
    std::set<Uuid> ids{
        identity().created_by<Customer>(account(1), parent).uuid(),
        identity().created_by<PaymentIntent>(account(1), parent).uuid(),
        identity().child<Charge>(account(1), parent, 0).uuid(),
        identity().child<Charge>(account(1), parent, 1).uuid(),
        identity().child<Charge>(account(1), uuid(8), 0).uuid(),
        identity().child<Operation>(account(1), parent, 0).uuid(),
        identity().authorization(account(1), Id<PaymentIntent>(parent), 0).uuid(),
        identity().authorization(account(1), Id<PaymentIntent>(parent), 1).uuid(),
        Identity(SecretString("another")).child<Charge>(account(1), parent, 0).uuid(),
    };
    EXPECT_EQ(ids.size(), 9u);
}

TEST(Identity, ClientSecretIsNotTheId) {
    const Id<PaymentIntent> payment(uuid(5));
    const std::string secret = identity().client_secret(account(1), payment);
    ASSERT_TRUE(secret.starts_with(payment.str() + "_secret_"));
    EXPECT_EQ(secret.size(), payment.str().size() + 8 + 22);
    EXPECT_EQ(secret.find(payment.uuid().base62(), 4), std::string::npos);
}

RC_GTEST_PROP(Identity, OrderedIdsSortByTime, ()) {
    const auto first = *rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000);
    const auto later = first + *rc::gen::inRange<std::int64_t>(1000, 1'000'000'000'000);
    const auto n = *rc::gen::arbitrary<std::uint64_t>();
    const Uuid a = identity().ordered(wall_from_micros(first), "evt_", account(1), uuid(1), n);
    const Uuid b = identity().ordered(wall_from_micros(later), "evt_", account(1), uuid(1), n);
    RC_ASSERT(a < b);
    RC_ASSERT(a == identity().ordered(wall_from_micros(first), "evt_", account(1), uuid(1), n));
}

} // namespace
} // namespace holdfast::core
