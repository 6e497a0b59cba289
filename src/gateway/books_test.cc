#include "gateway/books.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::gateway {
namespace {

using core::Operation;
using core::OperationKind;
using namespace std::chrono_literals;

const WallTime t0{1'790'000'000s};
const core::Currency usd = *core::Currency::parse("usd");
const core::Currency jpy = *core::Currency::parse("jpy");

template <class T> Id<T> id(std::uint8_t n) { return Id<T>(Uuid{{n}}); }

Operation operation(std::uint8_t n, OperationKind kind, std::int64_t minor,
                    std::uint8_t original = 0) {
    Operation op;
    op.id = id<Operation>(n);
    op.kind = kind;
    op.amount = {minor, usd};
    op.valid_until = t0 + 15s;
    if (original != 0) op.original = id<Operation>(original);
    if (kind == OperationKind::Authorize || kind == OperationKind::Sale)
        op.vault_token = "test_visa";
    op.metadata["purchase_id"] = "order-1";
    return op;
}

struct BooksTest : testing::Test {
    std::vector<BookEntry> entries;
    Books books{[this](const BookEntry& entry) { entries.push_back(entry); }};

    std::string run(const Operation& op, WallTime now = t0) {
        auto answer = books.execute(op, now);
        if (!answer) return answer.error().code;
        if (answer->finding == Finding::Approved) return "approved";
        EXPECT_EQ(answer->finding, Finding::Declined);
        return answer->failure.decline_code.empty() ? answer->failure.code
                                                    : answer->failure.decline_code;
    }
    std::string reverse(std::uint8_t n) {
        auto answer = books.reverse(id<Operation>(n), t0);
        if (!answer) return answer.error().code;
        return answer->finding == Finding::Reversed ? "reversed" : "declined";
    }
    Purchase purchase() { return books.purchases_of("order-1").at(0); }
};

TEST_F(BooksTest, SaleIsBookedOnceAndAnsweredAgain) {
    Operation sale = operation(1, OperationKind::Sale, 1000);
    auto first = books.execute(sale, t0);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->finding, Finding::Approved);
    EXPECT_EQ(first->authorization_code.size(), 6u);
    sale.valid_until = t0 + 1h; // the owner may ask anew with more time
    auto again = books.execute(sale, t0 + 30s);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->authorization_code, first->authorization_code);
    EXPECT_FALSE(first->repeated);
    EXPECT_TRUE(again->repeated);
    EXPECT_EQ(entries.size(), 1u);
    EXPECT_EQ(books.totals().repeats, 1);
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 1, 1000, 0}));
}

TEST_F(BooksTest, RepeatIsAnsweredAfterValidUntilToo) {
    Operation sale = operation(1, OperationKind::Sale, 1000);
    EXPECT_EQ(run(sale), "approved");
    EXPECT_EQ(run(sale, t0 + 1h), "approved");
}

TEST_F(BooksTest, OtherParametersUnderAReferenceAreRefused) {
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1000)), "approved");
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1001)), "reference_reused");
    EXPECT_EQ(run(operation(1, OperationKind::Authorize, 1001)), "reference_reused");
    Operation other = operation(1, OperationKind::Sale, 1000);
    other.amount.currency = jpy;
    EXPECT_EQ(run(other), "reference_reused");
    other = operation(1, OperationKind::Sale, 1000);
    other.vault_token = "test_amex";
    EXPECT_EQ(run(other), "reference_reused");
    EXPECT_EQ(entries.size(), 1u);
    EXPECT_EQ(purchase().net_minor, 1000);
}

TEST_F(BooksTest, WhoeverAsksForTheMoneyFirstDecidesWhetherItIsTaken) {
    using enum OperationKind;
    for (const auto& [n, first, second] :
         {std::tuple{1, Sale, Authorize}, std::tuple{2, Authorize, Sale}}) {
        const auto number = static_cast<std::uint8_t>(n);
        EXPECT_EQ(run(operation(number, first, 1000)), "approved");
        const auto again = books.execute(operation(number, second, 1000), t0);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->finding, Finding::Approved);
        EXPECT_EQ(again->executed_as, first);
        EXPECT_EQ(books.inquire(id<Operation>(number)).executed_as, first);
    }
    EXPECT_EQ(entries.size(), 2u);
    EXPECT_EQ(run(operation(1, Refund, 1000, 1)), "reference_reused");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 1, 1000, 1000}));
}

