#include "gateway/cards.h"

#include "gateway/test_cards.h"

#include <gtest/gtest.h>

#include <set>

namespace holdfast::gateway {
namespace {

using namespace std::chrono;

constexpr WallTime march_2026{sys_days{year{2026} / 3 / 15}};

CardData visa() {
    return {.number = "4242424242424242", .cvc = "123", .exp_month = 12, .exp_year = 2034};
}

std::string code_of(CardData data, WallTime now = march_2026) {
    auto checked = check_card(data, now);
    if (checked) return "ok";
    EXPECT_EQ(checked.error().kind, ErrorClass::Declined);
    return checked.error().code + "/" + checked.error().param;
}

std::string decline_of(std::string_view token) {
    auto card = built_in_card(token);
    if (!card) return "no such token";
    auto failure = charge_refusal(card->vault_token);
    return failure ? failure->code + "/" + failure->decline_code : "approved";
}

TEST(TestCards, TableIsSound) {
    std::set<std::string_view> numbers, names;
    for (const TestCard& card : test_cards()) {
        EXPECT_TRUE(luhn_valid(card.number)) << card.names;
        EXPECT_NE(card_brand(card.number), "unknown") << card.names;
        EXPECT_TRUE(numbers.insert(card.number).second) << card.number;
        EXPECT_EQ(test_card_numbered(card.number), &card);
        std::string_view rest = card.names;
        while (!rest.empty()) {
            auto name = rest.substr(0, rest.find(' '));
            EXPECT_TRUE(names.insert(name).second) << name;
            EXPECT_EQ(test_card_named(name), &card);
            rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        }
    }
    EXPECT_GT(numbers.size(), 100u);
}

TEST(TestCards, BuiltInTokensShowWhatStripeShows) {
    struct Case {
        std::string_view token, brand, last4, funding, country;
    };
    for (const Case& c : {Case{"pm_card_visa", "visa", "4242", "credit", "US"},
                          {"tok_visa", "visa", "4242", "credit", "US"},
                          {"pm_card_visa_debit", "visa", "5556", "debit", "US"},
                          {"pm_card_mastercard", "mastercard", "4444", "credit", "US"},
                          {"tok_mastercard_prepaid", "mastercard", "5100", "prepaid", "US"},
                          {"pm_card_amex", "amex", "0005", "credit", "US"},
                          {"pm_card_discover", "discover", "1117", "credit", "US"},
                          {"pm_card_diners", "diners", "0004", "credit", "US"},
                          {"pm_card_jcb", "jcb", "0505", "credit", "JP"},
                          {"pm_card_unionpay", "unionpay", "0005", "credit", "CN"},
                          {"pm_card_gb_debit", "visa", "0005", "debit", "GB"},
                          {"pm_card_br", "visa", "0002", "credit", "BR"}}) {
        auto card = built_in_card(c.token);
        ASSERT_TRUE(card) << c.token;
        EXPECT_EQ(card->card.brand, c.brand) << c.token;
        EXPECT_EQ(card->card.last4, c.last4) << c.token;
        EXPECT_EQ(card->card.funding, c.funding) << c.token;
        EXPECT_EQ(card->card.country, c.country) << c.token;
        EXPECT_EQ(card->card.fingerprint.size(), 16u);
        EXPECT_FALSE(charge_refusal(card->vault_token)) << c.token;
        EXPECT_FALSE(attach_refusal(card->vault_token)) << c.token;
        EXPECT_FALSE(refund_refusal(card->vault_token)) << c.token;
    }
    for (auto none : {"", "visa", "pm_card_", "pm_card_none", "tok_", "pm_1NxyzVisa", "src_visa"}) {
        EXPECT_FALSE(built_in_card(none)) << none;
    }
}

TEST(TestCards, DeclineAsStripeDocumentsIt) {
    EXPECT_EQ(decline_of("pm_card_visa_chargeDeclined"), "card_declined/generic_decline");
    EXPECT_EQ(decline_of("tok_chargeDeclined"), "card_declined/generic_decline");
    EXPECT_EQ(decline_of("pm_card_visa_chargeDeclinedInsufficientFunds"),
              "card_declined/insufficient_funds");
    EXPECT_EQ(decline_of("pm_card_visa_chargeDeclinedLostCard"), "card_declined/lost_card");
    EXPECT_EQ(decline_of("pm_card_visa_chargeDeclinedStolenCard"), "card_declined/stolen_card");
    EXPECT_EQ(decline_of("tok_chargeDeclinedExpiredCard"), "expired_card/expired_card");
    EXPECT_EQ(decline_of("pm_card_chargeDeclinedIncorrectCvc"), "incorrect_cvc/incorrect_cvc");
    EXPECT_EQ(decline_of("pm_card_chargeDeclinedProcessingError"),
              "processing_error/processing_error");
    EXPECT_EQ(decline_of("pm_card_visa_chargeDeclinedVelocityLimitExceeded"),
              "card_declined/card_velocity_exceeded");
    EXPECT_EQ(decline_of("pm_card_radarBlock"), "card_declined/fraudulent");
    EXPECT_EQ(decline_of("pm_card_threeDSecure2Required"),
              "authentication_required/authentication_required");
    EXPECT_EQ(decline_of("pm_card_authenticationRequired"),
              "authentication_required/authentication_required");
    EXPECT_EQ(decline_of("pm_card_threeDSecureOptional"), "approved");
    EXPECT_EQ(decline_of("pm_card_refundFail"), "approved");
}

TEST(TestCards, OnlySomeCanBeAttached) {
    auto attach = [](std::string_view token) {
        auto failure = attach_refusal(built_in_card(token)->vault_token);
        return failure ? failure->decline_code : "";
    };
    EXPECT_EQ(attach("pm_card_visa"), "");
    EXPECT_EQ(attach("pm_card_chargeCustomerFail"), "");
    EXPECT_EQ(attach("pm_card_threeDSecure2Required"), "");
    EXPECT_EQ(attach("pm_card_visa_chargeDeclined"), "generic_decline");
    EXPECT_EQ(attach("pm_card_chargeDeclinedExpiredCard"), "expired_card");
}

TEST(TestCards, RefundFailsOnlyForItsCard) {
    EXPECT_EQ(refund_refusal(built_in_card("pm_card_refundFail")->vault_token)->code,
              "expired_or_canceled_card");
    EXPECT_FALSE(refund_refusal("card.x"));
}

TEST(TestCards, TokensThatNoCardIsBehindAreRefused) {
    for (auto token : {"", "test_", "test_nobody", "test_nobody.1", "vault"}) {
        EXPECT_EQ(charge_refusal(token).value().decline_code, "invalid_account") << token;
        EXPECT_EQ(attach_refusal(token).value().decline_code, "invalid_account") << token;
    }
    EXPECT_EQ(charge_refusal("card.x").value().decline_code, "test_mode_live_card");
    EXPECT_FALSE(charge_refusal("test_visa.4kT"));
}

TEST(CheckCard, KnowsTestNumbers) {
    auto checked = check_card(visa(), march_2026);
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->token_prefix, "test_visa.");
    EXPECT_EQ(checked->card.fingerprint, built_in_card("pm_card_visa")->card.fingerprint);
    EXPECT_FALSE(charge_refusal(checked->token_prefix + "random"));

