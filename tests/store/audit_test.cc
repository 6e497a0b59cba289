// The audit of the books: clean after payments, and one finding for each way to damage them.

#include "store/audit.h"
#include "store/contract_test.h"
#include "tests/store/store_database.h"

#include <gmock/gmock.h>

namespace holdfast::store {
namespace {

class AuditTest : public testing::Test {
  protected:
    AuditTest() {
        auto lane = db_.get(db_.store().open_lane(soon()));
        for (int i = 0; i < 3; ++i) {
            Batch batch = db_.get(lane->begin({}, LockMode::Skip, soon()));
            pay(batch.work);
            db_.get(lane->commit(std::move(batch.work), 1, soon()));
        }
        db_.get(db_.store().fold_balances(4, soon()));
    }
    static Deadline soon() { return Deadline::after(std::chrono::seconds{20}); }

    void pay(core::UnitOfWork& work) {
        auto payment = samples::bare_payment(account_);
        auto charge = samples::charge(payment);
        auto posted = samples::capture(account_, payment.amount.minor, 62);
        payment.status = core::PaymentIntentStatus::Succeeded;
        payment.amount_received_minor = payment.amount.minor;
        payment.latest_charge = charge.id;
        charge.status = core::ChargeStatus::Succeeded;
        charge.amount_captured_minor = charge.amount.minor;
        charge.amount_refunded_minor = 0;
        charge.balance_transaction = posted.balance_transaction.id;
        posted.balance_transaction.source = charge.id.uuid();
        auto announced = samples::event(payment, "charge.succeeded");
        announced.object_id = charge.id.uuid();
        work.payment_intents.insert(payment);
        work.charges.insert(charge);
        work.transactions.push_back(posted);
        work.events.push_back(announced);
        work.events.push_back(samples::event(payment, "payment_intent.succeeded"));
    }

    /// The checks that fail after `damage`.
    std::set<std::string> failing(const std::string& damage) {
        db_.database().value(damage);
        std::set<std::string> checks;
        for (const Finding& finding : db_.get(audit(db_.pool(), soon())).findings) {
            EXPECT_NE(finding.expected, finding.actual);
            checks.insert(finding.check);
        }
        return checks;
    }

    StoreDatabase db_;
    const Id<core::Account> account_ = samples::next_id<core::Account>();
};

TEST_F(AuditTest, IsCleanAndCountsWhatItLookedAt) {
    AuditReport report = db_.get(audit(db_.pool(), soon()));
    EXPECT_TRUE(report.clean()) << report.findings[0].check << " " << report.findings[0].subject;
    EXPECT_EQ(report.checked["payment_intents"], 3);
    EXPECT_EQ(report.checked["entries"], 9);
    EXPECT_EQ(report.checked["events"], 6);
    EXPECT_EQ(report.checked["seals"], 3);
}

using testing::Contains;
using testing::ElementsAre;

TEST_F(AuditTest, FindsAChangedEntry) {
    EXPECT_THAT(failing("UPDATE entries SET amount_minor = amount_minor + 1 WHERE ctid = '(0,1)'"),
                ElementsAre("balance_mismatch", "seal_totals", "transaction_net",
                            "transaction_unbalanced"));
}
TEST_F(AuditTest, FindsAMissingTransaction) {
    EXPECT_THAT(failing("WITH gone AS (SELECT transaction_id FROM entries LIMIT 1) DELETE FROM "
                        "entries USING gone WHERE entries.transaction_id = gone.transaction_id"),
                ElementsAre("balance_mismatch", "seal_totals", "transaction_net"));
}
TEST_F(AuditTest, FindsALostDelta) {
    EXPECT_THAT(failing("DELETE FROM balance_deltas WHERE ctid = (SELECT ctid FROM balance_deltas "
                        "LIMIT 1)"),
                ElementsAre("balance_mismatch"));
}
TEST_F(AuditTest, FindsAChangedBase) {
    EXPECT_THAT(failing("UPDATE balances SET amount_minor = amount_minor - 1"),
                ElementsAre("balance_mismatch"));
}
TEST_F(AuditTest, FindsAMissingSeal) {
    EXPECT_THAT(failing("DELETE FROM seals WHERE sequence = 2"), Contains("seal_gap"));
}
TEST_F(AuditTest, FindsACutChain) {
    EXPECT_THAT(failing("DELETE FROM seals WHERE sequence = 3"), ElementsAre("seal_totals"));
}
TEST_F(AuditTest, FindsAChangedSeal) {
    EXPECT_THAT(failing("UPDATE seals SET commands = 9 WHERE sequence = 1"),
                ElementsAre("seal_chain"));
}
TEST_F(AuditTest, FindsAForgedSeal) {
    EXPECT_THAT(failing("UPDATE seals SET hash = sha256('x') WHERE sequence = 2"),
                ElementsAre("seal_chain"));
}
TEST_F(AuditTest, FindsAChargeThatDisagreesWithItsCapture) {
    EXPECT_THAT(failing("UPDATE charges SET amount_captured_minor = 1000"),
                ElementsAre("charge_captured", "charge_refunded", "payment_received"));
}
TEST_F(AuditTest, FindsARefundOnlyTheChargeKnows) {
    EXPECT_THAT(failing("UPDATE charges SET amount_refunded_minor = 5"),
                ElementsAre("charge_refunded"));
}
TEST_F(AuditTest, FindsARefundThatWasNotPosted) {
    EXPECT_THAT(failing("INSERT INTO refunds (account_id, id, created, request_fingerprint, charge,"
                        " payment_intent, amount_minor, currency, version, status) SELECT"
                        " account_id, id, created, 1, id, payment_intent, 5, 'usd', 1, 'succeeded'"
                        " FROM charges LIMIT 1"),
                ElementsAre("charge_refunded", "refund_posted"));
}
TEST_F(AuditTest, FindsAPaymentThatIsPaidInNameOnly) {
    EXPECT_THAT(failing("UPDATE payment_intents SET amount_received_minor = 0"),
                ElementsAre("payment_received"));
}
TEST_F(AuditTest, FindsASilentPayment) {
    EXPECT_THAT(failing("UPDATE events SET type = 'x' WHERE type = 'charge.succeeded'"),
                ElementsAre("event_missing"));
}
TEST_F(AuditTest, FindsAPaymentThatForgotItsOperation) {
    EXPECT_THAT(failing("INSERT INTO operations (account_id, id, started, payment_intent, kind,"
                        " amount_minor, currency, version, state, owner, valid_until, reversing,"
                        " details) SELECT account_id, id, created, id, 'sale', 1, 'usd', 1,"
                        " 'started', id, created, false, '' FROM payment_intents LIMIT 1"),
                ElementsAre("operation_active"));
}

} // namespace
} // namespace holdfast::store
