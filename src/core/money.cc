#include "core/money.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string>

namespace holdfast::core {
namespace {

__extension__ using Int128 = __int128;

struct CurrencyFacts {
    std::string_view code;
    std::int8_t exponent = 2;
    std::int16_t minimum_minor = 1; ///< smallest charge; 1 where Stripe publishes none
    std::int16_t step_minor = 1;    ///< amounts are multiples of it
    std::string_view symbol = {};
};

// docs.stripe.com/currencies. Positions are stored (Currency::index): append, never reorder.
// isk and ugx have no minor unit any more, but keep two decimals in the API for compatibility;
// the last digit of three-decimal currencies must be 0, card networks carry two.
// clang-format off: several in a line, as they are ordinary.
constexpr auto currencies = std::to_array<CurrencyFacts>({
    {"usd", 2, 50, 1, "$"},
    {"aed", 2, 200}, {"afn"}, {"all"}, {"amd"}, {"ang"}, {"aoa"}, {"ars"},
    {"aud", 2, 50, 1, "A$"},
    {"awg"}, {"azn"}, {"bam"}, {"bbd"}, {"bdt"},
    {"bgn", 2, 100},
    {"bhd", 3, 10, 10},
    {"bif", 0}, {"bmd"}, {"bnd"}, {"bob"},
    {"brl", 2, 50, 1, "R$"},
    {"bsd"}, {"bwp"}, {"byn"}, {"bzd"},
    {"cad", 2, 50, 1, "CA$"},
    {"cdf"},
    {"chf", 2, 50},
    {"clp", 0}, {"cny"}, {"cop"}, {"crc"}, {"cve"},
    {"czk", 2, 1500},
    {"djf", 0},
    {"dkk", 2, 250},
    {"dop"}, {"dzd"}, {"egp"}, {"etb"},
    {"eur", 2, 50, 1, "€"},
    {"fjd"}, {"fkp"},
    {"gbp", 2, 30, 1, "£"},
    {"gel"}, {"ghs"}, {"gip"}, {"gmd"}, {"gnf", 0}, {"gtq"}, {"gyd"},
    {"hkd", 2, 400, 1, "HK$"},
    {"hnl"}, {"hrk"}, {"htg"},
    {"huf", 2, 17'500},
    {"idr"}, {"ils"},
    {"inr", 2, 50, 1, "₹"},
    {"isk", 2, 100, 100},
    {"jmd"},
    {"jod", 3, 10, 10},
    {"jpy", 0, 50, 1, "¥"},
    {"kes"}, {"kgs"}, {"khr"}, {"kmf", 0}, {"krw", 0, 1, 1, "₩"},
    {"kwd", 3, 10, 10},
    {"kyd"}, {"kzt"}, {"lak"}, {"lbp"}, {"lkr"}, {"lrd"}, {"lsl"}, {"mad"}, {"mdl"}, {"mga", 0},
    {"mkd"}, {"mmk"}, {"mnt"}, {"mop"}, {"mur"}, {"mvr"}, {"mwk"},
    {"mxn", 2, 1000, 1, "MX$"},
    {"myr", 2, 200},
    {"mzn"}, {"nad"}, {"ngn"}, {"nio"},
    {"nok", 2, 300},
    {"npr"},
    {"nzd", 2, 50, 1, "NZ$"},
    {"omr", 3, 10, 10},
    {"pab"}, {"pen"}, {"pgk"}, {"php"}, {"pkr"},
    {"pln", 2, 200},
    {"pyg", 0}, {"qar"},
    {"ron", 2, 200},
    {"rsd"}, {"rub"}, {"rwf", 0}, {"sar"}, {"sbd"}, {"scr"},
    {"sek", 2, 300},
    {"sgd", 2, 50},
    {"shp"}, {"sle"}, {"sll"}, {"sos"}, {"srd"}, {"std"}, {"szl"},
    {"thb", 2, 1000},
    {"tjs"},
    {"tnd", 3, 10, 10},
    {"top"}, {"try"}, {"ttd"}, {"twd"}, {"tzs"}, {"uah"},
    {"ugx", 2, 100, 100},
    {"uyu"}, {"uzs"}, {"vnd", 0}, {"vuv", 0}, {"wst"}, {"xaf", 0}, {"xcd"}, {"xcg"}, {"xof", 0},
    {"xpf", 0}, {"yer"}, {"zar"}, {"zmw"},
});
// clang-format on
static_assert(currencies.size() <= std::numeric_limits<std::uint8_t>::max());

const CurrencyFacts& facts(Currency currency) { return currencies.at(currency.index()); }

Error overflow() {
    return {.kind = ErrorClass::Bug,
            .code = "amount_overflow",
            .message = "An amount left the range of 64 bits."};
}

Result<void> same_currency(Money a, Money b) {
    if (a.currency == b.currency) return {};
    return fail(
        ErrorClass::Bug, "currency_mismatch",
        fmt::format("Amounts in {} and {} do not mix.", a.currency.code(), b.currency.code()));
}

Result<std::int64_t> narrow(Int128 value) {
    if (value > std::numeric_limits<std::int64_t>::max() ||
        value < std::numeric_limits<std::int64_t>::min())
        return fail(overflow());
    return static_cast<std::int64_t>(value);
}

} // namespace

std::optional<Currency> Currency::parse(std::string_view code) {
    if (code.size() != 3) return std::nullopt;
    std::array<char, 3> lower{};
    std::ranges::transform(code, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    const std::string_view wanted(lower.data(), lower.size());
    for (std::size_t i = 0; i < currencies.size(); ++i)
        if (currencies[i].code == wanted) return Currency(static_cast<std::uint8_t>(i));
    return std::nullopt;
}

std::string_view Currency::code() const { return facts(*this).code; }
int Currency::exponent() const { return facts(*this).exponent; }

std::optional<Currency> Currency::from_index(std::uint8_t index) {
    if (index >= currencies.size()) return std::nullopt;
    return Currency(index);
}

std::size_t Currency::count() { return currencies.size(); }

std::int64_t minimum_charge_minor(Currency currency) { return facts(currency).minimum_minor; }
std::int64_t amount_step_minor(Currency currency) { return facts(currency).step_minor; }

Result<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return fail(overflow());
    return sum;
}

Result<std::int64_t> checked_sub(std::int64_t a, std::int64_t b) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a, b, &difference)) return fail(overflow());
    return difference;
}