    CardData spaced = visa();
    spaced.number = "4000 0000-0000 9995";
    spaced.exp_year = 34;
    checked = check_card(spaced, march_2026);
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->card.exp_year, 2034);
    EXPECT_EQ(charge_refusal(checked->token_prefix)->decline_code, "insufficient_funds");
}

TEST(CheckCard, UnknownNumbersBecomeCardsThatAreDeclined) {
    CardData data = visa();
    data.number = "4111111111111111";
    auto checked = check_card(data, march_2026);
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->token_prefix, "card.");
    EXPECT_EQ(checked->card.brand, "visa");
    EXPECT_EQ(checked->card.last4, "1111");
    EXPECT_EQ(checked->card.fingerprint, "");
}

TEST(CheckCard, RefusesBadData) {
    CardData data = visa();
    data.number = "4242424242424241";
    EXPECT_EQ(code_of(data), "incorrect_number/number");
    for (auto number :
         {"", "42424242424", "42424242424242424242", "4242x24242424242", "+42424242424242"}) {
        data.number = number;
        EXPECT_EQ(code_of(data), "invalid_number/number") << number;
    }
    for (auto [month, year, code] : {std::tuple{0, 2034, "invalid_expiry_month/exp_month"},
                                     {13, 2034, "invalid_expiry_month/exp_month"},
                                     {-1, 2034, "invalid_expiry_month/exp_month"},
                                     {2, 2026, "invalid_expiry_month/exp_month"},
                                     {3, 2026, "ok"},
                                     {12, 2025, "invalid_expiry_year/exp_year"},
                                     {12, 25, "invalid_expiry_year/exp_year"},
                                     {12, 2077, "invalid_expiry_year/exp_year"},
                                     {12, 2076, "ok"},
                                     {12, 2147483647, "invalid_expiry_year/exp_year"},
                                     {12, -2147483647, "invalid_expiry_year/exp_year"}}) {
        data = visa();
        data.exp_month = month;
        data.exp_year = year;
        EXPECT_EQ(code_of(data), code) << month << "/" << year;
    }
    for (auto [cvc, code] : {std::pair{"", "ok"},
                             {"99", "invalid_cvc/cvc"},
                             {"1234", "invalid_cvc/cvc"},
                             {"12a", "invalid_cvc/cvc"},
                             {"000", "ok"}}) {
        data = visa();
        data.cvc = cvc;
        EXPECT_EQ(code_of(data), code) << cvc;
    }
    data = visa();
    data.number = "378282246310005";
    data.cvc = "1234";
    EXPECT_EQ(code_of(data), "ok");
}

