#pragma once

// The double-entry ledger: which event of a payment posts what (docs/adr/0003-ledger.md).
//
// An entry's amount is signed: positive credits the account, negative debits it; the entries of
// one transaction sum to zero per currency, which this code CHECKs, a trigger in the database
// enforces, and `holdfast check ledger` proves again from the rows. Merchant accounts are
// liabilities of the platform (what we owe), so "credit" there means "more for the merchant".
//
// Authorizations are not postings. The hot path never reads or updates a balance: per batch and
// ledger account one insert-only delta is written, and one leased folder adds deltas to bases.
//
//   event             merchant                    platform
//   capture           pending +net                fee_income +fee, acquirer_receivable -gross
//   refund            available -amount           acquirer_receivable +amount
//   refund failed     available +amount           acquirer_receivable -amount
//   dispute opened    available -amount -fee, dispute_hold +amount      fee_income +fee
//   dispute won       dispute_hold -amount, available +amount
//   dispute lost      dispute_hold -amount        acquirer_receivable +amount
//   funds available   pending -net, available +net
//   payout            available -amount, payout_in_transit +amount
//   payout paid       payout_in_transit -amount   bank +amount  (credit: money leaves the bank)
//   payout failed     payout_in_transit -amount, available +amount
//   settlement        -                           bank -net, acquirer_cost -cost,
//                                                 acquirer_receivable +gross

#include "core/objects.h"
#include "core/operation.h"

namespace holdfast::core {

enum class LedgerAccountKind : std::uint8_t {
    Pending,
    Available,
    Reserve,
    DisputeHold,
    PayoutInTransit,
    FeeIncome, // the platform's from here on: owner is nil
    AcquirerReceivable,
    AcquirerCost,
    Bank,
    Suspense,
};

constexpr bool is_platform(LedgerAccountKind kind) { return kind >= LedgerAccountKind::FeeIncome; }

struct LedgerAccount {
    Id<Account> owner; ///< nil for the platform
    LedgerAccountKind kind = LedgerAccountKind::Pending;
    Currency currency;
    auto operator<=>(const LedgerAccount&) const = default;
};

struct Entry {
    LedgerAccount account;
    std::int64_t amount_minor = 0;
    bool operator==(const Entry&) const = default;
};

enum class PostingKind : std::uint8_t {
    Capture,
    Refund,
    RefundFailed,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
    FundsAvailable,
    Payout,
    PayoutPaid,
    PayoutFailed,
    Settlement,
};

/// A posting that touches a merchant shows in the API as a balance transaction (txn_).
struct BalanceTransaction {
    static constexpr std::string_view id_prefix = "txn_";
    Id<BalanceTransaction> id;
    Id<Account> account;
    WallTime created;
    WallTime available_on;
    PostingKind kind = PostingKind::Capture;
    Money amount; ///< signed, gross
    std::int64_t fee_minor = 0;
    ObjectKind source_kind = ObjectKind::Charge;
    Uuid source;
    std::optional<std::string> description;

    std::int64_t net_minor() const { return amount.minor - fee_minor; }
    bool operator==(const BalanceTransaction&) const = default;
};

struct LedgerTransaction {
    BalanceTransaction balance_transaction;
    std::vector<Entry> entries;
    bool operator==(const LedgerTransaction&) const = default;
};

struct Delta {
    LedgerAccount account;
    std::int64_t amount_minor = 0;
    bool operator==(const Delta&) const = default;
};

/// Fee for one capture: rate half-even in the payment's currency plus the fixed part, never more
/// than the amount.
Result<std::int64_t> fee_minor(const FeePlan& plan, Money amount);

/// The entries of one posting. `amount` > 0 (or any sign for Settlement's parts is refused),
/// `fee_minor` >= 0 and only where the table above has one.
Result<std::vector<Entry>> post(PostingKind kind, Id<Account> merchant, Money amount,
                                std::int64_t fee_minor);

/// True when the entries sum to zero in every currency.
bool balanced(const std::vector<Entry>& entries);

/// One delta per ledger account, ordered by account; zero sums left out.
std::vector<Delta> sum_deltas(const std::vector<LedgerTransaction>& transactions);

} // namespace holdfast::core
