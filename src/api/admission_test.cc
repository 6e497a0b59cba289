#include "api/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast::api {
namespace {

using namespace std::chrono_literals;

class AdmissionTest : public testing::Test {
  protected:
    Registry registry_;
    AdmissionOptions options_{.payments_max = 50,
                              .checkouts_max = 40,
                              .browse_max = 20,
                              .checkouts_min = 10,
                              .browse_min = 4,
                              .delay_target = 50ms};
    Admission admission_{options_, registry_};

    /// Takes permits until there are no more.
    std::vector<Admission::Permit> fill(Urgency urgency) {
        std::vector<Admission::Permit> permits;
        for (;;) {
            auto permit = admission_.enter(urgency);
            if (!permit) {
                EXPECT_EQ(permit.error().code, "overloaded");
                EXPECT_EQ(permit.error().kind, ErrorClass::Overload);
                return permits;
            }
            permits.push_back(std::move(*permit));
        }
    }
    void observe(Delays delays, int times) {
        for (int i = 0; i < times; ++i) admission_.observe(delays);
    }
};

TEST_F(AdmissionTest, EachUrgencyHasALimitOfItsOwn) {
    auto browsing = fill(Urgency::Browse);
    EXPECT_EQ(browsing.size(), 20u);
    auto checkouts = fill(Urgency::Checkout);
    EXPECT_EQ(checkouts.size(), 40u);
    EXPECT_EQ(fill(Urgency::Payment).size(), 50u);
    EXPECT_EQ(admission_.running(Urgency::Payment), 0) << "permits are given back";
    browsing.pop_back();
    EXPECT_TRUE(admission_.enter(Urgency::Browse).has_value());
    EXPECT_NE(registry_.render().find(
                  "holdfast_requests_refused_total{reason=\"overloaded\",urgency=\"browse\"} 1"),
              std::string::npos);
}

TEST_F(AdmissionTest, DelaysTakeFromBrowseThenFromCheckoutAndNeverFromPayments) {
    observe({.loop = 60ms}, 3);
    EXPECT_LT(admission_.limit(Urgency::Browse), 10);
    EXPECT_EQ(admission_.limit(Urgency::Checkout), 40);
    observe({.loop = 60ms}, 100);
    EXPECT_EQ(admission_.limit(Urgency::Browse), 4);
    EXPECT_EQ(admission_.limit(Urgency::Checkout), 10);
    EXPECT_EQ(admission_.limit(Urgency::Payment), 50);
}

TEST_F(AdmissionTest, CheckoutsAreHeldWhileCommandsWait) {
    observe({.processor = 10s}, 100);
    EXPECT_EQ(admission_.limit(Urgency::Browse), 4);
    EXPECT_EQ(admission_.limit(Urgency::Checkout), 40) << "the database may just be away";
}

TEST_F(AdmissionTest, WhatWasTakenComesBackInTheOtherOrder) {
    observe({.loop = 1s}, 100);
    observe({.loop = 50ms}, 3);
    EXPECT_GT(admission_.limit(Urgency::Checkout), 10);
    EXPECT_EQ(admission_.limit(Urgency::Browse), 4);
    observe({}, 100);
    EXPECT_EQ(admission_.limit(Urgency::Checkout), 40);
    EXPECT_EQ(admission_.limit(Urgency::Browse), 20);
}

TEST_F(AdmissionTest, PermitsMayOutliveIt) {
    auto admission = std::make_unique<Admission>(options_, registry_);
    auto permit = admission->enter(Urgency::Payment);
    admission.reset();
    EXPECT_TRUE(permit.has_value());
}

} // namespace
} // namespace holdfast::api