TEST(CardBrand, ByLeadingDigits) {
    for (auto [digits, brand] : {std::pair{"4", "visa"},
                                 {"51", "mastercard"},
                                 {"2221", "mastercard"},
                                 {"2720", "mastercard"},
                                 {"2721", "unknown"},
                                 {"2220", "unknown"},
                                 {"34", "amex"},
                                 {"36", "diners"},
                                 {"305", "diners"},
                                 {"306", "unknown"},
                                 {"3528", "jcb"},
                                 {"3527", "unknown"},
                                 {"62", "unionpay"},
                                 {"6011", "discover"},
                                 {"649", "discover"},
                                 {"65", "discover"},
                                 {"66", "unknown"},
                                 {"", "unknown"}}) {
        EXPECT_EQ(card_brand(digits), brand) << digits;
    }
}

TEST(Expiry, LastsUntilItsMonthEnds) {
    EXPECT_FALSE(is_expired(3, 2026, WallTime{sys_days{year{2026} / 3 / 31}} + 23h + 59min));
    EXPECT_TRUE(is_expired(3, 2026, WallTime{sys_days{year{2026} / 4 / 1}}));
    EXPECT_TRUE(is_expired(12, 2025, WallTime{sys_days{year{2026} / 1 / 1}}));
}

TEST(Fingerprint, IsOfOneAccountAndKey) {
    Id<core::Account> a, b{Uuid{{1}}};
    HmacKey key("secret"), other("other");
    EXPECT_EQ(card_fingerprint(key, a, "4111111111111111"),
              card_fingerprint(key, a, "4111111111111111"));
    EXPECT_NE(card_fingerprint(key, a, "4111111111111111"),
              card_fingerprint(key, b, "4111111111111111"));
    EXPECT_NE(card_fingerprint(key, a, "4111111111111111"),
              card_fingerprint(other, a, "4111111111111111"));
}

} // namespace
} // namespace holdfast::gateway
