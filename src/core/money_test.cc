#include "core/money.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

namespace holdfast::core {
namespace {

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
__extension__ using Int128 = __int128;

Currency currency(std::string_view code) { return *Currency::parse(code); }

TEST(Currency, ParsesEitherCaseAndNothingElse) {
    EXPECT_EQ(currency("eur"), currency("EUR"));
    EXPECT_EQ(currency("eUr").code(), "eur");
    for (std::string_view bad : {"", "eu", "euro", "xxx", "e r", "eu\0", "€"})
        EXPECT_FALSE(Currency::parse(bad)) << bad;
    EXPECT_EQ(Currency().code(), "usd");
}

TEST(Currency, HasStripesExponents) {
    const std::set<std::string_view> zero{"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
                                          "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"};
    const std::set<std::string_view> three{"bhd", "jod", "kwd", "omr", "tnd"};
    std::set<std::string_view> codes;
    for (std::uint8_t i = 0; i < Currency::count(); ++i) {
        const Currency c = *Currency::from_index(i);
        EXPECT_EQ(c.exponent(), zero.contains(c.code())    ? 0
                                : three.contains(c.code()) ? 3
                                                           : 2)
            << c.code();
        EXPECT_EQ(Currency::parse(c.code()), c);
        EXPECT_EQ(minimum_charge_minor(c) % amount_step_minor(c), 0) << c.code();
        EXPECT_GE(minimum_charge_minor(c), 1);
        codes.insert(c.code());
    }
    EXPECT_EQ(codes.size(), Currency::count());
    EXPECT_GE(codes.size(), 135u);
    EXPECT_FALSE(Currency::from_index(static_cast<std::uint8_t>(Currency::count())));
}

// Positions are stored in logs and snapshots.
TEST(Currency, KeepsItsPosition) {
    EXPECT_EQ(currency("usd").index(), 0);
    EXPECT_EQ(currency("eur").index(), 40);
    EXPECT_EQ(currency("jpy").index(), 62);
    EXPECT_EQ(currency("zmw").index(), Currency::count() - 1);
}

TEST(Currency, KnowsMinimumsAndSteps) {
    const struct {
        std::string_view code;
        std::int64_t minimum, step;
    } cases[] = {{"usd", 50, 1},    {"eur", 50, 1},  {"gbp", 30, 1},   {"jpy", 50, 1},
                 {"huf", 17500, 1}, {"hkd", 400, 1}, {"kwd", 10, 10},  {"isk", 100, 100},
                 {"ugx", 100, 100}, {"zmw", 1, 1},   {"mxn", 1000, 1}, {"czk", 1500, 1}};
    for (const auto& c : cases) {
        EXPECT_EQ(minimum_charge_minor(currency(c.code)), c.minimum) << c.code;
        EXPECT_EQ(amount_step_minor(currency(c.code)), c.step) << c.code;
    }
}

TEST(Money, ArithmeticIsChecked) {
    EXPECT_EQ(*checked_add(2, 3), 5);
    EXPECT_EQ(*checked_sub(2, 3), -1);
    EXPECT_EQ(checked_add(most, 1).error().code, "amount_overflow");
    EXPECT_EQ(checked_sub(least, 1).error().code, "amount_overflow");
    EXPECT_EQ(checked_add(Money{1, currency("usd")}, Money{1, currency("eur")}).error().code,
              "currency_mismatch");
    EXPECT_EQ(*checked_sub(Money{5, currency("eur")}, Money{7, currency("eur")}),
              (Money{-2, currency("eur")}));
}

TEST(ScaleHalfEven, RoundsHalvesToEven) {
    const struct {
        std::int64_t value, numerator, denominator, expected;
    } cases[] = {
        {1, 1, 2, 0},
        {3, 1, 2, 2},
        {5, 1, 2, 2},
        {7, 1, 2, 4},
        {-1, 1, 2, 0},
        {-3, 1, 2, -2},
        {-5, 1, 2, -2},
        {2, 1, 3, 1},
        {1, 1, 3, 0},
        {-2, 1, 3, -1},
        {-1, 1, 3, 0},
        {10, 0, 7, 0},
        {1099, 290, 10'000, 32}, // 31.871
        {50, 290, 10'000, 1},    // 1.45
        {1050, 10, 10'000, 1},   // 1.05
        {2500, 10, 10'000, 2},   // 2.5 -> 2
        {3500, 10, 10'000, 4},   // 3.5 -> 4
        {most, 1, 1, most},
        {least, 1, 1, least},
    };
    for (const auto& c : cases)
        EXPECT_EQ(*scale_half_even(c.value, c.numerator, c.denominator), c.expected)
            << c.value << " * " << c.numerator << " / " << c.denominator;
    EXPECT_EQ(scale_half_even(most, 2, 1).error().code, "amount_overflow");
    EXPECT_EQ(scale_half_even(least, -1, 1).error().code, "amount_overflow");
}

RC_GTEST_PROP(ScaleHalfEven, IsTheNearestInteger, (std::int64_t value, std::int64_t numerator)) {
    const auto denominator = *rc::gen::inRange<std::int64_t>(1, most);
    const auto scaled = scale_half_even(value, numerator, denominator);
    const Int128 exact = static_cast<Int128>(value) * numerator;
    if (!scaled) {
        const Int128 quotient = exact / denominator;
        RC_ASSERT(quotient >= most || quotient <= least);
        return;
    }
    const Int128 error = exact - static_cast<Int128>(*scaled) * denominator;
    const Int128 doubled = 2 * (error < 0 ? -error : error);
    RC_ASSERT(doubled < denominator || (doubled == denominator && *scaled % 2 == 0));
}

RC_GTEST_PROP(Allocate, KeepsTheSum, (std::int64_t total)) {
    const auto weights = *rc::gen::nonEmpty(
        rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(0, most)));
    const auto parts = allocate({total, currency("jpy")}, weights);
    if (std::ranges::all_of(weights, [](auto w) { return w == 0; })) {
        RC_ASSERT(parts.error().code == "allocate_weights");
        return;
    }
    RC_ASSERT(parts->size() == weights.size());
    Int128 sum = 0, weight_sum = 0;
    for (auto w : weights) weight_sum += w;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        sum += (*parts)[i].minor;
        RC_ASSERT((*parts)[i].currency == currency("jpy"));
        // No part is further than one unit from its exact share.
        const Int128 off = (*parts)[i].minor * weight_sum - static_cast<Int128>(total) * weights[i];
        RC_ASSERT(off < weight_sum && off > -weight_sum);
    }
    RC_ASSERT(sum == total);
}

TEST(Allocate, GivesTheRemainderToTheEarliestLargestFractions) {
    const auto parts = [](std::int64_t total, std::vector<std::int64_t> weights) {
        const auto allocated = allocate({total, Currency()}, weights);
        std::vector<std::int64_t> minors;
        for (const Money& part : *allocated) minors.push_back(part.minor);
        return minors;
    };
    EXPECT_EQ(parts(100, {1, 1, 1}), (std::vector<std::int64_t>{34, 33, 33}));
    EXPECT_EQ(parts(-100, {1, 1, 1}), (std::vector<std::int64_t>{-34, -33, -33}));
    EXPECT_EQ(parts(5, {3, 7}), (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(parts(10, {0, 5, 0}), (std::vector<std::int64_t>{0, 10, 0}));
    EXPECT_EQ(parts(0, {1, 2}), (std::vector<std::int64_t>{0, 0}));
    EXPECT_EQ(allocate({1, Currency()}, std::vector<std::int64_t>{1, -1}).error().code,
              "allocate_weights");
    EXPECT_EQ(allocate({1, Currency()}, {}).error().code, "allocate_weights");
}

TEST(DisplayAmount, FollowsTheCurrency) {
    const struct {
        std::string_view code;
        std::int64_t minor;
        std::string_view expected;
    } cases[] = {{"usd", 50, "$0.50"},          {"usd", 99'999'999, "$999,999.99"},
                 {"eur", 123'456, "€1,234.56"}, {"jpy", 1500, "¥1,500"},
                 {"kwd", 1230, "1.230"},        {"czk", 1500, "15.00"},
                 {"usd", -5, "-$0.05"},         {"xaf", least, "-9,223,372,036,854,775,808"}};
    for (const auto& c : cases) EXPECT_EQ(display_amount({c.minor, currency(c.code)}), c.expected);
}

} // namespace
} // namespace holdfast::core
