#include "processor/logged_steps.h"

#include "base/env.h"
#include "core/snapshot.h"

#include <gtest/gtest.h>

namespace holdfast::processor {
namespace {

class LoggedStepsTest : public testing::Test {
  protected:
    LoggedStepsTest() {
        payment_.id = Id<core::PaymentIntent>::time_ordered(env_);
        payment_.account = Id<core::Account>::time_ordered(env_);
        payment_.amount = {1'099, {}};
        operation_.id = Id<core::Operation>::time_ordered(env_);
        operation_.payment_intent = payment_.id;
        operation_.amount = {1'000, {}};
    }

    core::Command creation() const {
        return {payment_.account, {}, {}, core::CreatePaymentIntent{.payment_intent = payment_}};
    }
    core::Command word(core::OperationState state) const {
        return {payment_.account, {}, {}, core::record_outcome(operation_, {.state = state})};
    }
    LoggedRows rows(bool with_operation) const {
        LoggedRows rows;
        rows.objects.push_back(core::snapshot(payment_));
        if (with_operation) rows.operation = core::encode_operation(operation_);
        return rows;
    }
    void take(StepNumber sequence, std::string record) {
        ASSERT_TRUE(steps_.take({.sequence = sequence, .payload = std::move(record)}));
    }
    StepSummary summary(StepNumber number) {
        auto found = steps_.open().find(number);
        EXPECT_NE(found, steps_.open().end());
        auto made = summary_of(found->second);
        EXPECT_TRUE(made.has_value());
        return made.value_or(StepSummary{});
    }

    SimEnv env_{1};
    core::PaymentIntent payment_;
    core::Operation operation_;
    LoggedSteps steps_;
};

TEST_F(LoggedStepsTest, TheLastShareCounts) {
    EXPECT_FALSE(steps_.share());
    take(1, share_record({.ppm = 1, .from = env_.wall(), .until = env_.wall()}));
    take(2, accepted_record(creation(), rows(true)));
    take(3, share_record({.ppm = 2, .from = env_.wall(), .until = env_.wall()}));
    ASSERT_TRUE(steps_.share());
    EXPECT_EQ(steps_.share()->first, 3U);
    EXPECT_EQ(steps_.share()->second.ppm, 2);
    EXPECT_EQ(steps_.open().size(), 1U) << "it is no step";
}

TEST_F(LoggedStepsTest, WhatIsNotSettledIsLeft) {
    take(1, accepted_record(creation(), rows(true)));
    take(2, accepted_record(creation(), rows(true)));
    take(3, outcome_record(2, word(core::OperationState::Approved), rows(true)));
    take(4, settled_record(1));
    ASSERT_EQ(steps_.open().size(), 1U);
    EXPECT_TRUE(steps_.open().at(2).outcome.has_value());
    take(5, settled_record(2));
    EXPECT_TRUE(steps_.open().empty());
}

TEST_F(LoggedStepsTest, WhatBeganInAReleasedSegmentSaysNothing) {
    take(7, outcome_record(2, word(core::OperationState::Approved), rows(true)));
    take(8, settled_record(3));
    EXPECT_TRUE(steps_.open().empty());
}

TEST_F(LoggedStepsTest, RecordsOfOthersAreRefused) {
    EXPECT_EQ(steps_.take({.sequence = 1, .payload = "no record"}).error().kind,
              ErrorClass::Invalid);
}

TEST_F(LoggedStepsTest, SaysWhatToLookForInTheAcquirersBooks) {
    take(1, accepted_record(creation(), rows(false)));
    take(2, accepted_record(creation(), rows(true)));
    take(3, accepted_record(creation(), rows(true)));
    take(4, accepted_record(creation(), rows(true)));
    take(5, outcome_record(3, word(core::OperationState::Approved), rows(true)));
    take(6, outcome_record(4, word(core::OperationState::Declined), rows(true)));
    take(7, accepted_record(word(core::OperationState::Approved), rows(false)));
    const StepState states[] = {StepState::Created, StepState::Unknown, StepState::Approved,
                                StepState::Declined};
    for (StepNumber number = 1; number <= 4; ++number) {
        const StepSummary step = summary(number);
        EXPECT_EQ(step.state, states[number - 1]) << number;
        EXPECT_EQ(step.payment, payment_.id);
        EXPECT_EQ(step.amount.minor, number == 1 ? 1'099 : 1'000) << "what is held, once it is";
        EXPECT_EQ(step.reference.is_nil(), number == 1) << number;
    }
    const StepSummary stored_late = summary(7); // a sale that began in the database
    EXPECT_EQ(stored_late.state, StepState::Approved);
    EXPECT_EQ(stored_late.reference, operation_.id);
    EXPECT_EQ(stored_late.amount.minor, 1'099);
}

} // namespace
} // namespace holdfast::processor
