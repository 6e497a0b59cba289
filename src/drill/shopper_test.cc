#include "drill/shopper.h"

#include "drill/load.h"
#include "drill/test_way.h"
#include "net/sim_loop.h"

#include <gtest/gtest.h>

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

constexpr const char* created = R"({"id":"pi_1","status":"requires_confirmation"})";
constexpr const char* paid = R"({"id":"pi_1","status":"succeeded"})";

class ShopperTest : public testing::Test {
  protected:
    ShopperTest() : env_(1), sim_((env_.install(), env_), 1), gate_(sim_.loop(), "second") {}

    Purchase buy(Manner manner, bool card_declines = false) {
        Purchase purchase{.id = "p1",
                          .manner = manner,
                          .amount_minor = 500,
                          .card_declines = card_declines,
                          .intended = env_.now()};
        Shopper shopper(sim_.loop(), env_, way_, gate_);
        EXPECT_TRUE(sim_.run(shopper.buy(purchase, 0), 10min));
        return purchase;
    }
    /// What confirmations, lookups and creations are answered with.
    void answer(std::function<FakeAnswer(int confirmation)> confirm,
                std::function<FakeAnswer()> look_up = nullptr) {
        way_.respond = [this, confirm, look_up](const Call& call) -> FakeAnswer {
            if (call.method == "GET") return look_up();
            if (call.target.ends_with("/confirm")) {
                confirm_keys_.push_back(call.key);
                return confirm(static_cast<int>(confirm_keys_.size()));
            }
            return {200, created};
        };
    }

    SimEnv env_;
    net::SimLoop sim_;
    net::Gate gate_;
    FakeWay way_;
    std::vector<std::string> confirm_keys_;
};

TEST_F(ShopperTest, AnSdkCreatesAndConfirmsUnderTwoKeys) {
    answer([](int) { return FakeAnswer{200, paid}; });
    const Purchase purchase = buy(Manner::Sdk);
    EXPECT_EQ(purchase.told, Told::Succeeded);
    EXPECT_EQ(purchase.payment, "pi_1");
    ASSERT_EQ(way_.calls.size(), 2U);
    EXPECT_NE(way_.calls[0].key, way_.calls[1].key);
    EXPECT_NE(way_.calls[0].body.find("purchase_id"), std::string::npos);
    EXPECT_NE(way_.calls[0].body.find("=p1"), std::string::npos);
}

TEST_F(ShopperTest, OnlyACardThatDeclinesMayBeDeclined) {
    answer([](int) { return FakeAnswer{402, "{}"}; });
    EXPECT_EQ(buy(Manner::Sdk, true).told, Told::Declined);
    EXPECT_EQ(buy(Manner::Sdk, false).told, Told::Failed);
}

TEST_F(ShopperTest, WhatIsApprovedInStandInIsAccepted) {
    answer([](int) { return FakeAnswer{200, R"({"id":"pi_1","status":"processing"})"}; });
    EXPECT_EQ(buy(Manner::Sdk).told, Told::Accepted);
}

TEST_F(ShopperTest, AnErrorThatRetriesDoNotCureIsAFailure) {
    answer([](int) { return FakeAnswer{503, "away"}; });
    const Purchase purchase = buy(Manner::Sdk);
    EXPECT_EQ(purchase.told, Told::Failed);
    EXPECT_EQ(purchase.trouble, "503 away");
    EXPECT_EQ(confirm_keys_.size(), 3U);
}

TEST_F(ShopperTest, IsTurnedAwayByA503ThatSaysToComeAgain) {
    net::HttpResponse answer;
    answer.status = 503;
    answer.headers.add("Retry-After", "1");
    EXPECT_FALSE(turned_away(answer));
    answer.headers.add("Stripe-Should-Retry", "true");
    EXPECT_TRUE(turned_away(answer));
    EXPECT_TRUE(told_by(answer, false).turned_away);
    answer.status = 500;
    EXPECT_FALSE(turned_away(answer));
}

TEST_F(ShopperTest, WhatCanNotBeCreatedHasFailed) {
    way_.respond = [](const Call&) { return FakeAnswer{400, "{}"}; };
    EXPECT_EQ(buy(Manner::Sdk).told, Told::Failed);
    EXPECT_EQ(way_.calls.size(), 1U);
}

TEST_F(ShopperTest, ConfirmsAgainUnderANewKeyWhileTheFirstIsUnderWay) {
    answer([](int number) {
        return number == 1 ? FakeAnswer{200, paid, 3s} : FakeAnswer{400, "unexpected state"};
    });
    const Purchase purchase = buy(Manner::ConfirmAgain);
    EXPECT_EQ(purchase.told, Told::Succeeded); // whatever the second was told
    ASSERT_EQ(confirm_keys_.size(), 2U);
    EXPECT_NE(confirm_keys_[0], confirm_keys_[1]);
    EXPECT_EQ(purchase.latency(), 3s);
}

