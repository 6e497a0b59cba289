// When new pool settings stay, and when they are taken back: a table.

#include "app/canary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::app {
namespace {

/// A quiet process: `n` of everything, nothing of it bad.
Traffic quiet(std::int64_t n = 2'000) {
    Traffic traffic;
    for (Share& share : traffic.shares) share.of = n;
    traffic.answers = traffic.acquires = n;
    return traffic;
}

std::size_t place(Counted counted, double over_s) {
    const auto found = std::ranges::find_if(measures, [&](const Measure& measure) {
        return measure.counted == counted && measure.over_s == over_s;
    });
    EXPECT_NE(found, measures.end());
    return static_cast<std::size_t>(found - measures.begin());
}

Traffic with(Traffic traffic, std::size_t i, std::int64_t bad) {
    traffic.shares[i].bad = bad;
    return traffic;
}

struct Case {
    const char* what;
    Observation seen;
    Verdict verdict;
};

std::vector<Case> cases() {
    const std::size_t waits = place(Counted::Waits, 0.1), errors = place(Counted::ServerErrors, 0),
                      none = place(Counted::Unserved, 0), late = place(Counted::Payments, 1);
    const Traffic q = quiet(), nothing;
    const auto seen = [](Traffic before, Traffic now, Traffic others_before, Traffic others_now) {
        return Observation{.canary = "pay-1",
                           .canary_before = before,
                           .canary_now = now,
                           .others_before = others_before,
                           .others_now = others_now};
    };
    return {
        {"nothing changed", seen(q, q, q, q), Verdict::Keep},
        {"alone, nothing changed", seen(q, q, nothing, nothing), Verdict::Keep},
        {"it got better", seen(with(q, waits, 900), q, q, q), Verdict::Keep},
        {"waits: worse than before", seen(q, with(q, waits, 200), q, q), Verdict::RollBack},
        {"the same, alone", seen(q, with(q, waits, 200), nothing, nothing), Verdict::RollBack},
        {"waits: less than is tolerated", seen(q, with(q, waits, 39), q, q), Verdict::Keep},
        {"waits: as bad as they were", seen(with(q, waits, 200), with(q, waits, 210), q, q),
         Verdict::Keep},
        {"some got no connection", seen(q, with(q, none, 20), q, q), Verdict::RollBack},
        {"errors of the server", seen(q, with(q, errors, 20), q, q), Verdict::RollBack},
        {"too few errors to say", seen(q, with(q, errors, 4), q, q), Verdict::Keep},
        {"payments are late", seen(q, with(q, late, 60), q, q), Verdict::RollBack},
        {"everybody got worse", seen(q, with(q, waits, 200), q, with(q, waits, 200)),
         Verdict::RollBack},
        {"a bad time is over for the others only",
         seen(with(q, waits, 200), with(q, waits, 200), with(q, waits, 200), q), Verdict::RollBack},
        {"it was always worse than the others",
         seen(with(q, waits, 200), with(q, waits, 200), q, q), Verdict::Keep},
        {"the others got worse, it did not", seen(q, q, q, with(q, waits, 200)), Verdict::Keep},
        {"too little now", seen(q, quiet(150), q, q), Verdict::TooLittle},
        {"too little before", seen(quiet(150), q, q, q), Verdict::TooLittle},
        {"little, and clearly bad", seen(q, with(quiet(100), waits, 60), q, q), Verdict::RollBack},
        {"nothing at all", seen(nothing, nothing, nothing, nothing), Verdict::TooLittle},
        {"it answers nobody any more", seen(q, nothing, q, q), Verdict::TooLittle},
    };
}

TEST(Canary, Table) {
    for (const Case& each : cases()) {
        const Judgement judged = judge(each.seen);
        EXPECT_EQ(judged.verdict, each.verdict) << each.what << ": " << judged.because;
        EXPECT_FALSE(judged.because.empty()) << each.what;
    }
}

TEST(Canary, IsTakenBackEarlyOnlyForWhatIsTooMuchForTheWholeTime) {
    const std::size_t waits = place(Counted::Waits, 0.1);
    Observation seen{.canary = "pay-1",
                     .canary_before = quiet(2'000),
                     .canary_now = with(quiet(100), waits, 30),
                     .complete = false};
    EXPECT_EQ(judge(seen).verdict, Verdict::TooLittle) << "30 of 2,000 are tolerated";
    seen.canary_now = with(quiet(100), waits, 60);
    EXPECT_EQ(judge(seen).verdict, Verdict::RollBack) << "60 are not";
    seen.canary_now = with(quiet(1'000), waits, 30);
    EXPECT_EQ(judge(seen).verdict, Verdict::Keep) << "so far";
    seen.complete = true;
    EXPECT_EQ(judge(seen).verdict, Verdict::RollBack) << "30 of what there was";
}

TEST(Canary, SaysWhatWasMeasured) {
    const std::size_t waits = place(Counted::Waits, 0.1);
    Observation seen{.canary = "pay-2",
                     .canary_before = with(quiet(1'000), waits, 1),
                     .canary_now = with(quiet(1'000), waits, 250),
                     .others_before = quiet(1'000),
                     .others_now = with(quiet(1'000), waits, 2)};
    EXPECT_EQ(judge(seen).because,
              "25.0 % of requests for a connection waited over 100 ms on pay-2 with them, 0.1 % "
              "before, 0.2 % on the others meanwhile");
    seen.others_now.shares[waits].bad = 250;
    EXPECT_TRUE(judge(seen).because.ends_with("; the others got worse as well, by it or by a rush"))
        << judge(seen).because;
    // The measure that is the furthest beyond what it tolerates is the one that is told.
    seen.canary_now = with(seen.canary_now, place(Counted::ServerErrors, 0), 900);
    EXPECT_TRUE(judge(seen).because.starts_with("90.0 % of answers were errors of the server"))
        << judge(seen).because;
}

/// What may change with any hour is not taken for damage: one in 30,000 comparisons.
TEST(Canary, ChanceIsNoReason) {
    for (const std::int64_t before : {20, 200, 1'000})
        for (const std::int64_t off : {-5, 5}) {
            const Share than{before, 4'000}, now{before + off, 4'000};
            EXPECT_FALSE(worse(now, than, 0)) << before << off;
        }
    EXPECT_TRUE(worse({200, 4'000}, {100, 4'000}, 0.02));
    EXPECT_FALSE(worse({100, 4'000}, {200, 4'000}, 0.02)) << "better";
    EXPECT_FALSE(worse({4, 4}, {0, 4'000}, 0.02)) << "too few";
    EXPECT_FALSE(worse({10, 10}, {10, 10}, 0.02)) << "all of both";
    EXPECT_FALSE(worse({10, 10}, {}, 0.02)) << "nothing to compare with";
}

TEST(Canary, CountsAreAddedAndSubtracted) {
    Traffic sum = with(quiet(10), 0, 3);
    sum += with(quiet(5), 0, 1);
    EXPECT_EQ(sum.shares[0].bad, 4);
    EXPECT_EQ(sum.shares[0].of, 15);
    EXPECT_EQ(sum.answers, 15);
    const Traffic rest = sum - with(quiet(5), 0, 1);
    EXPECT_EQ(rest.shares[0].bad, 3);
    EXPECT_EQ(rest.acquires, 10);
}

} // namespace
} // namespace holdfast::app
