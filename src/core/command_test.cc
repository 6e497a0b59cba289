#include "core/command.h"

#include "core/detail/arbitrary.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace holdfast::core {
namespace {

TEST(Command, ComesBackWhole) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        const auto command = Arbitrary(seed).make<Command>();
        const auto back = decode_command(encode(command));
        RC_ASSERT(back.has_value());
        RC_ASSERT(same(*back, command));
    }));
}

TEST(Command, RefusesEveryTruncation) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        const std::string bytes = encode(Arbitrary(seed).make<Command>());
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const auto back = decode_command(bytes.substr(0, size));
            ASSERT_FALSE(back.has_value()) << seed << " cut to " << size;
            ASSERT_EQ(back.error().code, "command_corrupt");
        }
    }
}

TEST(Command, SurvivesGarbage) {
    EXPECT_TRUE(rc::check([](const std::string& garbage) {
        const auto back = decode_command(garbage);
        if (!back) RC_ASSERT(back.error().code.starts_with("command_"));
    }));
}

TEST(Command, SurvivesDamage) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary arbitrary(seed);
        std::string bytes = encode(arbitrary.make<Command>());
        for (auto hits = 1 + arbitrary.below(4); hits > 0; --hits)
            bytes[arbitrary.below(bytes.size())] = arbitrary.make<char>();
        const auto back = decode_command(bytes);
        if (back)
            RC_ASSERT(!encode(*back).empty());
        else
            RC_ASSERT(back.error().code.starts_with("command_"));
    }));
}

TEST(Command, RefusesANewerVersion) {
    std::string bytes = encode(Command{});
    bytes.front() = 2;
    EXPECT_EQ(decode_command(bytes).error().code, "command_version");
}

// The index of an alternative is written to disk: append, never reorder.
TEST(Command, AlternativesKeepTheirNumbers) {
    const auto number = [](auto body) { return Command{.body = body}.body.index(); };
    EXPECT_EQ(number(CreateCustomer{}), 0u);
    EXPECT_EQ(number(CreatePaymentIntent{}), 8u);
    EXPECT_EQ(number(CreateRefund{}), 14u);
    EXPECT_EQ(number(RecordOutcome{}), 16u);
    EXPECT_EQ(number(ClaimOperation{}), 17u);
}

TEST(Command, HasAName) {
    EXPECT_EQ(name_of(Command{.body = UpdatePaymentMethod{}}), "update_payment_method");
    EXPECT_EQ(name_of(Command{.body = CancelPaymentIntent{}}), "cancel_payment_intent");
    EXPECT_EQ(name_of(Command{.body = ClaimOperation{}}), "claim_operation");
}

TEST(MetadataChange, SetsDeletesAndClears) {
    const Metadata before{{"a", "1"}, {"b", "2"}};
    const struct {
        MetadataChange change;
        Metadata after;
    } cases[] = {
        {{}, {{"a", "1"}, {"b", "2"}}},
        {{.set = {{"a", "9"}, {"c", "3"}}}, {{"a", "9"}, {"b", "2"}, {"c", "3"}}},
        {{.set = {{"a", std::nullopt}, {"x", std::nullopt}}}, {{"b", "2"}}},
        {{.clear = true}, {}},
        {{.clear = true, .set = {{"c", "3"}}}, {{"c", "3"}}},
    };
    for (const auto& c : cases) {
        Metadata metadata = before;
        c.change.apply_to(metadata);
        EXPECT_EQ(metadata, c.after);
    }
}

TEST(RecordOutcome, NamesEverythingOfItsOperation) {
    const auto operation = Arbitrary(3).make<Operation>();
    const auto outcome = Arbitrary(4).make<OperationOutcome>();
    const RecordOutcome recorded = record_outcome(operation, outcome);
    EXPECT_EQ(recorded.payment_intent, operation.payment_intent);
    EXPECT_EQ(recorded.operation, operation.id);
    EXPECT_EQ(recorded.refund, operation.refund);
    EXPECT_EQ(recorded.save_payment_method, operation.save_payment_method);
    EXPECT_EQ(recorded.outcome, outcome);
}

} // namespace
} // namespace holdfast::core
