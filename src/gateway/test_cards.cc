#include "gateway/test_cards.h"

#include <unordered_map>

namespace holdfast::gateway {

namespace {

using enum CardBehavior;

constexpr auto cards = std::to_array<TestCard>({
    // By brand.
    {"visa us", "4242424242424242"},
    {"visa_2", "4012888888881881"},
    {"visa_debit us_debit", "4000056655665556", "debit"},
    {"mastercard", "5555555555554444"},
    {"mastercard_2series", "2223003122003222"},
    {"mastercard_debit", "5200828282828210", "debit"},
    {"mastercard_prepaid", "5105105105105100", "prepaid"},
    {"amex amex_threeDSecureNotSupported", "378282246310005"},
    {"amex_2", "371449635398431"},
    {"discover", "6011111111111117"},
    {"discover_2", "6011000990139424"},
    {"discover_debit", "6011981111111113", "debit"},
    {"diners", "3056930009020004"},
    {"diners_14", "36227206271667"},
    {"diners_30569", "30569309025904"},
    {"diners_38520", "38520000023237"},
    {"bccard", "6555900000604105"},
    {"jcb", "3566002020360505", "credit", "JP"},
    {"jcb_2", "3530111333300000", "credit", "JP"},
    {"unionpay", "6200000000000005", "credit", "CN"},
    {"unionpay_debit", "6200000000000047", "debit", "CN"},
    {"unionpay_19", "6205500000000000004", "credit", "CN"},
    {"debit_visaFsaProductCode debit_visaHsaProductCode", "4000051230000072", "debit"},
    {"mastercard_debit_mastercardFsaProductCode", "5200828282828897", "debit"},

    // By country.
    {"ar", "4000000320000021", "credit", "AR"},
    {"br", "4000000760000002", "credit", "BR"},
    {"ca", "4000001240000000", "credit", "CA"},
    {"cl", "4000001520000001", "credit", "CL"},
    {"co", "4000001700000003", "credit", "CO"},
    {"cr", "4000001880000005", "credit", "CR"},
    {"ec", "4000002180000000", "credit", "EC"},
    {"mx", "4000004840008001", "credit", "MX"},
    {"pa", "4000005910000000", "credit", "PA"},
    {"py", "4000006000000066", "credit", "PY"},
    {"pe", "4000006040000068", "credit", "PE"},
    {"uy", "4000008580000003", "credit", "UY"},
    {"at", "4000000400000008", "credit", "AT"},
    {"be", "4000000560000004", "credit", "BE"},
    {"bg", "4000001000000000", "credit", "BG"},
    {"by", "4000001120000005", "credit", "BY"},
    {"hr", "4000001910000009", "credit", "HR"},
    {"cy", "4000001960000008", "credit", "CY"},
    {"cz", "4000002030000002", "credit", "CZ"},
    {"dk", "4000002080000001", "credit", "DK"},
    {"ee", "4000002330000009", "credit", "EE"},
    {"fi", "4000002460000001", "credit", "FI"},
    {"fr", "4000002500000003", "credit", "FR"},
    {"de", "4000002760000016", "credit", "DE"},
    {"gi", "4000002920000005", "credit", "GI"},
    {"gr", "4000003000000030", "credit", "GR"},
    {"hu", "4000003480000005", "credit", "HU"},
    {"ie", "4000003720000005", "credit", "IE"},
    {"it", "4000003800000008", "credit", "IT"},
    {"lv", "4000004280000005", "credit", "LV"},
    {"li", "4000004380000004", "credit", "LI"},
    {"lt", "4000004400000000", "credit", "LT"},
    {"lu", "4000004420000006", "credit", "LU"},
    {"mt", "4000004700000007", "credit", "MT"},
    {"nl", "4000005280000002", "credit", "NL"},
    {"no", "4000005780000007", "credit", "NO"},
    {"pl", "4000006160000005", "credit", "PL"},
    {"pt", "4000006200000007", "credit", "PT"},
    {"ro", "4000006420000001", "credit", "RO"},
    {"sa", "4000006820000007", "credit", "SA"},
    {"sk", "4000007030000001", "credit", "SK"},
    {"si", "4000007050000006", "credit", "SI"},
    {"es", "4000007240000007", "credit", "ES"},
    {"se", "4000007520000008", "credit", "SE"},
    {"ch", "4000007560000009", "credit", "CH"},
    {"ae", "4000007840000001", "credit", "AE"},
    {"gb", "4000008260000000", "credit", "GB"},
    {"gb_debit", "4000058260000005", "debit", "GB"},
    {"gb_mastercard", "5555558265554449", "credit", "GB"},
    {"au", "4000000360000006", "credit", "AU"},
    {"cn", "4000001560000002", "credit", "CN"},
    {"tw", "4000001580000008", "credit", "TW"},
    {"hk", "4000003440000004", "credit", "HK"},
    {"in", "4000003560000008", "credit", "IN"},
    {"jp", "4000003920000003", "credit", "JP"},
    {"my", "4000004580000002", "credit", "MY"},
    {"nz", "4000005540000008", "credit", "NZ"},
    {"sg", "4000007020000003", "credit", "SG"},
    {"th_credit", "4000007640000003", "credit", "TH"},
    {"th_debit", "4000057640000008", "debit", "TH"},

    // Declined; these can't be attached to a customer either.
    {"visa_chargeDeclined chargeDeclined", "4000000000000002", "credit", "US", Declined, false},
    {"visa_chargeDeclinedInsufficientFunds chargeDeclinedInsufficientFunds "
     "visa_debit_chargeDeclinedInsufficientFunds",
     "4000000000009995", "credit", "US", InsufficientFunds, false},
    {"visa_chargeDeclinedLostCard chargeDeclinedLostCard", "4000000000009987", "credit", "US",
     LostCard, false},
    {"visa_chargeDeclinedStolenCard chargeDeclinedStolenCard", "4000000000009979", "credit", "US",
     StolenCard, false},
    {"chargeDeclinedExpiredCard visa_chargeDeclinedExpiredCard", "4000000000000069", "credit", "US",
     ExpiredCard, false},
    {"chargeDeclinedIncorrectCvc visa_chargeDeclinedIncorrectCvc", "4000000000000127", "credit",
     "US", IncorrectCvc, false},
    {"chargeDeclinedProcessingError visa_chargeDeclinedProcessingError", "4000000000000119",
     "credit", "US", ProcessingError, false},
    {"visa_chargeDeclinedVelocityLimitExceeded chargeDeclinedVelocityLimitExceeded",
     "4000000000006975", "credit", "US", VelocityExceeded, false},
    // Declined after it was attached.
    {"chargeCustomerFail visa_chargeCustomerFail", "4000000000000341", "credit", "US", Declined},

    // Fraud prevention: what Stripe blocks with default settings is declined.
    {"radarBlock visa_chargeDeclinedFraudulent chargeDeclinedFraudulent", "4100000000000019",
     "credit", "US", Fraudulent},
    {"riskLevelHighest", "4000000000004954", "credit", "US", Fraudulent},
    {"riskLevelElevated", "4000000000009235"},
    {"cvcCheckFail", "4000000000000101"},
    {"avsZipFail", "4000000000000036"},
    {"avsLine1Fail", "4000000000000028"},
    {"avsFail", "4000000000000010"},
    {"avsUnchecked", "4000000000000044"},

    // Disputes and refunds.
    {"createDispute", "4000000000000259"},
    {"createDisputeProductNotReceived", "4000000000002685"},
    {"createDisputeInquiry", "4000000000001976"},
    {"createIssuerFraudRecord", "4000000000005423"},
    {"createMultipleDisputes", "4000000404000079"},
    {"createCe3EligibleDispute", "4000000404000038"},
    {"createComplianceDispute", "4000008400000779"},
    {"pendingRefund", "4000000000007726"},
    {"refundFail", "4000000000005126", "credit", "US", RefundFails},
    {"bypassPending", "4000000000000077"},
    {"bypassPendingInternational", "4000003720000278", "credit", "IE"},

    // 3-D Secure.
    {"authenticationRequiredOnSetup", "4000002500003155", "credit", "FR", AuthenticationRequired},
    {"authenticationRequired", "4000002760003184", "credit", "DE", AuthenticationRequired},
    {"authenticationRequiredSetupForOffSession", "4000003800000446", "credit", "IT",
     AuthenticationRequired},
    {"authenticationRequiredChargeDeclinedInsufficientFunds", "4000008260003178", "credit", "GB",
     AuthenticationRequired},
    {"threeDSecure2Required threeDSecureRequired", "4000000000003220", "credit", "US",
     AuthenticationRequired},
    {"threeDSecureRequiredChargeDeclined", "4000008400001629", "credit", "US",
     AuthenticationRequired},
    {"threeDSecureRequiredProcessingError", "4000008400001280", "credit", "US",
     AuthenticationRequired},
    {"threeDSecureOptional", "4000000000003055"},
    {"threeDSecureOptionalProcessingError", "4000000000003097"},
});

struct Index {
    std::unordered_map<std::string_view, const TestCard*> by_name, by_number;

    Index() {
        for (const TestCard& card : cards) {
            by_number.emplace(card.number, &card);
            std::string_view rest = card.names;
            while (!rest.empty()) {
                std::string_view name = rest.substr(0, rest.find(' '));
                by_name.emplace(name, &card);
                rest.remove_prefix(std::min(name.size() + 1, rest.size()));
            }
        }
    }
};

const Index& card_index() {
    static const Index built;
    return built;
}

const TestCard* find_in(const std::unordered_map<std::string_view, const TestCard*>& map,
                        std::string_view key) {
    auto found = map.find(key);
    return found == map.end() ? nullptr : found->second;
}

} // namespace

std::span<const TestCard> test_cards() { return cards; }

const TestCard* test_card_named(std::string_view name) {
    return find_in(card_index().by_name, name);
}

const TestCard* test_card_numbered(std::string_view number) {
    return find_in(card_index().by_number, number);
}

} // namespace holdfast::gateway