TEST_F(ShopperTest, LooksUpWhatOneAnswerLostAndTheOtherRefused) {
    way_.respond = [this](const Call& call) -> FakeAnswer {
        if (call.method == "GET") return {200, paid};
        if (!call.target.ends_with("/confirm")) return {200, created};
        confirm_keys_.push_back(call.key);
        return call.key == confirm_keys_.front() ? FakeAnswer{503, "away"}
                                                 : FakeAnswer{400, "done"};
    };
    EXPECT_EQ(buy(Manner::ConfirmAgain).told, Told::Succeeded);
}

TEST_F(ShopperTest, SendsOneConfirmationTwiceAtOnceOverTwoConnections) {
    answer([](int) { return FakeAnswer{200, paid, 1s}; });
    const Purchase purchase = buy(Manner::TwoInstances);
    EXPECT_EQ(purchase.told, Told::Succeeded);
    EXPECT_EQ(purchase.latency(), 1s);
    ASSERT_EQ(confirm_keys_.size(), 2U);
    EXPECT_EQ(confirm_keys_[0], confirm_keys_[1]);
    EXPECT_NE(way_.call_lanes[0], way_.call_lanes[1]) << "server and browser";
    EXPECT_NE(way_.call_lanes[1], way_.call_lanes[2]) << "two instances";
}

TEST_F(ShopperTest, WhoGoesAwayIsToldNothing) {
    answer([](int) { return FakeAnswer{200, paid, 10s}; });
    const Purchase purchase = buy(Manner::Abandon);
    EXPECT_EQ(purchase.told, Told::Abandoned);
    EXPECT_LE(purchase.latency(), Shopper::gone_after_max);
    EXPECT_EQ(confirm_keys_.size(), 1U);
}

TEST_F(ShopperTest, PollsWhatIsSlowAndThenRetriesUnderTheSameKey) {
    answer([](int number) { return FakeAnswer{200, paid, number == 1 ? 20s : 0s}; },
           [] { return FakeAnswer{200, created}; });
    const Purchase purchase = buy(Manner::PollThenRetry);
    EXPECT_EQ(purchase.told, Told::Succeeded);
    ASSERT_EQ(confirm_keys_.size(), 2U);
    EXPECT_EQ(confirm_keys_[0], confirm_keys_[1]);
    EXPECT_EQ(way_.calls.size(), 3U + Shopper::polls_max);
}

TEST_F(ShopperTest, BelievesAPollThatSaysPaid) {
    answer([](int) { return FakeAnswer{200, paid, 20s}; }, [] { return FakeAnswer{200, paid}; });
    EXPECT_EQ(buy(Manner::PollThenRetry).told, Told::Succeeded);
    EXPECT_EQ(confirm_keys_.size(), 1U);
}

TEST(Load, IsOpenLoopAndCountsFromTheIntendedTime) {
    SimEnv env(7);
    env.install();
    net::SimLoop sim(env, 7);
    FakeWay way;
    way.respond = [](const Call& call) -> FakeAnswer {
        return {200, call.target.ends_with("/confirm") ? paid : created, 2s}; // slow throughout
    };
    Load load(sim.loop(), env, way, {.rate = 50, .seed = 7});
    ASSERT_TRUE(load.start());
    sim.run_for(20s);
    ASSERT_TRUE(sim.run(load.stop(net::Deadline::after(10min)), 20min));
    // Twenty seconds of fifty a second, however slow the answers.
    EXPECT_NEAR(static_cast<double>(load.counts().offered), 1000, 150);
    EXPECT_EQ(load.counts().told, load.counts().offered);
    int odd = 0;
    for (const Purchase& purchase : load.purchases()) {
        EXPECT_NE(purchase.told, Told::Nothing);
        if (purchase.manner == Manner::Sdk) EXPECT_GE(purchase.latency(), 4s);
        odd += purchase.manner == Manner::Sdk ? 0 : 1;
    }
    EXPECT_NEAR(odd, 200, 80);
}

TEST(Load, SharesOfMannersAreAsSaid) {
    std::map<Manner, int> counts;
    for (std::uint64_t percent = 0; percent < 100; ++percent) ++counts[manner_of(percent)];
    EXPECT_EQ(counts[Manner::Sdk], 80);
    for (const Manner manner :
         {Manner::ConfirmAgain, Manner::TwoInstances, Manner::Abandon, Manner::PollThenRetry})
        EXPECT_EQ(counts[manner], 5);
}

} // namespace
} // namespace holdfast::drill
