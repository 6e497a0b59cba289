#include "core/names.h"

#include <utility>

namespace holdfast::core {
namespace {

struct PostingNames {
    std::string_view type, category;
};

// In the order of PostingKind; docs.stripe.com/reports/reporting-categories.
constexpr auto posting_names = std::to_array<PostingNames>({
    {"charge", "charge"},
    {"refund", "refund"},
    {"refund_failure", "refund_failure"},
    {"adjustment", "dispute"},
    {"adjustment", "dispute_reversal"},
    {"", ""}, // dispute lost: the merchant's money left when the dispute was opened
    {"", ""}, // funds available
    {"payout", "payout"},
    {"", ""}, // payout paid
    {"payout_failure", "payout_reversal"},
    {"", ""}, // settlement
});
static_assert(posting_names.size() == names_of<PostingKind>.size());

constexpr auto brand_labels = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"amex", "American Express"},
    {"diners", "Diners Club"},
    {"discover", "Discover"},
    {"jcb", "JCB"},
    {"mastercard", "MasterCard"},
    {"unionpay", "UnionPay"},
    {"visa", "Visa"},
});

} // namespace

std::string_view balance_transaction_type(PostingKind kind) {
    return posting_names.at(static_cast<std::size_t>(kind)).type;
}

std::string_view reporting_category(PostingKind kind) {
    return posting_names.at(static_cast<std::size_t>(kind)).category;
}

std::string_view card_brand_label(std::string_view brand) {
    for (const auto& [name, label] : brand_labels)
        if (name == brand) return label;
    return "Unknown";
}

} // namespace holdfast::core
