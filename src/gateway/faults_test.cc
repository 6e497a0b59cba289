#include "gateway/faults.h"
#include "gateway/fault_json.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

using namespace std::chrono_literals;

TEST(Faults, NoneByDefault) {
    FaultInjector faults;
    for (int i = 0; i < 100; ++i) {
        const Fate fate = faults.next(CallKind::Execute);
        EXPECT_FALSE(fate.fault);
        EXPECT_EQ(fate.delay, 0us);
    }
}

TEST(Faults, ProbabilityCountAndCallsAreKept) {
    FaultPlan plan{.seed = 3};
    plan[FaultKind::LoseAnswer] = {
        .probability_ppm = certain_ppm / 4, .count = 50, .calls = {true, false, false}};
    FaultInjector faults(plan);
    int hits = 0, calls = 0;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(faults.next(CallKind::Inquire).fault);
    while (hits < 50 && calls < 1000) {
        hits += faults.next(CallKind::Execute).is(FaultKind::LoseAnswer);
        ++calls;
    }
    EXPECT_EQ(hits, 50);
    EXPECT_GT(calls, 120);
    EXPECT_LT(calls, 350);
    EXPECT_EQ(faults.plan()[FaultKind::LoseAnswer].count, 0u);
    EXPECT_FALSE(faults.next(CallKind::Execute).fault);
    EXPECT_EQ(faults.hits()[static_cast<std::size_t>(FaultKind::LoseAnswer)], 50u);
}

TEST(Faults, DelayComesWithOthersAndStaysInRange) {
    FaultPlan plan;
    plan[FaultKind::Delay] = {.probability_ppm = certain_ppm, .delay_min = 10ms, .delay_max = 20ms};
    plan[FaultKind::BookLate] = {.probability_ppm = certain_ppm, .delay_min = 5s, .delay_max = 5s};
    FaultInjector faults(plan);
    Duration low = 1h, high = 0h;
    for (int i = 0; i < 200; ++i) {
        const Fate fate = faults.next(CallKind::Execute);
        EXPECT_TRUE(fate.is(FaultKind::BookLate));
        EXPECT_EQ(fate.late, 5s);
        low = std::min(low, fate.delay);
        high = std::max(high, fate.delay);
    }
    EXPECT_GE(low, 10ms);
    EXPECT_LT(low, 12ms);
    EXPECT_LE(high, 20ms);
    EXPECT_GT(high, 18ms);
}

TEST(Faults, SameSeedSameFaults) {
    auto run = [](std::uint64_t seed) {
        FaultPlan plan{.seed = seed};
        for (auto& mode : plan.modes) mode = {.probability_ppm = 200'000, .delay_max = 1s};
        FaultInjector faults(plan);
        std::string history;
        for (int i = 0; i < 200; ++i) {
            const Fate fate = faults.next(CallKind::Execute);
            history += std::to_string(fate.delay.count());
            history += fate.fault ? fault_names[static_cast<std::size_t>(*fate.fault)] : "-";
        }
        return history;
    };
    EXPECT_EQ(run(1), run(1));
    EXPECT_NE(run(1), run(2));
}

TEST(FaultPlanJson, RoundTrip) {
    auto plan = parse_fault_plan(
        R"({"seed":7,"modes":{"lose_answer":{"probability":0.2,"count":5},)"
        R"("delay":{"delay_ms":50,"delay_max_ms":200,"calls":["inquire","reverse"]}}})");
    ASSERT_TRUE(plan) << to_string(plan.error());
    EXPECT_EQ(plan->seed, 7u);
    EXPECT_EQ((*plan)[FaultKind::LoseAnswer].probability_ppm, 200'000);
    EXPECT_EQ((*plan)[FaultKind::LoseAnswer].count, 5u);
    EXPECT_EQ((*plan)[FaultKind::Delay].probability_ppm, certain_ppm);
    EXPECT_EQ((*plan)[FaultKind::Delay].delay_max, 200ms);
    EXPECT_FALSE((*plan)[FaultKind::Delay].calls[0]);
    EXPECT_EQ((*plan)[FaultKind::Disconnect].probability_ppm, 0);
    const std::string text = render_fault_plan(FaultInjector(*plan));
    EXPECT_EQ(text,
              R"({"seed":7,"modes":{"delay":{"probability":1E0,"delay_ms":50,"delay_max_ms":200,)"
              R"("calls":["inquire","reverse"],"hits":0},"lose_answer":{"probability":2E-1,)"
              R"("count":5,"delay_ms":0,"delay_max_ms":0,"calls":["execute","inquire","reverse"],)"
              R"("hits":0}}})");
}

TEST(FaultPlanJson, TypingErrorsAreErrors) {
    for (auto text :
         {"", "[]", R"({"sed":1})", R"({"seed":-1})", R"({"seed":"1"})", R"({"modes":[]})",
          R"({"modes":{"loose_answer":{}}})", R"({"modes":{"delay":1}})",
          R"({"modes":{"delay":{"probability":1.1}}})",
          R"({"modes":{"delay":{"probability":-0.1}}})",
          R"({"modes":{"delay":{"probability":"1"}}})", R"({"modes":{"delay":{"count":-1}}})",
          R"({"modes":{"delay":{"delay_ms":600001}}})",
          R"({"modes":{"delay":{"delay_ms":5,"delay_max_ms":4}}})",
          R"({"modes":{"delay":{"calls":["refund"]}}})",
          R"({"modes":{"delay":{"calls":"execute"}}})", R"({"modes":{"delay":{"dealy_ms":5}}})"}) {
        EXPECT_FALSE(parse_fault_plan(text)) << text;
    }
    EXPECT_TRUE(parse_fault_plan("{}"));
}

} // namespace
} // namespace holdfast::gateway