TEST_F(BooksTest, LateArrivalIsRefusedAndNotBooked) {
    Operation sale = operation(1, OperationKind::Sale, 1000);
    EXPECT_EQ(run(sale, sale.valid_until), "request_expired");
    EXPECT_EQ(books.execute(sale, sale.valid_until).error().kind, ErrorClass::Unavailable);
    EXPECT_TRUE(entries.empty());
    EXPECT_EQ(books.inquire(sale.id).finding, Finding::NotFound);
    EXPECT_EQ(run(sale, sale.valid_until - 1us), "approved");
}

TEST_F(BooksTest, ReversalBeforeArrivalDeclinesIt) {
    EXPECT_EQ(reverse(1), "reversed");
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1000)), "processing_error");
    EXPECT_EQ(books.inquire(id<Operation>(1)).finding, Finding::Reversed);
    EXPECT_EQ(reverse(1), "reversed");
    EXPECT_EQ(entries.size(), 1u);
    EXPECT_TRUE(books.purchases_of("order-1").empty());
    EXPECT_EQ(books.totals().refused_late, 1);
}

TEST_F(BooksTest, ReversalUndoesWhatWasBooked) {
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1000)), "approved");
    EXPECT_EQ(reverse(1), "reversed");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 0}));
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1000)), "processing_error");
    EXPECT_EQ(run(operation(2, OperationKind::Refund, 1, 1)), "authorization_not_found");

    EXPECT_EQ(run(operation(3, OperationKind::Authorize, 500)), "approved");
    EXPECT_EQ(reverse(3), "reversed");
    EXPECT_EQ(purchase().held_minor, 0);
    EXPECT_EQ(run(operation(4, OperationKind::Capture, 500, 3)), "authorization_not_found");
}

TEST_F(BooksTest, DeclinedIsNotReversed) {
    Operation op = operation(1, OperationKind::Sale, 1000);
    op.vault_token = "test_chargeDeclined";
    EXPECT_EQ(run(op), "generic_decline");
    EXPECT_EQ(reverse(1), "declined");
    EXPECT_EQ(run(op), "generic_decline");
    EXPECT_EQ(entries.size(), 1u);
}

TEST_F(BooksTest, WhatOthersWereBuiltUponIsReversedLast) {
    EXPECT_EQ(run(operation(1, OperationKind::Authorize, 1000)), "approved");
    EXPECT_EQ(run(operation(2, OperationKind::Capture, 600, 1)), "approved");
    EXPECT_EQ(run(operation(3, OperationKind::Refund, 200, 1)), "approved");
    EXPECT_EQ(reverse(1), "reversal_refused");
    EXPECT_EQ(reverse(2), "reversal_refused");
    EXPECT_EQ(reverse(3), "reversed");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 1, 600, 0}));
    EXPECT_EQ(reverse(2), "reversed");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 1000}));
    EXPECT_EQ(reverse(1), "reversed");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 0}));
}

TEST_F(BooksTest, ACaptureStaysWithinTheAuthorizationAndReleasesTheRest) {
    EXPECT_EQ(run(operation(1, OperationKind::Authorize, 1000)), "approved");
    EXPECT_EQ(purchase().held_minor, 1000);
    EXPECT_EQ(run(operation(2, OperationKind::Capture, 1001, 1)), "capture_exceeds_authorization");
    EXPECT_EQ(run(operation(3, OperationKind::Capture, 600, 1)), "approved");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 1, 600, 0}));
    EXPECT_EQ(run(operation(4, OperationKind::Capture, 1, 1)), "capture_exceeds_authorization");
    EXPECT_EQ(run(operation(5, OperationKind::Void, 0, 1)), "nothing_to_void");
    EXPECT_EQ(reverse(3), "reversed");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 1000}));
    EXPECT_EQ(run(operation(6, OperationKind::Void, 0, 1)), "approved");
    EXPECT_EQ(run(operation(7, OperationKind::Void, 0, 1)), "nothing_to_void");
    EXPECT_EQ(run(operation(8, OperationKind::Capture, 1, 1)), "capture_exceeds_authorization");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 0}));
}

