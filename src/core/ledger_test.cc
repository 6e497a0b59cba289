#include "core/ledger.h"

#include "core/names.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace holdfast::core {
namespace {

const Currency eur = *Currency::parse("eur");

Id<Account> merchant() {
    Uuid id;
    id.bytes[0] = 7;
    return Id<Account>(id);
}

using Expected = std::map<LedgerAccountKind, std::int64_t>;

Expected by_kind(const std::vector<Entry>& entries) {
    Expected sums;
    for (const Entry& entry : entries) {
        EXPECT_EQ(entry.account.owner.is_nil(), is_platform(entry.account.kind));
        EXPECT_TRUE(entry.account.owner.is_nil() || entry.account.owner == merchant());
        EXPECT_EQ(entry.account.currency, eur);
        EXPECT_TRUE(sums.emplace(entry.account.kind, entry.amount_minor).second);
    }
    return sums;
}

struct PostingCase {
    PostingKind kind;
    std::int64_t amount, fee;
    Expected expected;
};

// The table of ledger.h and docs/adr/0003-ledger.md, row by row.
const std::vector<PostingCase>& posting_table() {
    using enum LedgerAccountKind;
    using enum PostingKind;
    static const std::vector<PostingCase> table{
        {Capture, 1000, 59, {{Pending, 941}, {FeeIncome, 59}, {AcquirerReceivable, -1000}}},
        {Capture, 1000, 0, {{Pending, 1000}, {AcquirerReceivable, -1000}}},
        {Capture, 30, 30, {{FeeIncome, 30}, {AcquirerReceivable, -30}}},
        {PostingKind::Refund, 400, 0, {{Available, -400}, {AcquirerReceivable, 400}}},
        {RefundFailed, 400, 0, {{Available, 400}, {AcquirerReceivable, -400}}},
        {DisputeOpened, 1000, 1500, {{Available, -2500}, {DisputeHold, 1000}, {FeeIncome, 1500}}},
        {DisputeWon, 1000, 0, {{DisputeHold, -1000}, {Available, 1000}}},
        {DisputeLost, 1000, 0, {{DisputeHold, -1000}, {AcquirerReceivable, 1000}}},
        {FundsAvailable, 941, 0, {{Pending, -941}, {Available, 941}}},
        {Payout, 800, 0, {{Available, -800}, {PayoutInTransit, 800}}},
        {PayoutPaid, 800, 0, {{PayoutInTransit, -800}, {Bank, 800}}},
        {PayoutFailed, 800, 0, {{PayoutInTransit, -800}, {Available, 800}}},
        {Settlement, 1000, 18, {{Bank, -982}, {AcquirerCost, -18}, {AcquirerReceivable, 1000}}},
    };
    return table;
}

Id<Account> owner_of(PostingKind kind) {
    return kind == PostingKind::Settlement ? Id<Account>() : merchant();
}

TEST(Posting, FollowsTheTable) {
    for (const PostingCase& c : posting_table()) {
        const auto entries = post(c.kind, owner_of(c.kind), {c.amount, eur}, c.fee);
        ASSERT_TRUE(entries.has_value()) << to_string(c.kind);
        EXPECT_EQ(by_kind(*entries), c.expected) << to_string(c.kind);
        EXPECT_TRUE(balanced(*entries));
    }
}

TEST(Posting, TableCoversEveryKind) {
    for (std::size_t kind = 0; kind < names_of<PostingKind>.size(); ++kind)
        EXPECT_TRUE(std::ranges::any_of(posting_table(), [&](const PostingCase& c) {
            return c.kind == static_cast<PostingKind>(kind);
        })) << kind;
}

TEST(Posting, RefusesWhatMakesNoSense) {
    const struct {
        PostingKind kind;
        Id<Account> owner;
        std::int64_t amount, fee;
    } cases[] = {
        {PostingKind::Capture, merchant(), 0, 0},
        {PostingKind::Capture, merchant(), -5, 0},
        {PostingKind::Capture, merchant(), 100, -1},
        {PostingKind::Capture, merchant(), 100, 101},
        {PostingKind::Capture, {}, 100, 1},
        {PostingKind::Refund, merchant(), 100, 1},
        {PostingKind::Payout, merchant(), 100, 1},
        {PostingKind::Settlement, merchant(), 100, 1},
        {PostingKind::DisputeOpened, merchant(), INT64_MAX, 1},
    };
    for (const auto& c : cases) {
        const auto entries = post(c.kind, c.owner, {c.amount, eur}, c.fee);
        ASSERT_FALSE(entries.has_value()) << to_string(c.kind) << " " << c.amount;
        EXPECT_EQ(entries.error().code, "posting_refused");
    }
}

RC_GTEST_PROP(Posting, AlwaysBalances, ()) {
    const auto kind =
        static_cast<PostingKind>(*rc::gen::inRange<std::size_t>(0, names_of<PostingKind>.size()));
    const auto amount = *rc::gen::inRange<std::int64_t>(1, INT64_MAX / 4);
    const auto fee = *rc::gen::inRange<std::int64_t>(0, amount);
    const auto entries = post(kind, owner_of(kind), {amount, eur}, fee);
    RC_PRE(entries.has_value());
    RC_ASSERT(balanced(*entries));
    RC_ASSERT(std::ranges::none_of(*entries, [](const Entry& e) { return e.amount_minor == 0; }));
}

TEST(Balanced, IsPerCurrency) {
    const auto entry = [](Currency currency, std::int64_t amount) {
        return Entry{{merchant(), LedgerAccountKind::Pending, currency}, amount};
    };
    EXPECT_TRUE(balanced({}));
    EXPECT_TRUE(balanced({entry(eur, 5), entry(eur, -5), entry({}, -3), entry({}, 3)}));
    EXPECT_FALSE(balanced({entry(eur, 5), entry({}, -5)}));
    EXPECT_FALSE(balanced({entry(eur, 1)}));
    EXPECT_TRUE(balanced({entry(eur, INT64_MAX), entry(eur, INT64_MAX), entry(eur, -INT64_MAX),
                          entry(eur, -INT64_MAX)}));
}

TEST(Fee, RoundsHalfEvenAndNeverExceedsTheAmount) {
    const struct {
        FeePlan plan;
        std::int64_t amount, fee;
    } cases[] = {
        {{290, 30}, 1000, 59}, // 29 + 30
        {{290, 30}, 1099, 62}, // 31.871 -> 32
        {{290, 30}, 50, 31},   // 1.45 -> 1
        {{290, 30}, 500, 44},  // 14.5 -> 14: half to even
        {{290, 30}, 1500, 74}, // 43.5 -> 44: half to even
        {{290, 30}, 20, 20},   // capped
        {{0, 0}, 1000, 0},
        {{10'000, 0}, 1000, 1000},
        {{290, -100}, 1000, 0}, // a discount is not paid out
        {{150, 0}, 99'999'999, 1'500'000},
    };
    for (const auto& c : cases)
        EXPECT_EQ(*fee_minor(c.plan, {c.amount, eur}), c.fee)
            << c.plan.basis_points << "bp of " << c.amount;
}

TEST(SumDeltas, AddsPerAccountInOrderAndDropsZeros) {
    const auto transaction = [](PostingKind kind, std::int64_t amount, std::int64_t fee) {
        return LedgerTransaction{{}, *post(kind, merchant(), {amount, eur}, fee)};
    };
    const auto deltas = sum_deltas({transaction(PostingKind::Capture, 1000, 59),
                                    transaction(PostingKind::Capture, 500, 44),
                                    transaction(PostingKind::Refund, 1500, 0)});
    const LedgerAccount pending{merchant(), LedgerAccountKind::Pending, eur};
    const LedgerAccount available{merchant(), LedgerAccountKind::Available, eur};
    const LedgerAccount income{{}, LedgerAccountKind::FeeIncome, eur};
    // Platform accounts (owner nil) sort first; the receivable has come to zero.
    EXPECT_EQ(deltas, (std::vector<Delta>{{income, 103}, {pending, 1397}, {available, -1500}}));
    EXPECT_TRUE(sum_deltas({}).empty());
}

TEST(Names, PostingsShowAsStripesBalanceTransactions) {
    EXPECT_EQ(balance_transaction_type(PostingKind::Capture), "charge");
    EXPECT_EQ(balance_transaction_type(PostingKind::Refund), "refund");
    EXPECT_EQ(balance_transaction_type(PostingKind::RefundFailed), "refund_failure");
    EXPECT_EQ(reporting_category(PostingKind::DisputeOpened), "dispute");
    EXPECT_EQ(reporting_category(PostingKind::PayoutFailed), "payout_reversal");
    EXPECT_EQ(card_brand_label("amex"), "American Express");
    EXPECT_EQ(card_brand_label("pirate"), "Unknown");
}

static_assert(to_string(PaymentIntentStatus::RequiresCapture) == "requires_capture");
static_assert(to_string(PaymentIntentStatus::Succeeded) == "succeeded");
static_assert(to_string(CaptureMethod::Manual) == "manual");
static_assert(to_string(CancellationReason::Automatic) == "automatic");
static_assert(to_string(SetupFutureUsage::OffSession) == "off_session");
static_assert(to_string(ChargeStatus::Failed) == "failed");
static_assert(to_string(RefundStatus::Canceled) == "canceled");
static_assert(to_string(OperationKind::Refund) == "refund");
static_assert(to_string(OperationState::Reversed) == "reversed");
static_assert(to_string(ObjectKind::Operation) == "operation");
static_assert(to_string(LedgerAccountKind::Suspense) == "suspense");
static_assert(parse_name<CaptureMethod>("automatic_async") == CaptureMethod::AutomaticAsync);
static_assert(!parse_name<CancellationReason>("") && !parse_name<CaptureMethod>("Manual"));

} // namespace
} // namespace holdfast::core
