#pragma once

// The table of test cards behind gateway/cards.h; internal to this folder.
//
// One line per number. `names` are separated by spaces: the first is the card's own, the others
// are spelled differently by Stripe's tok_ and pm_card_ lists. A test checks that every number
// passes the Luhn check and that no name is used twice.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast::gateway {

enum class CardBehavior : std::uint8_t {
    Approved,
    Declined, // when charged
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    VelocityExceeded,
    Fraudulent,
    AuthenticationRequired,
    RefundFails,
};

struct TestCard {
    std::string_view names;
    std::string_view number;
    std::string_view funding = "credit";
    std::string_view country = "US";
    CardBehavior behavior = CardBehavior::Approved;
    bool attachable = true;

    std::string_view name() const { return names.substr(0, names.find(' ')); }
};

std::span<const TestCard> test_cards();

/// By name, number; null when there is none.
const TestCard* test_card_named(std::string_view name);
const TestCard* test_card_numbered(std::string_view number);

} // namespace holdfast::gateway
