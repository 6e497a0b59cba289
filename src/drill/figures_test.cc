#include "drill/figures.h"

#include "base/json.h"
#include "drill/report.h"

#include <gmock/gmock.h>
#include <boost/json/value.hpp>

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr MonoTime start{1h};
const Times times{.start = start, .strike = start + 10s, .end = start + 60s};

Purchase purchase(Duration intended, Duration latency, Told told = Told::Succeeded) {
    return {.id = "p",
            .intended = start + intended,
            .told = told,
            .ended = start + intended + latency,
            .trouble = told == Told::Failed ? "503 away" : ""};
}

/// One a second, answered at once.
std::deque<Purchase> steady() {
    std::deque<Purchase> all;
    for (int i = 0; i < 60; ++i) all.push_back(purchase(std::chrono::seconds{i}, 10ms));
    return all;
}

Figures good() {
    Figures figures = count(steady(), times);
    figures.witnesses.ledger_balanced = figures.witnesses.books_agree = true;
    return figures;
}

TEST(Quantile, IsTheSmallestValueThatCoversTheShare) {
    std::vector<Duration> none;
    EXPECT_EQ(quantile(none, 99), 0us);
    std::vector<Duration> one{5ms};
    EXPECT_EQ(quantile(one, 50), 5ms);
    std::vector<Duration> values;
    for (int i = 100; i >= 1; --i) values.push_back(std::chrono::milliseconds{i});
    EXPECT_EQ(quantile(values, 50), 50ms);
    EXPECT_EQ(quantile(values, 99), 99ms);
    EXPECT_EQ(quantile(values, 100), 100ms);
    EXPECT_EQ(quantile(values, 0), 1ms);
    std::vector<Duration> ten(values.begin(), values.begin() + 10);
    EXPECT_EQ(quantile(ten, 99), 10ms);
}

TEST(Figures, CountWhatClientsWereTold) {
    std::deque<Purchase> all{purchase(1s, 10ms),
                             purchase(2s, 10ms, Told::Accepted),
                             purchase(3s, 10ms, Told::Declined),
                             purchase(4s, 10ms, Told::Failed),
                             purchase(5s, 10ms, Told::Abandoned),
                             purchase(6s, 81s)}; // an answer that late is none
    const Figures f = count(all, times);
    EXPECT_EQ(f.offered, 6);
    EXPECT_EQ(f.acknowledged, 3);
    EXPECT_EQ(f.succeeded, 1);
    EXPECT_EQ(f.standin, 1);
    EXPECT_EQ(f.declined, 1);
    EXPECT_EQ(f.failed, 2);
    EXPECT_EQ(f.abandoned, 1);
    EXPECT_THAT(f.troubles, ElementsAre("503 away"));
}

TEST(Figures, AStallIsTheLongestTimeWithoutAnAcknowledgement) {
    EXPECT_NEAR(static_cast<double>(count(steady(), times).max_stall_ms), 1000, 20);
    std::deque<Purchase> all = steady();
    for (Purchase& each : all) // what arrived while it stood still is answered when it goes on
        if (each.intended >= start + 20s && each.intended < start + 27s) each.ended = start + 27s;
    EXPECT_EQ(count(all, times).max_stall_ms, 27'000 - 19'010);
    for (Purchase& each : all)
        if (each.intended >= start + 50s) each.told = Told::Failed;
    EXPECT_EQ(count(all, times).max_stall_ms, 60'000 - 49'010); // to the end counts as well
}

