#include "core/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

namespace holdfast::core {
namespace {

constexpr std::int64_t basis_points_per_whole = 10'000;

/// Collects the entries of one posting; accounts that would get nothing are left out.
class EntryList {
  public:
    EntryList(Id<Account> merchant, Currency currency) : merchant_(merchant), currency_(currency) {}

    EntryList& add(LedgerAccountKind kind, std::int64_t amount_minor) {
        if (amount_minor == 0) return *this;
        const Id<Account> owner = is_platform(kind) ? Id<Account>() : merchant_;
        entries_.push_back({{owner, kind, currency_}, amount_minor});
        return *this;
    }

    std::vector<Entry> take() {
        CHECK_MSG(balanced(entries_), "a posting does not sum to zero");
        return std::move(entries_);
    }

  private:
    Id<Account> merchant_;
    Currency currency_;
    std::vector<Entry> entries_;
};

constexpr bool has_fee(PostingKind kind) {
    return kind == PostingKind::Capture || kind == PostingKind::DisputeOpened ||
           kind == PostingKind::Settlement;
}

Error refused(std::string message) {
    return {.kind = ErrorClass::Bug, .code = "posting_refused", .message = std::move(message)};
}

Result<void> check_posting(PostingKind kind, Id<Account> merchant, Money amount,
                           std::int64_t fee_minor) {
    if (amount.minor <= 0)
        return fail(refused(fmt::format("A posting of {} was asked for.", amount.minor)));
    if (fee_minor < 0 || (fee_minor > 0 && !has_fee(kind)))
        return fail(refused(fmt::format("A fee of {} was asked for.", fee_minor)));
    if (kind != PostingKind::DisputeOpened && fee_minor > amount.minor)
        return fail(refused("The fee is more than the amount."));
    if (merchant.is_nil() != (kind == PostingKind::Settlement))
        return fail(refused("Every posting but a settlement has a merchant."));
    if (fee_minor > std::numeric_limits<std::int64_t>::max() - amount.minor)
        return fail(refused("Amount and fee together are out of range."));
    return {};
}

} // namespace

Result<std::int64_t> fee_minor(const FeePlan& plan, Money amount) {
    TRY(const std::int64_t rate,
        scale_half_even(amount.minor, plan.basis_points, basis_points_per_whole));
    TRY(const std::int64_t fee, checked_add(rate, plan.fixed_minor));
    return std::clamp<std::int64_t>(fee, 0, std::max<std::int64_t>(amount.minor, 0));
}

Result<std::vector<Entry>> post(PostingKind kind, Id<Account> merchant, Money amount,
                                std::int64_t fee_minor) {
    using enum LedgerAccountKind;
    TRY_VOID(check_posting(kind, merchant, amount, fee_minor));
    const std::int64_t gross = amount.minor;
    const std::int64_t net = gross - fee_minor;
    EntryList entries(merchant, amount.currency);
    switch (kind) {
        case PostingKind::Capture:
            return entries.add(Pending, net)
                .add(FeeIncome, fee_minor)
                .add(AcquirerReceivable, -gross)
                .take();
        case PostingKind::Refund:
            return entries.add(Available, -gross).add(AcquirerReceivable, gross).take();
        case PostingKind::RefundFailed:
            return entries.add(Available, gross).add(AcquirerReceivable, -gross).take();
        case PostingKind::DisputeOpened:
            return entries.add(Available, -gross - fee_minor)
                .add(DisputeHold, gross)
                .add(FeeIncome, fee_minor)
                .take();
        case PostingKind::DisputeWon:
            return entries.add(DisputeHold, -gross).add(Available, gross).take();
        case PostingKind::DisputeLost:
            return entries.add(DisputeHold, -gross).add(AcquirerReceivable, gross).take();
        case PostingKind::FundsAvailable:
            return entries.add(Pending, -gross).add(Available, gross).take();
        case PostingKind::Payout:
            return entries.add(Available, -gross).add(PayoutInTransit, gross).take();
        case PostingKind::PayoutPaid:
            return entries.add(PayoutInTransit, -gross).add(Bank, gross).take();
        case PostingKind::PayoutFailed:
            return entries.add(PayoutInTransit, -gross).add(Available, gross).take();
        case PostingKind::Settlement:
            return entries.add(Bank, -net)
                .add(AcquirerCost, -fee_minor)
                .add(AcquirerReceivable, gross)
                .take();
    }
    return fail(refused("Unknown kind of posting."));
}

bool balanced(const std::vector<Entry>& entries) {
    __extension__ std::map<Currency, __int128> sums;
    for (const Entry& entry : entries) sums[entry.account.currency] += entry.amount_minor;
    return std::ranges::all_of(sums, [](const auto& sum) { return sum.second == 0; });
}

std::vector<Delta> sum_deltas(const std::vector<LedgerTransaction>& transactions) {
    std::map<LedgerAccount, std::int64_t> sums;
    for (const LedgerTransaction& transaction : transactions)
        for (const Entry& entry : transaction.entries) {
            std::int64_t& sum = sums[entry.account];
            // 2^63 minor units in one batch: no amount that passed decide() gets there.
            CHECK(!__builtin_add_overflow(sum, entry.amount_minor, &sum));
        }
    std::vector<Delta> deltas;
    deltas.reserve(sums.size());
    for (const auto& [account, sum] : sums)
        if (sum != 0) deltas.push_back({account, sum});
    return deltas;
}

} // namespace holdfast::core
