#include "gateway/cards.h"

#include "gateway/test_cards.h"

#include <algorithm>
#include <chrono>

namespace holdfast::gateway {

namespace {

constexpr std::string_view payment_method_prefix = "pm_card_";
constexpr std::string_view token_prefix = "tok_";
constexpr std::string_view test_prefix = "test_";
constexpr std::string_view unknown_prefix = "card.";

constexpr std::size_t number_digits_min = 12;
constexpr std::size_t number_digits_max = 19;
constexpr std::size_t fingerprint_digits = 16;
constexpr std::int32_t exp_years_ahead_max = 50;

/// Of built-in cards, which nobody typed in.
constexpr std::int32_t built_in_exp_month = 12;
constexpr std::int32_t built_in_exp_year = 2034;

std::string short_digest(const Digest& digest) {
    Uuid id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    return id.base62().substr(Uuid::base62_digits - fingerprint_digits);
}

/// The same for everybody: a test number is no secret.
core::CardDetails details_of(const TestCard& test) {
    return {.brand = std::string(card_brand(test.number)),
            .last4 = std::string(test.number.substr(test.number.size() - 4)),
            .exp_month = built_in_exp_month,
            .exp_year = built_in_exp_year,
            .funding = std::string(test.funding),
            .country = std::string(test.country),
            .fingerprint = short_digest(sha256("test card " + std::string(test.number)))};
}

core::CardFailure failure_of(CardBehavior behavior) {
    switch (behavior) {
        case CardBehavior::InsufficientFunds:
            return {"card_declined", "insufficient_funds", "Your card has insufficient funds."};
        case CardBehavior::LostCard:
            return {"card_declined", "lost_card", "Your card was declined."};
        case CardBehavior::StolenCard:
            return {"card_declined", "stolen_card", "Your card was declined."};
        case CardBehavior::ExpiredCard: return expired_card();
        case CardBehavior::IncorrectCvc:
            return {"incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."};
        case CardBehavior::ProcessingError: return processing_error();
        case CardBehavior::VelocityExceeded:
            return {
                "card_declined", "card_velocity_exceeded",
                "Your card was declined for making repeated attempts too frequently or exceeding "
                "its amount limit."};
        case CardBehavior::Fraudulent:
            return {"card_declined", "fraudulent", "Your card was declined."};
        case CardBehavior::AuthenticationRequired:
            return {"authentication_required", "authentication_required",
                    "Your card was declined. This transaction requires authentication."};
        case CardBehavior::Approved:
        case CardBehavior::Declined:
        case CardBehavior::RefundFails: break;
    }
    return {"card_declined", "generic_decline", "Your card was declined."};
}

core::CardFailure no_test_card() {
    return {"card_declined", "test_mode_live_card",
            "Your card was declined. Your request was in test mode, but used a non test (live) "
            "card. For a list of valid test cards, visit: https://stripe.com/docs/testing."};
}

/// The test card behind a vault token, if it is one.
const TestCard* test_card_of(std::string_view vault_token) {
    if (!vault_token.starts_with(test_prefix)) return nullptr;
    vault_token.remove_prefix(test_prefix.size());
    return test_card_named(vault_token.substr(0, vault_token.find('.')));
}

/// Why there is no test card behind it.
core::CardFailure without_test_card(std::string_view vault_token) {
    return vault_token.starts_with(unknown_prefix) ? no_test_card() : invalid_account();
}

std::unexpected<Error> bad_card(std::string code, std::string param, std::string message) {
    return fail({.kind = ErrorClass::Declined,
                 .code = std::move(code),
                 .message = std::move(message),
                 .param = std::move(param)});
}

/// Digits without the spaces and dashes that people type; empty when there is anything else.
std::string digits_of(std::string_view number) {
    std::string digits;
    for (char c : number) {
        if (c == ' ' || c == '-') continue;
        if (c < '0' || c > '9') return {};
        digits += c;
    }
    return digits;
}

bool all_digits(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Its leading digits as a number; 0 when it is shorter.
int leading(std::string_view digits, std::size_t count) {
    if (digits.size() < count) return 0;
    int value = 0;
    for (char c : digits.substr(0, count)) value = value * 10 + (c - '0');
    return value;
}

bool within(int value, int low, int high) { return value >= low && value <= high; }

std::chrono::year_month_day date_of(WallTime now) {
    return std::chrono::floor<std::chrono::days>(now);
}

Result<void> check_expiry(std::int32_t month, std::int32_t year, WallTime now) {
    constexpr auto bad_month = "Your card's expiration month is invalid.";
    constexpr auto bad_year = "Your card's expiration year is invalid.";
    if (!within(month, 1, 12)) return bad_card("invalid_expiry_month", "exp_month", bad_month);
    const int this_year = static_cast<int>(date_of(now).year());
    if (!within(year, this_year, this_year + exp_years_ahead_max)) {
        return bad_card("invalid_expiry_year", "exp_year", bad_year);
    }
    if (is_expired(month, year, now)) {
        return bad_card("invalid_expiry_month", "exp_month", bad_month);
    }
    return {};
}

} // namespace

core::CardFailure expired_card() {
    return {"expired_card", "expired_card", "Your card has expired."};
}

core::CardFailure processing_error() {
    return {"processing_error", "processing_error",
            "An error occurred while processing your card. Try again in a little bit."};
}

core::CardFailure invalid_account() {
    return {"card_declined", "invalid_account", "Your card was declined."};
}

std::optional<Vaulted> built_in_card(std::string_view token) {
    std::string_view name = token;
    if (token.starts_with(payment_method_prefix))
        name.remove_prefix(payment_method_prefix.size());
    else if (token.starts_with(token_prefix))
        name.remove_prefix(token_prefix.size());
    else
        return std::nullopt;
    const TestCard* test = test_card_named(name);
    if (test == nullptr) return std::nullopt;
    return Vaulted{std::string(test_prefix).append(test->name()), details_of(*test)};
}

std::optional<core::CardFailure> charge_refusal(std::string_view vault_token) {
    const TestCard* test = test_card_of(vault_token);
    if (test == nullptr) return without_test_card(vault_token);
    if (test->behavior == CardBehavior::Approved || test->behavior == CardBehavior::RefundFails) {
        return std::nullopt;
    }
    return failure_of(test->behavior);
}

std::optional<core::CardFailure> attach_refusal(std::string_view vault_token) {
    const TestCard* test = test_card_of(vault_token);
    if (test == nullptr) return without_test_card(vault_token);
    if (test->attachable) return std::nullopt;
    return failure_of(test->behavior);
}

std::optional<core::CardFailure> refund_refusal(std::string_view vault_token) {
    const TestCard* test = test_card_of(vault_token);
    if (test == nullptr || test->behavior != CardBehavior::RefundFails) return std::nullopt;
    return core::CardFailure{"expired_or_canceled_card", "",
                             "The card has been lost, stolen or closed."};
}

Result<CheckedCard> check_card(const CardData& data, WallTime now) {
    std::string digits = digits_of(data.number);
    if (digits.size() < number_digits_min || digits.size() > number_digits_max) {
        return bad_card("invalid_number", "number",
                        "The card number is not a valid credit card number.");
    }
    if (!luhn_valid(digits)) {
        return bad_card("incorrect_number", "number", "Your card number is incorrect.");
    }
    constexpr std::int32_t century = 2000;
    const std::int32_t year =
        within(data.exp_year, 0, 99) ? century + data.exp_year : data.exp_year;
    TRY_VOID(check_expiry(data.exp_month, year, now));
    const std::string_view brand = card_brand(digits);
    const bool four = brand == "amex" && data.cvc.size() == 4; // the card's front or back code
    if (!data.cvc.empty() && ((data.cvc.size() != 3 && !four) || !all_digits(data.cvc))) {
        return bad_card("invalid_cvc", "cvc", "Your card's security code is invalid.");
    }
    CheckedCard checked;
    if (const TestCard* test = test_card_numbered(digits)) {
        checked.card = details_of(*test);
        checked.token_prefix = std::string(test_prefix).append(test->name()) + ".";
    } else {
        checked.card = {.brand = std::string(brand),
                        .last4 = digits.substr(digits.size() - 4),
                        .funding = "unknown"};
        checked.token_prefix = unknown_prefix;
    }
    checked.card.exp_month = data.exp_month;
    checked.card.exp_year = year;
    checked.number = std::move(digits);
    return checked;
}

std::string card_fingerprint(const HmacKey& key, Id<core::Account> account,
                             std::string_view number) {
    return short_digest(key.sign({"card fingerprint", chars(account.uuid().bytes), number}));
}

bool luhn_valid(std::string_view digits) {
    if (digits.empty() || !all_digits(digits)) return false;
    int sum = 0;
    bool twice = false;
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, twice = !twice) {
        int value = (*digit - '0') * (twice ? 2 : 1);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10 == 0;
}

std::string_view card_brand(std::string_view digits) {
    const int two = leading(digits, 2), three = leading(digits, 3), four = leading(digits, 4);
    if (leading(digits, 1) == 4) return "visa";
    if (within(two, 51, 55) || within(four, 2221, 2720)) return "mastercard";
    if (two == 34 || two == 37) return "amex";
    if (within(three, 300, 305) || three == 309 || two == 36 || within(two, 38, 39))
        return "diners";
    if (within(four, 3528, 3589)) return "jcb";
    if (two == 62 || two == 81) return "unionpay";
    if (four == 6011 || within(three, 644, 649) || two == 65) return "discover";
    return "unknown";
}

bool is_expired(std::int32_t exp_month, std::int32_t exp_year, WallTime now) {
    const auto today = date_of(now);
    const int year = static_cast<int>(today.year());
    return exp_year < year ||
           (exp_year == year && exp_month < static_cast<int>(static_cast<unsigned>(today.month())));
}

} // namespace holdfast::gateway