TEST_F(BooksTest, RefundsStayWithinTheCapture) {
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 1000)), "approved");
    EXPECT_EQ(run(operation(2, OperationKind::Refund, 1001, 1)), "refund_exceeds_capture");
    EXPECT_EQ(run(operation(3, OperationKind::Refund, 999, 1)), "approved");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 1, 1, 0}));
    EXPECT_EQ(run(operation(4, OperationKind::Refund, 1, 1)), "approved");
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 0, 0, 0}));
    EXPECT_EQ(run(operation(5, OperationKind::Refund, 1, 1)), "refund_exceeds_capture");
}

TEST_F(BooksTest, RefusesWhatMakesNoSense) {
    EXPECT_EQ(run(operation(1, OperationKind::Capture, 10, 9)), "authorization_not_found");
    EXPECT_EQ(run(operation(2, OperationKind::Sale, 0)), "amount_invalid");
    EXPECT_EQ(run(operation(3, OperationKind::Sale, -5)), "amount_invalid");
    EXPECT_EQ(run(operation(4, OperationKind::Sale, INT64_MAX)), "amount_invalid");
    EXPECT_EQ(run(operation(5, OperationKind::Sale, 100)), "approved");
    EXPECT_EQ(run(operation(6, OperationKind::Capture, 100, 5)), "capture_exceeds_authorization");
    EXPECT_EQ(run(operation(7, OperationKind::Void, 0, 5)), "nothing_to_void");
    Operation op = operation(8, OperationKind::Refund, 10, 5);
    op.amount.currency = jpy;
    EXPECT_EQ(run(op), "currency_mismatch");
    EXPECT_EQ(run(operation(9, OperationKind::Refund, 10, 6)), "authorization_not_found");
    op = operation(10, OperationKind::Sale, 100);
    op.vault_token = "test_visa.neverseen";
    EXPECT_EQ(run(op), "invalid_account");
}

TEST_F(BooksTest, RefundDeclinedForItsCard) {
    Operation sale = operation(1, OperationKind::Sale, 100);
    sale.vault_token = "test_refundFail";
    EXPECT_EQ(run(sale), "approved");
    EXPECT_EQ(run(operation(2, OperationKind::Refund, 10, 1)), "expired_or_canceled_card");
}

TEST_F(BooksTest, DoubledPurchasesAreCounted) {
    EXPECT_EQ(run(operation(1, OperationKind::Sale, 100)), "approved");
    EXPECT_EQ(books.totals().doubled, 0);
    EXPECT_EQ(run(operation(2, OperationKind::Sale, 100)), "approved");
    EXPECT_EQ(books.totals().doubled, 1);
    EXPECT_EQ(purchase(), (Purchase{"order-1", usd, 2, 200, 0}));
    EXPECT_EQ(run(operation(3, OperationKind::Refund, 100, 2)), "approved");
    EXPECT_EQ(books.totals().doubled, 0);
    Operation yen = operation(4, OperationKind::Sale, 500);
    yen.amount.currency = jpy;
    EXPECT_EQ(run(yen), "approved");
    EXPECT_EQ(books.purchases_of("order-1").size(), 2u);
    EXPECT_EQ(books.purchases(1, 10).size(), 1u);
    EXPECT_EQ(books.purchases(5, 10).size(), 0u);
}

TEST_F(BooksTest, TokenizedCardsBehaveAndExpire) {
    HmacKey key("k");
    CardData data{.number = "4242424242424242", .cvc = "123", .exp_month = 12, .exp_year = 2026};
    auto vaulted = books.tokenize(id<core::Account>(7), data, key, Uuid{{1}}, t0);
    ASSERT_TRUE(vaulted);
    EXPECT_EQ(books.look_up(vaulted->vault_token)->card, vaulted->card);
    EXPECT_EQ(books.look_up("test_visa").error().code, "vault_token_unknown");
    Operation op = operation(1, OperationKind::Sale, 100);
    op.vault_token = vaulted->vault_token;
    EXPECT_EQ(run(op), "approved");
    op.id = id<Operation>(2);
    op.valid_until = t0 + 24h * 365;
    EXPECT_EQ(run(op, t0 + 24h * 200), "expired_card");

    data.number = "4111111111111111";
    vaulted = books.tokenize(id<core::Account>(7), data, key, Uuid{{2}}, t0);
    ASSERT_TRUE(vaulted);
    EXPECT_EQ(vaulted->card.fingerprint,
              card_fingerprint(key, id<core::Account>(7), "4111111111111111"));
    op = operation(3, OperationKind::Sale, 100);
    op.vault_token = vaulted->vault_token;
    EXPECT_EQ(run(op), "test_mode_live_card");
    for (const BookEntry& entry : entries) {
        EXPECT_EQ(encode(entry).find("4111111111111111"), std::string::npos);
    }
}

