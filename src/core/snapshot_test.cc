#include "core/snapshot.h"

#include "core/detail/arbitrary.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::core {
namespace {

template <class T> bool holds(const Result<T>& decoded, const T& value) {
    return decoded.has_value() && *decoded == value;
}

template <class T> class SnapshotOf : public testing::Test {};
using Kinds = testing::Types<Customer, PaymentMethod, Token, PaymentIntent, Charge, Refund>;
TYPED_TEST_SUITE(SnapshotOf, Kinds);

TYPED_TEST(SnapshotOf, ComesBackWhole) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        const auto object = Arbitrary(seed).make<TypeParam>();
        const auto back = restore<TypeParam>(snapshot(object));
        RC_ASSERT(back.has_value());
        RC_ASSERT(*back == object);
    }));
}

TYPED_TEST(SnapshotOf, RefusesEveryTruncation) {
    Arbitrary arbitrary(7);
    Snapshot whole = snapshot(arbitrary.make<TypeParam>());
    for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
        const auto back = restore<TypeParam>({whole.kind, whole.bytes.substr(0, size)});
        ASSERT_FALSE(back.has_value()) << size;
        EXPECT_EQ(back.error().code, "snapshot_corrupt");
    }
}

TYPED_TEST(SnapshotOf, RefusesANewerVersion) {
    Snapshot newer = snapshot(TypeParam{});
    newer.bytes.front() = 2;
    const auto back = restore<TypeParam>(newer);
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(back.error().code, "snapshot_version");
}

TYPED_TEST(SnapshotOf, SurvivesDamage) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary arbitrary(seed);
        Snapshot damaged = snapshot(arbitrary.make<TypeParam>());
        for (auto hits = 1 + arbitrary.below(4); hits > 0; --hits)
            damaged.bytes[arbitrary.below(damaged.bytes.size())] = arbitrary.make<char>();
        const auto back = restore<TypeParam>(damaged);
        if (!back) RC_ASSERT(back.error().code.starts_with("snapshot_"));
    }));
}

TEST(Snapshot, RefusesAnotherKind) {
    const auto back = restore<Charge>(snapshot(PaymentIntent{}));
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(back.error().code, "snapshot_kind");
}

TEST(Snapshot, DetailsComeBack) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary arbitrary(seed);
        auto details = arbitrary.make<PaymentDetails>();
        details.metadata.clear(); // has a column of its own
        RC_ASSERT(holds(decode_payment_details(encode_details(details)), details));
        const auto billing = arbitrary.make<BillingDetails>();
        RC_ASSERT(holds(decode_billing_details(encode_details(billing)), billing));
        const auto card = arbitrary.make<CardDetails>();
        RC_ASSERT(holds(decode_card_details(encode_details(card)), card));
    }));
}

TEST(Snapshot, PaymentDetailsLeaveMetadataToItsColumn) {
    PaymentDetails details;
    details.metadata["order"] = "1";
    EXPECT_TRUE(decode_payment_details(encode_details(details))->metadata.empty());
}

TEST(Snapshot, CustomerDetailsFillWhatHasNoColumn) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary arbitrary(seed);
        const auto customer = arbitrary.make<Customer>();
        auto row = arbitrary.make<Customer>();
        RC_ASSERT(decode_details_into(row, encode_details(customer)).has_value());
        RC_ASSERT(row.address == customer.address);
        RC_ASSERT(row.shipping == customer.shipping);
        RC_ASSERT(row.preferred_locales == customer.preferred_locales);
        RC_ASSERT(row.tax_exempt == customer.tax_exempt);
    }));
}

TEST(Snapshot, OperationsErrorsAndAnswersComeBack) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary arbitrary(seed);
        const auto operation = arbitrary.make<Operation>();
        RC_ASSERT(holds(decode_operation(encode_operation(operation)), operation));
        const auto error = arbitrary.make<PaymentError>();
        RC_ASSERT(holds(decode_error(encode_error(error)), error));
        const auto answer = arbitrary.make<Answer>();
        RC_ASSERT(holds(decode_answer(encode_answer(answer)), answer));
    }));
}

// Bytes that a released build has written stay readable. A change of this text is a change of the
// format: append a field, or raise the version.
TEST(Snapshot, FormatIsPinned) {
    Refund refund;
    refund.amount = {1099, *Currency::parse("eur")};
    refund.status = RefundStatus::Succeeded;
    refund.reason = "duplicate";
    refund.metadata["k"] = "v";
    refund.request_fingerprint = 300;
    const Snapshot written = snapshot(refund);
    const std::string nil(16, '\0');
    const std::string body = nil + nil + std::string("\x02\x00", 2) + nil + nil +
                             std::string("\x03\x96\x11\x28", 4) + "\x01" +
                             std::string(
                                 "\x01\x09"
                                 "duplicate"
                                 "\x00",
                                 12) +
                             nil + nil + std::string("\x01\x01k\x01v\xac\x02", 7);
    EXPECT_EQ(written.bytes, "\x01" + std::string(1, static_cast<char>(body.size())) + body);
}

} // namespace
} // namespace holdfast::core
