#include "drill/witnesses.h"

#include <gmock/gmock.h>

namespace holdfast::drill {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const LedgerCheck well{.balanced = true, .agrees = true, .findings = {}};

Purchase told(Told what, std::string id = "p") {
    return {.id = std::move(id), .amount_minor = 500, .told = what};
}
const LedgerEntry paid{.payments = 1, .succeeded = 1, .received_minor = 500, .status = "succeeded"};
const LedgerEntry unpaid{.payments = 1, .status = "requires_payment_method"};
const BookedPurchase charged{.charges = 1, .net_minor = 500};

TEST(Witnesses, AgreeAboutWhatWasPaidAndWhatWasNot) {
    const Comparison found =
        compare({told(Told::Succeeded, "a"), told(Told::Declined, "b"), told(Told::Failed, "c"),
                 told(Told::Abandoned, "d"), told(Told::Accepted, "e")},
                {{"a", paid}, {"b", unpaid}, {"d", paid}, {"e", paid}},
                {{"a", charged}, {"d", charged}, {"e", charged}}, well);
    EXPECT_TRUE(found.clean());
    EXPECT_THAT(found.differences, ElementsAre());
}

TEST(Witnesses, FindWhatWasAcknowledgedAndIsLost) {
    // Neither has it; only the acquirer has it; only the ledger has it; another amount.
    EXPECT_EQ(compare({told(Told::Succeeded)}, {}, {}, well).lost, 1);
    EXPECT_EQ(compare({told(Told::Succeeded)}, {}, {{"p", charged}}, well).lost, 1);
    EXPECT_EQ(compare({told(Told::Succeeded)}, {{"p", paid}}, {}, well).lost, 1);
    EXPECT_EQ(compare({told(Told::Succeeded)}, {{"p", paid}}, {{"p", {1, 499, 0}}}, well).lost, 1);
    const Comparison found = compare({told(Told::Succeeded)}, {{"p", unpaid}}, {}, well);
    EXPECT_EQ(found.lost, 1);
    EXPECT_THAT(found.differences,
                ElementsAre(HasSubstr("lost: purchase p: ledger requires_payment_method")));
}

TEST(Witnesses, TellDeclinedLaterFromLostInStandIn) {
    const Comparison declined = compare({told(Told::Accepted)}, {{"p", unpaid}}, {}, well);
    EXPECT_EQ(declined.standin_declined, 1);
    EXPECT_EQ(declined.lost, 0);
    EXPECT_EQ(compare({told(Told::Accepted)}, {}, {}, well).lost, 1); // nobody has heard of it
    const LedgerEntry open{.payments = 1, .status = "processing"};
    EXPECT_EQ(compare({told(Told::Accepted)}, {{"p", open}}, {}, well).lost, 1); // never settled
}

TEST(Witnesses, FindWhoWasChargedTwiceOrThoughDeclined) {
    EXPECT_EQ(compare({told(Told::Succeeded)}, {{"p", paid}}, {{"p", {2, 1000, 0}}}, well).doubled,
              1);
    EXPECT_EQ(compare({told(Told::Declined)}, {{"p", paid}}, {{"p", charged}}, well).doubled, 1);
    EXPECT_EQ(compare({told(Told::Failed)}, {{"p", paid}}, {{"p", {2, 1000, 0}}}, well).doubled, 1);
}

TEST(Witnesses, FindHoldsThatNobodyWaitsFor) {
    const BookedPurchase held{.charges = 1, .held_minor = 500};
    EXPECT_EQ(compare({told(Told::Failed)}, {{"p", unpaid}}, {{"p", held}}, well).orphan_holds, 1);
    EXPECT_EQ(compare({}, {}, {{"p", held}}, well).orphan_holds, 1); // not even a payment
    const LedgerEntry waiting{
        .payments = 1, .waiting_for_capture = 1, .status = "requires_capture"};
    EXPECT_EQ(compare({}, {{"p", waiting}}, {{"p", held}}, well).orphan_holds, 0);
}

TEST(Witnesses, FindMissingEvents) {
    LedgerEntry silent = paid;
    silent.events_missing = 1;
    EXPECT_EQ(
        compare({told(Told::Succeeded)}, {{"p", silent}}, {{"p", charged}}, well).event_missing, 1);
}

TEST(Witnesses, FindBooksThatDifferWhateverClientsKnow) {
    EXPECT_FALSE(compare({told(Told::Failed)}, {{"p", paid}}, {}, well).books_agree);
    EXPECT_FALSE(compare({told(Told::Abandoned)}, {}, {{"p", charged}}, well).books_agree);
}

TEST(Witnesses, BelieveTheAudit) {
    const Comparison found =
        compare({}, {}, {}, {.balanced = false, .agrees = false, .findings = {"seal_gap: x"}});
    EXPECT_FALSE(found.ledger_balanced);
    EXPECT_FALSE(found.books_agree);
    EXPECT_THAT(found.differences, ElementsAre("seal_gap: x"));
}

TEST(Witnesses, WantAnAttemptOnRecordThatEndedAsTheClientWasTold) {
    const auto with_payment = [](Told what, std::string payment) {
        Purchase purchase = told(what);
        purchase.payment = std::move(payment);
        return purchase;
    };
    const std::deque<Purchase> all{
        with_payment(Told::Succeeded, "pi_1"), with_payment(Told::Declined, "pi_2"),
        with_payment(Told::Accepted, "pi_3"), with_payment(Told::Abandoned, "pi_4"),
        with_payment(Told::Failed, "pi_5")};
    Comparison found;
    compare_attempts(
        all, {{"pi_1", {"held", "succeeded"}}, {"pi_2", {"declined"}}, {"pi_3", {"processing"}}},
        found);
    EXPECT_EQ(found.unlogged, 0);
    compare_attempts(all, {{"pi_1", {"created", "held"}}, {"pi_2", {"succeeded"}}}, found);
    EXPECT_EQ(found.unlogged, 3);
    EXPECT_THAT(found.differences.front(), HasSubstr("unlogged: purchase p, pi_1: created, held"));
}

} // namespace
} // namespace holdfast::drill