TEST_F(BooksTest, LinesInPagesAndByTime) {
    for (std::uint8_t n = 1; n <= 5; ++n) {
        EXPECT_EQ(run(operation(n, OperationKind::Sale, n * 100), t0 + n * 1s), "approved");
    }
    EXPECT_EQ(books.reverse(id<Operation>(2), t0).value().finding,
              Finding::Reversed); // clock went back
    auto all = books.lines({}).value();
    ASSERT_EQ(all.size(), 6u);
    EXPECT_EQ(all[1].finding, Finding::Reversed);
    EXPECT_EQ(all[1].captured.minor, 0);
    EXPECT_EQ(all[5].reference, id<Operation>(2));
    EXPECT_EQ(all[5].booked, t0 + 5s);
    EXPECT_EQ(all[0].metadata.at("purchase_id"), "order-1");

    auto page = books.lines({.after = all[1].position, .limit = 2}).value();
    ASSERT_EQ(page.size(), 2u);
    EXPECT_EQ(page[0].reference, id<Operation>(3));
    EXPECT_TRUE(books.lines({.after = all[5].position}).value().empty());
    auto timed = books.lines({.from = t0 + 2s, .until = t0 + 4s}).value();
    ASSERT_EQ(timed.size(), 2u);
    EXPECT_EQ(timed[0].reference, id<Operation>(2));
    for (auto unknown : {"7", "-1", "x", "1x", "99999999999999999999"}) {
        EXPECT_EQ(books.lines({.after = unknown}).error().code, "position_unknown") << unknown;
    }
}

TEST_F(BooksTest, ReplayRefusesWhatCantBe) {
    EXPECT_EQ(run(operation(1, OperationKind::Authorize, 100)), "approved");
    EXPECT_EQ(run(operation(2, OperationKind::Capture, 100, 1)), "approved");
    Books fresh{[](const BookEntry&) {}};
    EXPECT_EQ(fresh.replay(entries[1]).error().code, "books_inconsistent");
    EXPECT_TRUE(fresh.replay(entries[0]));
    EXPECT_EQ(fresh.replay(entries[0]).error().code, "books_inconsistent");
    EXPECT_TRUE(fresh.replay(entries[1]));
}

TEST(BookEntry, SurvivesItsCodec) {
    Booking booking{.reference = id<Operation>(1),
                    .account = id<core::Account>(2),
                    .payment_intent = id<core::PaymentIntent>(3),
                    .kind = OperationKind::Refund,
                    .amount = {12345, jpy},
                    .original = id<Operation>(4),
                    .vault_token = "test_visa",
                    .metadata = {{"a", "b"}, {"purchase_id", "ü"}},
                    .approved = false,
                    .failure = {"card_declined", "lost_card", "No."},
                    .authorization_code = "001122",
                    .booked = t0};
    auto back = decode_book_entry(encode(booking));
    ASSERT_TRUE(back);
    EXPECT_EQ(encode(*back), encode(booking));
    EXPECT_EQ(std::get<Booking>(*back).amount, booking.amount);
    EXPECT_EQ(decode_book_entry("").error().code, "book_entry_corrupt");
    EXPECT_EQ(decode_book_entry(encode(booking).substr(0, 40)).error().code, "book_entry_corrupt");
    EXPECT_EQ(decode_book_entry("\x02\x01\x01").error().code, "book_entry_version");
}

/// A payer's card under random interleavings of messages, duplicates and reversals.
struct Script {
    std::uint8_t reference, original;
    OperationKind kind;
    std::int64_t amount;
    int action; // 0-5 execute, 6 reverse, 7 inquire, 8 execute too late
};

