#include "gateway/breaking_connector.h"

#include "gateway/sim_acquirer.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

using core::Operation;
using core::OperationKind;
using State = CircuitBreaker::State;
using namespace std::chrono_literals;

class BreakingConnectorTest : public testing::Test {
  protected:
    Operation sale() {
        Operation op;
        op.id = Id<Operation>::time_ordered(env_);
        op.kind = OperationKind::Sale;
        op.amount = {1000, {}};
        op.vault_token = "test_visa";
        op.valid_until = env_.wall() + 15s;
        return op;
    }
    /// "ok", or the code of the Error.
    std::string execute(const Operation& op, Duration limit = 1s) {
        auto answer = sim_.run(connector_.execute(op, Deadline::after(limit)), 1min);
        if (answer) return answer->finding == Finding::Declined ? "declined" : "ok";
        last_ = answer.error();
        return answer.error().code;
    }
    void open() {
        acquirer_.set_reachable(false);
        for (int i = 0; i < options_.breaker.failures_in_a_row; ++i) execute(sale());
        ASSERT_EQ(connector_.state(), State::Open);
    }
    void silence(bool on) {
        FaultPlan plan;
        if (on) plan[FaultKind::LoseAnswer] = {.probability_ppm = certain_ppm};
        acquirer_.set_faults(plan);
    }

    SimEnv env_{3};
    bool installed_ = (env_.install(), true);
    net::SimLoop sim_{env_, 3};
    SimAcquirer acquirer_{sim_, env_, {}};
    BreakingOptions options_{.breaker = {.failures_in_a_row = 3}};
    Registry registry_;
    BreakingConnector connector_{env_, acquirer_, options_, &registry_};
    Error last_;
};

TEST_F(BreakingConnectorTest, WhatAnOpenBreakerRefusesWasCertainlyNotSent) {
    open();
    acquirer_.set_reachable(true);
    const Operation op = sale();
    EXPECT_EQ(execute(op), "acquirer_breaker_open");
    EXPECT_EQ(last_.kind, ErrorClass::Unavailable);
    EXPECT_TRUE(last_.retryable);
    auto known = sim_.run(acquirer_.inquire(op.id, Deadline::after(1s)), 1min);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->finding, Finding::NotFound);
}

TEST_F(BreakingConnectorTest, OpensForLostAnswersToo) {
    silence(true);
    for (int i = 0; i < 3; ++i) EXPECT_NE(execute(sale()), "ok");
    EXPECT_EQ(connector_.state(), State::Open);
    EXPECT_EQ(execute(sale()), "acquirer_breaker_open");
}

TEST_F(BreakingConnectorTest, ADeclineAndARefusalAreAnswers) {
    Operation declined = sale();
    declined.vault_token = "test_chargeDeclined";
    for (int i = 0; i < 30; ++i) {
        declined.id = Id<Operation>::time_ordered(env_);
        EXPECT_NE(execute(declined), "acquirer_breaker_open");
    }
    Operation capture = sale();
    capture.kind = OperationKind::Capture; // of nothing
    for (int i = 0; i < 30; ++i) EXPECT_NE(execute(capture), "acquirer_breaker_open");
    EXPECT_EQ(connector_.state(), State::Closed);
}

TEST_F(BreakingConnectorTest, WhoHadNoTimeSaysNothingAboutTheAcquirer) {
    silence(true);
    for (int i = 0; i < 30; ++i) EXPECT_NE(execute(sale(), 100ms), "ok");
    EXPECT_EQ(connector_.state(), State::Closed);
}

TEST_F(BreakingConnectorTest, RecoversByItself) {
    open();
    sim_.run_for(30s);
    EXPECT_NE(execute(sale()), "ok") << "a probe, and still away";
    EXPECT_EQ(connector_.state(), State::Open);
    acquirer_.set_reachable(true);
    sim_.run_for(options_.breaker.open_max);
    EXPECT_EQ(execute(sale()), "ok");
    EXPECT_EQ(execute(sale()), "ok");
    EXPECT_EQ(connector_.state(), State::Closed);
    EXPECT_NE(registry_.render().find("holdfast_breaker_state{endpoint=\"acquirer\","
                                      "state=\"closed\"} 1"),
              std::string::npos)
        << registry_.render();
}

} // namespace
} // namespace holdfast::gateway
