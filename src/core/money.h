#pragma once

// Money: an amount in the minor unit of its currency (cents; yen has none, dinars have mills).
//
// Integers only, every operation checked, two currencies never mix. Currencies and their
// exponents are Stripe's list: ISO 4217 with Stripe's special cases (isk and ugx are two-decimal
// in the API, see docs.stripe.com/currencies). Ratios use 128-bit intermediates and round half to
// even, so that the error of many fees has no drift.
//
//   Money m{1099, *Currency::parse("usd")};
//   TRY(std::int64_t fee, scale_half_even(m.minor, 290, 10'000));

#include "base/result.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::core {

class Currency {
  public:
    Currency() = default; ///< usd
    /// Lower or upper case ISO code; empty when Stripe does not list it.
    static std::optional<Currency> parse(std::string_view code);
    std::string_view code() const; ///< lower case, three letters
    int exponent() const;          ///< 0, 2 or 3 decimal places
    std::uint8_t index() const { return index_; }
    static std::optional<Currency> from_index(std::uint8_t index);
    static std::size_t count();
    auto operator<=>(const Currency&) const = default;

  private:
    explicit Currency(std::uint8_t index) : index_(index) {}
    std::uint8_t index_ = 0;
};

/// Stripe's bounds for one charge: at most eight digits.
inline constexpr std::int64_t amount_minor_max = 99'999'999;

struct Money {
    std::int64_t minor = 0;
    Currency currency;
    bool operator==(const Money&) const = default;
};

Result<std::int64_t> checked_add(std::int64_t a, std::int64_t b);
Result<std::int64_t> checked_sub(std::int64_t a, std::int64_t b);
Result<Money> checked_add(Money a, Money b); ///< Bug "currency_mismatch" when they differ
Result<Money> checked_sub(Money a, Money b);

/// value * numerator / denominator, rounded half to even. denominator > 0.
Result<std::int64_t> scale_half_even(std::int64_t value, std::int64_t numerator,
                                     std::int64_t denominator);

/// Splits `total` by weights (each >= 0, sum > 0); the parts add up to `total` exactly, the
/// remainder goes to the earliest largest fractions.
Result<std::vector<Money>> allocate(Money total, std::span<const std::int64_t> weights);

/// Stripe's smallest chargeable amount in a currency (50 cents and its equivalents); one minor unit
/// where Stripe publishes none.
std::int64_t minimum_charge_minor(Currency currency);
/// Charges are multiples of it: 10 where the card networks carry one decimal less than the
/// currency has, 100 where the currency has lost its minor unit, else 1.
std::int64_t amount_step_minor(Currency currency);

/// "$1,234.50", "¥500", "15.00" (no symbol: for messages that name the currency themselves).
std::string display_amount(Money money);

} // namespace holdfast::core
