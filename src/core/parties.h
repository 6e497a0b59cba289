#pragma once

// Who takes part in payments: accounts, their customers, and the cards those pay with. Plain
// values; objects.h says what holds for all of them and brings in the payments themselves.
//
// Card numbers are not here: `vault_token` names a card at the acquirer, CardDetails is what may be
// shown of it.

#include "base/env.h"
#include "base/id.h"
#include "core/money.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::core {

/// Limits: 50 keys, 40 characters each, values 500. The edge (api) checks what is sent; that
/// updates together stay within the number of keys is checked by the rules.
using Metadata = std::map<std::string, std::string, std::less<>>;
inline constexpr std::size_t metadata_keys_max = 50;

enum class ObjectKind : std::uint8_t {
    Account,
    Customer,
    PaymentMethod,
    Token,
    PaymentIntent,
    Charge,
    Refund,
    BalanceTransaction,
    Event,
    Operation,
};

/// What Holdfast keeps per transaction: rate in basis points, plus a fixed part.
struct FeePlan {
    std::int32_t basis_points = 290;
    std::int64_t fixed_minor = 30;
    bool operator==(const FeePlan&) const = default;
};

/// What an account risks while neither the database nor the acquirer can be asked: within these
/// limits payments are accepted without the issuer's word. Minor units, each above zero; that of a
/// payment at most that of a card, that at most the total.
struct FloorLimit {
    Currency currency;
    std::int64_t payment_minor = 0; ///< of one payment
    std::int64_t card_minor = 0;    ///< open payments of one card together
    std::int64_t total_minor = 0;   ///< open payments of the account together
    bool operator==(const FloorLimit&) const = default;
};

struct Account {
    static constexpr std::string_view id_prefix = "acct_";
    Id<Account> id;        ///< of this mode; the key of every row
    Id<Account> public_id; ///< what merchants see; the same in both modes
    bool livemode = false;
    std::string name;
    WallTime created;
    FeePlan fees;
    std::vector<FloorLimit> floor_limits; ///< at most one a currency; none: no such risk is taken
};

struct Address {
    std::optional<std::string> city, country, line1, line2, postal_code, state;
    bool operator==(const Address&) const = default;
};

struct Shipping {
    Address address;
    std::optional<std::string> name, phone, carrier, tracking_number;
    bool operator==(const Shipping&) const = default;
};

struct BillingDetails {
    std::optional<Address> address;
    std::optional<std::string> email, name, phone;
    bool operator==(const BillingDetails&) const = default;
};

/// What may be shown of a card. The number itself only exists at the acquirer.
struct CardDetails {
    std::string brand = "visa"; ///< visa, mastercard, amex, discover, diners, jcb, unionpay
    std::string last4;
    std::int32_t exp_month = 0;
    std::int32_t exp_year = 0;
    std::string funding = "credit";
    std::string country = "US";
    std::string fingerprint; ///< equal for equal card numbers of one account
    bool operator==(const CardDetails&) const = default;
};

struct Customer {
    static constexpr std::string_view id_prefix = "cus_";
    Id<Customer> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    bool deleted = false;
    std::optional<std::string> email, name, phone, description;
    std::optional<Address> address;
    std::optional<Shipping> shipping;
    Id<struct PaymentMethod> default_payment_method; ///< invoice_settings.default_payment_method
    std::vector<std::string> preferred_locales;
    std::string tax_exempt = "none";
    std::int64_t balance_minor = 0;
    Metadata metadata;
    std::uint64_t request_fingerprint = 0; ///< of the request that created it
    bool operator==(const Customer&) const = default;
};

struct PaymentMethod {
    static constexpr std::string_view id_prefix = "pm_";
    Id<PaymentMethod> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    Id<Customer> customer; ///< nil while not attached
    bool detached = false; ///< was attached once; can't be used again
    CardDetails card;
    std::string vault_token; ///< names the card at the acquirer
    BillingDetails billing_details;
    std::string allow_redisplay = "unspecified";
    Metadata metadata;
    std::uint64_t request_fingerprint = 0;
    bool operator==(const PaymentMethod&) const = default;
};

struct Token {
    static constexpr std::string_view id_prefix = "tok_";
    Id<Token> id;
    Id<Account> account;
    std::int32_t version = 1;
    WallTime created;
    bool used = false;
    CardDetails card;
    std::string vault_token;
    BillingDetails billing_details;
    std::uint64_t request_fingerprint = 0;
    bool operator==(const Token&) const = default;
};

} // namespace holdfast::core