TEST(Figures, RecoveryIsTheEndOfTheLastLatePurchase) {
    EXPECT_EQ(count(steady(), times).recovered_after_ms, 0);
    std::deque<Purchase> all = steady();
    all[12].ended = start + 15s;
    EXPECT_EQ(count(all, times).recovered_after_ms, 5'000);
    all[30].told = Told::Failed;
    EXPECT_EQ(count(all, times).recovered_after_ms, 20'010);
    all[59].told = Told::Failed; // still failing when the load ends
    EXPECT_EQ(count(all, times).recovered_after_ms, std::nullopt);
}

TEST(Verdict, PassesOnlyWhenEverythingHolds) {
    EXPECT_EQ(judge(good(), {}).outcome, Outcome::Passed);
    const std::vector<std::pair<std::function<void(Figures&)>, std::string>> breakages = {
        {[](Figures& f) { f.offered = 0; }, "no purchase"},
        {[](Figures& f) { f.failed = 1; }, "1 purchases failed"},
        {[](Figures& f) { f.witnesses.lost = 2; }, "2 acknowledged purchases are lost"},
        {[](Figures& f) { f.witnesses.doubled = 1; }, "charged twice"},
        {[](Figures& f) { f.witnesses.orphan_holds = 1; }, "holds"},
        {[](Figures& f) { f.witnesses.event_missing = 1; }, "events are missing"},
        {[](Figures& f) { f.witnesses.unlogged = 1; }, "in no attempt log"},
        {[](Figures& f) { f.witnesses.ledger_balanced = false; }, "does not balance"},
        {[](Figures& f) { f.witnesses.books_agree = false; }, "disagree"},
        {[](Figures& f) { f.unmet = {"the pair is not in sync"}; }, "not in sync"},
        {[](Figures& f) { f.recovered_after_ms.reset(); }, "not recovered"},
        {[](Figures& f) { f.max_stall_ms = 80'001; }, "stood still"},
    };
    for (const auto& [damage, reason] : breakages) {
        Figures figures = good();
        damage(figures);
        const Judgement judgement = judge(figures, {});
        EXPECT_EQ(judgement.outcome, Outcome::Failed);
        EXPECT_THAT(judgement.reasons, ElementsAre(HasSubstr(reason)));
    }
}

TEST(Verdict, FollowsTheExpectationOfTheScenario) {
    Figures figures = good();
    figures.failed = 3;
    figures.standin = 1;
    figures.max_stall_ms = 4'000;
    EXPECT_EQ(judge(figures, {.none_failed = false}).outcome, Outcome::Passed);
    const Expectation strict{.none_in_standin = true, .stall_max = 3s};
    EXPECT_EQ(judge(figures, strict).reasons.size(), 3U);
}

TEST(Verdict, MayAskThatWhoFailedWasTurnedAway) {
    std::deque<Purchase> all = steady();
    all[20].told = all[21].told = Told::Failed;
    all[20].turned_away = all[21].turned_away = true;
    const Expectation expected{.none_failed = false, .refused_cleanly = true};
    Figures figures = count(all, times);
    figures.witnesses = good().witnesses;
    EXPECT_EQ(figures.failed, 2);
    EXPECT_EQ(judge(figures, expected).outcome, Outcome::Passed);
    all[21].turned_away = false;
    figures = count(all, times);
    figures.witnesses = good().witnesses;
    EXPECT_THAT(judge(figures, expected).reasons,
                ElementsAre(HasSubstr("1 purchases failed by something else")));
}

TEST(Verdict, IsInvalidWhateverWasCountedWhenAFaultWasNotProven) {
    Figures figures = good();
    figures.unproven = "kill: postgres-a lives on";
    EXPECT_EQ(judge(figures, {}).outcome, Outcome::Invalid);
    figures.witnesses.lost = 1; // not even that counts: who knows what was tested
    EXPECT_EQ(judge(figures, {}).outcome, Outcome::Invalid);
    EXPECT_THAT(judge(figures, {}).reasons, ElementsAre("kill: postgres-a lives on"));
    figures.struck = figures.struck_bad = 100;
    EXPECT_EQ(judge_unprotected(figures).outcome, Outcome::Invalid);
}

TEST(Verdict, WithoutProtectionAFifthIsAnOutage) {
    Figures figures;
    figures.struck = 100;
    figures.struck_bad = 20;
    EXPECT_EQ(judge_unprotected(figures).outcome, Outcome::NoOutage);
    figures.struck_bad = 21;
    EXPECT_EQ(judge_unprotected(figures).outcome, Outcome::Outage);
}

TEST(Verdict, CountsFromTheBlowOnForAnOutage) {
    std::deque<Purchase> all = steady();
    for (int i = 0; i < 10; ++i) all[static_cast<std::size_t>(i)].told = Told::Failed;
    all[20].ended = all[20].intended + 3s;
    const Figures figures = count(all, times);
    EXPECT_EQ(figures.struck, 50);
    EXPECT_EQ(figures.struck_bad, 1);
}

TEST(Report, JsonHasExactlyTheKeysThatAreDocumented) {
    DrillReport report{.scenario = *find_scenario("000-migration-lock"),
                       .times = times,
                       .figures = good(),
                       .judgement = {Outcome::Passed, {}}};
    const std::string json = as_json(report);
    auto parsed = parse_json(json);
    ASSERT_TRUE(parsed);
    std::vector<std::string> keys;
    for (const auto& [key, value] : parsed->get_object()) keys.emplace_back(key);
    EXPECT_THAT(keys, ElementsAre("name", "engine", "valid", "offered", "acknowledged", "succeeded",
                                  "declined", "standin", "standin_declined", "failed", "lost",
                                  "doubled", "orphan_holds", "event_missing", "max_stall_ms",
                                  "p50_ms", "p99_ms", "recovered_after_ms", "ledger_balanced",
                                  "books_agree", "seed_outage_minutes", "verdict"));
    EXPECT_EQ(parsed->at("seed_outage_minutes").as_int64(), 75);
    EXPECT_EQ(parsed->at("verdict").as_string(), "passed");
    report.scenario = *find_scenario("primary-killed");
    report.judgement = {Outcome::Invalid, {"x"}};
    report.figures.recovered_after_ms.reset();
    auto other = parse_json(as_json(report));
    EXPECT_TRUE(other->at("seed_outage_minutes").is_null());
    EXPECT_TRUE(other->at("recovered_after_ms").is_null());
    EXPECT_FALSE(other->at("valid").as_bool());
}

TEST(Report, WritesNumbersAndTimesForPeople) {
    EXPECT_EQ(with_commas(0), "0");
    EXPECT_EQ(with_commas(999), "999");
    EXPECT_EQ(with_commas(1'234'567), "1,234,567");
    EXPECT_EQ(as_time(840ms), "840 ms");
    EXPECT_EQ(as_time(1'240ms), "1.24 s");
    EXPECT_EQ(as_time(125s), "2 min 5 s");
}

TEST(Scenarios, AreSoundTables) {
    std::vector<std::string_view> names;
    for (const Scenario* scenario : all_scenarios()) {
        names.push_back(scenario->name);
        int blows = 0;
        Duration last{-1};
        for (const Step& step : scenario->steps) {
            blows += step.kind == Step::Kind::Blow ? 1 : 0;
            EXPECT_GE(step.at, last) << scenario->name;
            EXPECT_LT(step.at, scenario->length) << scenario->name;
            last = step.at;
        }
        EXPECT_EQ(blows, 1) << scenario->name;
        EXPECT_TRUE(scenario->sentence.ends_with('.')) << scenario->name;
        EXPECT_EQ(*find_scenario(scenario->name), scenario); // names are unique
    }
    EXPECT_EQ(find_scenario("nothing").error().code, "drill_unknown");
}

} // namespace
} // namespace holdfast::drill
