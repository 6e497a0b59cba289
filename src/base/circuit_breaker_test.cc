#include "base/circuit_breaker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

class Breaker : public testing::Test {
  protected:
    SimEnv env_{7};
    BreakerOptions options_{.failures_in_a_row = 3,
                            .failure_percent = 50,
                            .calls_min = 10,
                            .window = 10s,
                            .open_first = 1s,
                            .open_max = 4s,
                            .probes_max = 2,
                            .probes_to_close = 2};
    std::vector<State> changes_;
    CircuitBreaker breaker_{env_, options_, [this](State s) { changes_.push_back(s); }};

    /// One call; false when it was not admitted.
    bool call(bool succeeds) {
        auto permit = breaker_.admit();
        if (!permit) return false;
        succeeds ? permit->succeeded() : permit->failed();
        return true;
    }
    void open() {
        for (int i = 0; i < options_.failures_in_a_row; ++i) ASSERT_TRUE(call(false));
        ASSERT_EQ(breaker_.state(), State::Open);
    }
    /// Calls every millisecond until one is admitted; how long that took.
    Duration until_admitted(bool succeeds) {
        const MonoTime start = env_.now();
        while (!call(succeeds)) env_.advance(1ms);
        return env_.now() - start;
    }
};

TEST_F(Breaker, OpensAfterFailuresInARowAndRefusesWithoutACall) {
    EXPECT_TRUE(call(false));
    EXPECT_TRUE(call(false));
    EXPECT_TRUE(call(true)) << "a success between them starts the count anew";
    EXPECT_TRUE(call(false));
    EXPECT_TRUE(call(false));
    EXPECT_EQ(breaker_.state(), State::Closed);
    EXPECT_TRUE(call(false));
    EXPECT_EQ(breaker_.state(), State::Open);
    EXPECT_FALSE(call(true));
    EXPECT_EQ(breaker_.refused(), 1u);
    EXPECT_EQ(breaker_.opened(), 1u);
}

TEST_F(Breaker, OpensWhenAShareOfEnoughCallsFails) {
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(call(i % 2 == 0)); // 4 of 9
    EXPECT_EQ(breaker_.state(), State::Closed);
    EXPECT_TRUE(call(false)); // 5 of 10
    EXPECT_EQ(breaker_.state(), State::Open);
}

TEST_F(Breaker, ForgetsWhatIsOlderThanItsWindow) {
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(call(i % 2 == 0));
    env_.advance(11s);
    EXPECT_TRUE(call(false));
    EXPECT_EQ(breaker_.state(), State::Closed);
    EXPECT_TRUE(call(true));
    env_.advance(6s); // now it is in the half before, and still counts
    for (int i = 0; i < 7; ++i) EXPECT_TRUE(call(i % 2 == 1));
    EXPECT_EQ(breaker_.state(), State::Closed);
    EXPECT_TRUE(call(false));
    EXPECT_EQ(breaker_.state(), State::Open) << "6 of 10";
}

TEST_F(Breaker, LetsABoundedNumberOfProbesThroughAndClosesWhenTheySucceed) {
    open();
    env_.advance(1s);
    auto first = breaker_.admit();
    auto second = breaker_.admit();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(breaker_.state(), State::HalfOpen);
    EXPECT_FALSE(breaker_.admit()) << "a third at the same time";
    first->succeeded();
    EXPECT_EQ(breaker_.state(), State::HalfOpen);
    second->succeeded();
    EXPECT_EQ(breaker_.state(), State::Closed);
    EXPECT_EQ(changes_, (std::vector{State::Open, State::HalfOpen, State::Closed}));
    EXPECT_TRUE(call(false)) << "and starts with a clean record";
    EXPECT_EQ(breaker_.state(), State::Closed);
}

TEST_F(Breaker, StaysOpenLongerEachTimeWithJitterUpToAMaximum) {
    open();
    for (Duration longest : std::initializer_list<Duration>{1s, 2s, 4s, 4s, 4s}) {
        const Duration waited = until_admitted(false);
        EXPECT_GE(waited, longest / 2);
        EXPECT_LE(waited, longest + 1ms);
        EXPECT_EQ(breaker_.state(), State::Open);
    }
    until_admitted(true);
    EXPECT_TRUE(call(true));
    EXPECT_EQ(breaker_.state(), State::Closed);
    open();
    EXPECT_LE(until_admitted(true), 1s + 1ms) << "once closed it begins again with the first";
}

TEST_F(Breaker, ThoseThatOpenTogetherDoNotProbeTogether) {
    std::vector<std::unique_ptr<CircuitBreaker>> others;
    for (int i = 0; i < 100; ++i) {
        others.push_back(std::make_unique<CircuitBreaker>(env_, options_));
        for (int n = 0; n < options_.failures_in_a_row; ++n) others.back()->admit()->failed();
    }
    int at_once_max = 0;
    for (int ms = 0; ms <= 1000; ms += 10) {
        int at_once = 0;
        for (auto& other : others) {
            if (other->state() == State::Open && other->admit()) ++at_once;
        }
        at_once_max = std::max(at_once_max, at_once);
        env_.advance(10ms);
    }
    EXPECT_LE(at_once_max, 15);
    for (auto& other : others) EXPECT_EQ(other->state(), State::HalfOpen);
}

TEST_F(Breaker, AProbeThatIsDroppedFreesItsPlaceAndCountsAsNothing) {
    open();
    env_.advance(1s);
    for (int i = 0; i < 10; ++i) (void)breaker_.admit();
    EXPECT_EQ(breaker_.state(), State::HalfOpen);
    EXPECT_TRUE(call(true));
    EXPECT_TRUE(call(true));
    EXPECT_EQ(breaker_.state(), State::Closed);
}

TEST_F(Breaker, WordsAboutCallsOfAnEarlierStateAreIgnored) {
    auto old = breaker_.admit();
    auto older = breaker_.admit();
    open();
    old->succeeded();
    EXPECT_EQ(breaker_.state(), State::Open);
    env_.advance(1s);
    auto probe = breaker_.admit();
    ASSERT_TRUE(probe);
    older->failed();
    EXPECT_EQ(breaker_.state(), State::HalfOpen) << "it failed before the probe began";
    probe->succeeded();
    EXPECT_TRUE(call(true));
    EXPECT_EQ(breaker_.state(), State::Closed);
}

} // namespace
} // namespace holdfast