Result<Money> checked_add(Money a, Money b) {
    TRY_VOID(same_currency(a, b));
    TRY(const std::int64_t minor, checked_add(a.minor, b.minor));
    return Money{minor, a.currency};
}

Result<Money> checked_sub(Money a, Money b) {
    TRY_VOID(same_currency(a, b));
    TRY(const std::int64_t minor, checked_sub(a.minor, b.minor));
    return Money{minor, a.currency};
}

Result<std::int64_t> scale_half_even(std::int64_t value, std::int64_t numerator,
                                     std::int64_t denominator) {
    CHECK(denominator > 0);
    const Int128 product = static_cast<Int128>(value) * numerator;
    Int128 quotient = product / denominator;
    Int128 remainder = product % denominator;
    if (remainder < 0) { // division truncates; from here on quotient is the floor
        remainder += denominator;
        --quotient;
    }
    const Int128 doubled = remainder * 2;
    if (doubled > denominator || (doubled == denominator && quotient % 2 != 0)) ++quotient;
    return narrow(quotient);
}

Result<std::vector<Money>> allocate(Money total, std::span<const std::int64_t> weights) {
    Int128 sum = 0;
    for (std::int64_t weight : weights) {
        if (weight < 0) return fail(ErrorClass::Bug, "allocate_weights", "A weight is negative.");
        sum += weight;
    }
    if (sum == 0) return fail(ErrorClass::Bug, "allocate_weights", "The weights sum to zero.");

    // |total| * weight < 2^126, so nothing here overflows; the sign is put back at the end.
    const Int128 magnitude = total.minor < 0 ? -static_cast<Int128>(total.minor) : total.minor;
    std::vector<Int128> parts(weights.size()), fractions(weights.size());
    Int128 left = magnitude;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const Int128 share = magnitude * weights[i];
        parts[i] = share / sum;
        fractions[i] = share % sum;
        left -= parts[i];
    }
    std::vector<std::size_t> order(weights.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](auto a, auto b) {
        return fractions[a] != fractions[b] ? fractions[a] > fractions[b] : a < b;
    });
    CHECK(left >= 0 && left <= static_cast<Int128>(order.size()));
    for (std::size_t i = 0; static_cast<Int128>(i) < left; ++i) ++parts[order[i]];

    std::vector<Money> result;
    result.reserve(parts.size());
    for (Int128 part : parts) {
        TRY(const std::int64_t minor, narrow(total.minor < 0 ? -part : part));
        result.push_back({minor, total.currency});
    }
    return result;
}

std::string display_amount(Money money) {
    const CurrencyFacts& currency = facts(money.currency);
    std::uint64_t unit = 1;
    for (int i = 0; i < currency.exponent; ++i) unit *= 10;
    const bool negative = money.minor < 0;
    const std::uint64_t magnitude = negative ? 0 - static_cast<std::uint64_t>(money.minor)
                                             : static_cast<std::uint64_t>(money.minor);
    std::string whole = std::to_string(magnitude / unit);
    for (std::size_t at = whole.size(); at > 3; at -= 3) whole.insert(at - 3, ",");
    std::string text = fmt::format("{}{}{}", negative ? "-" : "", currency.symbol, whole);
    if (currency.exponent > 0) text += fmt::format(".{:0{}}", magnitude % unit, currency.exponent);
    return text;
}

} // namespace holdfast::core