rc::Gen<Script> scripts() {
    return rc::gen::build<Script>(
        rc::gen::set(&Script::reference, rc::gen::inRange<std::uint8_t>(1, 12)),
        rc::gen::set(&Script::original, rc::gen::inRange<std::uint8_t>(1, 12)),
        rc::gen::set(&Script::kind, rc::gen::element(OperationKind::Authorize, OperationKind::Sale,
                                                     OperationKind::Capture, OperationKind::Void,
                                                     OperationKind::Refund)),
        rc::gen::set(&Script::amount, rc::gen::inRange<std::int64_t>(1, 5)),
        rc::gen::set(&Script::action, rc::gen::inRange(0, 9)));
}

RC_GTEST_PROP(BooksProperty, ReferencesHappenAtMostOnceAndMoneyStaysWithinBounds, ()) {
    std::vector<BookEntry> entries;
    Books books{[&](const BookEntry& entry) { entries.push_back(entry); }};
    std::map<std::uint8_t, std::pair<Finding, std::string>> first_answers;
    std::set<std::uint8_t> reversed;
    WallTime now = t0;
    for (const Script& step : *rc::gen::container<std::vector<Script>>(scripts())) {
        const std::uint8_t n = step.reference;
        now += 1us;
        Operation op = operation(n, step.kind, step.amount, step.original);
        if (step.action == 6) {
            auto answer = books.reverse(op.id, now);
            if (answer && answer->finding == Finding::Reversed)
                reversed.insert(n);
            else if (answer)
                RC_ASSERT(first_answers.at(n).first == Finding::Declined);
            else
                RC_ASSERT(!reversed.contains(n));
        } else if (step.action == 7) {
            const Finding finding = books.inquire(op.id).finding;
            if (reversed.contains(n))
                RC_ASSERT(finding == Finding::Reversed);
            else if (first_answers.contains(n))
                RC_ASSERT(finding == first_answers[n].first);
            else
                RC_ASSERT(finding == Finding::NotFound);
        } else {
            if (step.action == 8) op.valid_until = now;
            auto answer = books.execute(op, now);
            if (!answer) continue; // reused or expired: checked by the totals below
            if (reversed.contains(n)) {
                RC_ASSERT(answer->finding == Finding::Declined);
            } else {
                auto [known, fresh] =
                    first_answers.try_emplace(n, answer->finding, answer->authorization_code);
                RC_ASSERT(known->second.first == answer->finding);
                RC_ASSERT(known->second.second == answer->authorization_code);
                RC_ASSERT(!fresh || step.action != 8);
            }
        }
    }
    // From the entries alone: each reference booked once, and what is left adds up.
    std::map<Id<Operation>, const Booking*> booked;
    std::map<Id<Operation>, std::int64_t> captured, refunded;
    for (const BookEntry& entry : entries) {
        if (auto* b = std::get_if<Booking>(&entry))
            RC_ASSERT(booked.emplace(b->reference, b).second);
    }
    for (auto& [reference, b] : booked) {
        if (!b->approved || reversed.contains(reference.uuid().bytes[0])) continue;
        if (b->kind == OperationKind::Sale) captured[reference] += b->amount.minor;
        if (b->kind == OperationKind::Capture) captured[b->original] += b->amount.minor;
        if (b->kind == OperationKind::Refund) refunded[b->original] += b->amount.minor;
    }
    std::int64_t net = 0, charges = 0;
    for (auto& [reference, amount] : captured) {
        RC_ASSERT(amount <= booked.at(reference)->amount.minor);
        RC_ASSERT(refunded[reference] <= amount);
        net += amount - refunded[reference];
        charges += amount > refunded[reference];
    }
    auto purchases = books.purchases_of("order-1");
    RC_ASSERT((purchases.empty() ? 0 : purchases[0].net_minor) == net);
    RC_ASSERT((purchases.empty() ? 0 : purchases[0].charges) == charges);

    Books replayed{[](const BookEntry&) {}};
    for (const BookEntry& entry : entries) {
        auto decoded = decode_book_entry(encode(entry));
        RC_ASSERT(decoded.has_value());
        RC_ASSERT(replayed.replay(*decoded).has_value());
    }
    RC_ASSERT(replayed.purchases(0, 100) == books.purchases(0, 100));
    RC_ASSERT(replayed.lines({})->size() == books.lines({})->size());
}

} // namespace
} // namespace holdfast::gateway
