#include "processor/floor_limits.h"

#include <gtest/gtest.h>

namespace holdfast::processor {
namespace {

using std::chrono::seconds;

constexpr std::int32_t whole = store::FloorShare::whole_ppm;

class FloorLimitsTest : public testing::Test {
  protected:
    FloorLimitsTest() {
        env_.install();
        account_.id = Id<core::Account>::time_ordered(env_);
        account_.floor_limits = {{{}, 1000, 2000, 4000}};
        limits_.hold({.ppm = whole, .until = now_ + seconds{10}});
    }
    core::Operation of(std::int64_t minor, std::string card = "card") const {
        core::Operation operation;
        operation.account = account_.id;
        operation.amount = {minor, {}};
        operation.card.fingerprint = std::move(card);
        return operation;
    }
    Result<FloorLimits::Exposure> accept(std::int64_t minor, std::string card = "card") {
        return limits_.accept(account_, of(minor, std::move(card)), now_);
    }

    SimEnv env_{1};
    MonoTime now_{};
    core::Account account_;
    FloorLimits limits_{5};
};

TEST_F(FloorLimitsTest, EachLimitIsKept) {
    EXPECT_FALSE(accept(1001)) << "a payment";
    auto first = accept(1000), second = accept(1000);
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(accept(1)) << "the card";
    auto other = accept(1000, "other"), more = accept(999, "more");
    EXPECT_TRUE(other && more);
    EXPECT_FALSE(accept(2, "a third")) << "the account";
    auto last = accept(1, "a third");
    EXPECT_TRUE(last.has_value());
    EXPECT_EQ(limits_.open(), 5u);
    first = FloorLimits::Exposure{};
    EXPECT_TRUE(accept(1000).has_value()) << "what is known counts no longer";
    EXPECT_EQ(limits_.open(), 4u);
}

TEST_F(FloorLimitsTest, WithoutALimitNothingIsAccepted) {
    account_.floor_limits.clear();
    EXPECT_EQ(accept(1).error().code, "floor_limit");
    account_.floor_limits = {{*core::Currency::parse("jpy"), 1000, 1000, 1000}};
    EXPECT_EQ(accept(1).error().code, "floor_limit") << "of this currency";
}

TEST_F(FloorLimitsTest, TheNumberIsLimitedOverAllAccounts) {
    std::vector<FloorLimits::Exposure> open;
    for (int i = 0; i < 5; ++i) open.push_back(limits_.note(of(1)));
    EXPECT_FALSE(accept(1));
    open.pop_back();
    EXPECT_TRUE(accept(1).has_value());
}

TEST_F(FloorLimitsTest, AShareIsAPartOfEverySum) {
    limits_.hold({.ppm = whole / 2, .until = now_ + seconds{10}});
    auto first = accept(1000);
    EXPECT_TRUE(first.has_value()) << "one payment may be as large as ever";
    EXPECT_FALSE(accept(1)) << "half of what the card may";
    auto other = accept(1000, "other");
    EXPECT_TRUE(other.has_value());
    EXPECT_FALSE(accept(1, "third"));
}

TEST_F(FloorLimitsTest, AShareThatRanOutIsNone) {
    now_ += seconds{10};
    EXPECT_FALSE(accept(1));
    EXPECT_EQ(limits_.share_ppm(now_), 0);
}

TEST_F(FloorLimitsTest, WhatIsAskedForIsAllThatIsUsed) {
    limits_.lower_to(whole / 4);
    EXPECT_TRUE(accept(500).has_value());
    EXPECT_FALSE(accept(501));
    limits_.lower_to(whole);
    EXPECT_FALSE(accept(501)) << "it is never raised so";
}

TEST_F(FloorLimitsTest, WhatIsOpenAlreadyCountsAboveTheLimits) {
    auto left = limits_.note(of(3999, "left"));
    EXPECT_FALSE(accept(2));
    EXPECT_TRUE(accept(1).has_value());
}

} // namespace
} // namespace holdfast::processor
