// What only a real server can show: lost answers, sessions that die, privileges, and the trigger.

#include "store/audit.h"
#include "store/contract_test.h"
#include "tests/store/store_database.h"

#include "net/gate.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace holdfast::store {
namespace {

using core::Access;

class LaneTest : public testing::Test {
  protected:
    static Deadline soon() { return Deadline::after(std::chrono::seconds{20}); }
    std::string value(const std::string& sql) { return db_.database().value(sql); }

    Batch begin(Lane& lane) { return db_.get(lane.begin({}, LockMode::Skip, soon())); }

    StoreDatabase db_;
    const Id<core::Account> account_ = samples::next_id<core::Account>();
};

net::Task<void> record(net::Task<void> task, Result<void>& result) {
    result = co_await std::move(task);
    co_return Result<void>{};
}

TEST_F(LaneTest, ResolveWaitsForACommitThatStillRunsAndFindsItDurable) {
    auto lane = db_.get(db_.store().open_lane(soon()));
    Batch batch = begin(*lane);
    const auto payment = samples::bare_payment(account_);
    batch.work.payment_intents.insert(payment);
    // Hold the insert up inside the server, and stop waiting for its answer.
    auto blocker = db_.connect("postgres");
    db::Pipeline block;
    block.begin();
    block.add_sql("LOCK TABLE payment_intents IN SHARE MODE");
    db_.get(blocker->run(block, soon()));
    const Result<void> lost = db_.try_get(
        lane->commit(std::move(batch.work), 1, Deadline::after(std::chrono::milliseconds{150})));
    ASSERT_FALSE(lost);
    ASSERT_EQ(lost.error().kind, ErrorClass::Unknown) << to_string(lost.error());

    net::Gate gate(db_.loop(), "release");
    Result<void> released;
    db::Pipeline release;
    release.rollback();
    ASSERT_TRUE(gate.spawn([](db::Connection& held, const db::Pipeline& end) -> net::Task<void> {
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::milliseconds{50}));
        CO_TRY_VOID(co_await held.run(end, soon()));
        co_return Result<void>{};
    }(*blocker, release)));
    const bool durable = db_.get(lane->resolve(soon()));
    db_.get(gate.close(soon()));
    const bool there = db_.get(db_.store().find(account_, payment.id, soon())).has_value();
    EXPECT_EQ(durable, there);
    EXPECT_EQ(value("SELECT count(*) FROM seals"), durable ? "1" : "0");
    db_.get(lane->commit(begin(*lane).work, 0, soon()));
    EXPECT_EQ(value("SELECT max(sequence) FROM seals"), durable ? "2" : "1");
}

// After a failover another transaction may have the number of the one that was lost with the
// primary (pg_xact_status() of that number then says "committed"); it does not have its seal.
TEST(LaneFailoverTest, ACommitThatOnlyTheLostPrimaryHadIsNotDurable) {
    const auto soon = [] { return Deadline::after(std::chrono::seconds{20}); };
    test::PgCluster cluster;
    StoreDatabase db(cluster);
    const auto begin = [&](Lane& lane) { return db.get(lane.begin({}, LockMode::Skip, soon())); };
    auto lane = db.get(db.store().open_lane(soon()));
    db.get(lane->commit(begin(*lane).work, 0, soon()));
    cluster.keep();
    EXPECT_FALSE(db.try_get(lane->begin({}, LockMode::Skip, soon())));
    db.get(lane->reopen(soon()));

    Batch batch = begin(*lane);
    const auto account = samples::next_id<core::Account>();
    const auto payment = samples::bare_payment(account);
    batch.work.payment_intents.insert(payment);
    auto blocker = db.connect("postgres");
    db::Pipeline block, release;
    block.begin();
    block.add_sql("LOCK TABLE payment_intents IN SHARE MODE");
    db.get(blocker->run(block, soon()));
    const auto lost = db.try_get(
        lane->commit(std::move(batch.work), 1, Deadline::after(std::chrono::milliseconds{150})));
    ASSERT_FALSE(lost);
    ASSERT_EQ(lost.error().kind, ErrorClass::Unknown) << to_string(lost.error());
    release.rollback();
    db.get(blocker->run(release, soon()));

    cluster.take_back();
    for (int others = 0; others < 100; ++others)
        db.database().value("CREATE TABLE other(); DROP TABLE other");
    EXPECT_FALSE(db.get(lane->resolve(soon())));
    EXPECT_FALSE(db.get(db.store().find(account, payment.id, soon())).has_value());
    db.get(lane->commit(begin(*lane).work, 0, soon()));
    EXPECT_EQ(db.database().value("SELECT max(sequence) FROM seals"), "2");
}

// At the edge a Conflict is the object's, and the client's fault; a locked table is ours.
TEST_F(LaneTest, ReadingALockedTableIsUnavailable) {
    auto blocker = db_.connect("postgres");
    db::Pipeline block;
    block.begin();
    block.add_sql("LOCK TABLE payment_intents");
    db_.get(blocker->run(block, soon()));
    const auto read = db_.try_get(db_.store().find(account_, Id<core::PaymentIntent>{}, soon()));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorClass::Unavailable) << to_string(read.error());
    EXPECT_EQ(read.error().sqlstate, "55P03");
    EXPECT_TRUE(read.error().retryable);
}

TEST_F(LaneTest, ASessionThatDiesBeforeCommitLeavesNothing) {
    auto lane = db_.get(db_.store().open_lane(soon()));
    Batch batch = begin(*lane);
    batch.work.payment_intents.insert(samples::bare_payment(account_));
    value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in "
        "transaction'");
    const Result<void> gone = db_.try_get(lane->commit(std::move(batch.work), 1, soon()));
    ASSERT_FALSE(gone);
    if (gone.error().kind == ErrorClass::Unknown) {
        EXPECT_FALSE(db_.get(lane->resolve(soon())));
    } else {
        db_.get(lane->reopen(soon()));
    }
    EXPECT_EQ(value("SELECT count(*) FROM payment_intents"), "0");
    db_.get(lane->commit(begin(*lane).work, 0, soon()));
    EXPECT_EQ(value("SELECT sequence FROM seals"), "1");
}

TEST_F(LaneTest, NoticesThatAConfirmedBatchIsMissing) {
    auto lane = db_.get(db_.store().open_lane(soon()));
    db_.get(lane->commit(begin(*lane).work, 0, soon()));
    value("DELETE FROM seals");
    begin(*lane); // leaves its transaction open: reopen() takes the lane over
    const Result<void> reopened = db_.try_get(lane->reopen(soon()));
    ASSERT_FALSE(reopened);
    EXPECT_EQ(reopened.error().code, "acknowledged_batch_missing");
}

TEST_F(LaneTest, TheApplicationCannotChangeWhatIsBooked) {
    auto app = db_.connect();
    for (const char* table : {"entries", "balance_transactions", "events", "seals"}) {
        for (const char* sql :
             {"UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}",
              "ALTER TABLE {} ADD COLUMN x int", "DROP TABLE {}"}) {
            std::string text = fmt::format(fmt::runtime(sql), table);
            if (std::string_view(table) == "seals" && text.starts_with("UPDATE")) {
                text = "UPDATE seals SET rows = 0";
            }
            db::Pipeline pipeline;
            pipeline.add_sql(text);
            const auto refused = db_.try_get(app->run(pipeline, soon()));
            ASSERT_FALSE(refused) << text;
            EXPECT_EQ(refused.error().sqlstate, "42501") << text;
        }
    }
}

TEST_F(LaneTest, TheTriggerLooksAtEachTransactionAndCurrency) {
    const std::string insert =
        "INSERT INTO entries (account_id, transaction_id, line, amount_minor, ledger, currency) "
        "VALUES ";
    const std::string a = "'00000000-0000-0000-0000-00000000000a'";
    const auto entry = [&](int transaction, int line, int amount, const char* currency) {
        return fmt::format("({}, '00000000-0000-0000-0000-00000000000{}', {}, {}, 'pending', '{}')",
                           a, transaction, line, amount, currency);
    };
    auto app = db_.connect();
    const auto sqlstate = [&](const std::string& rows) {
        db::Pipeline pipeline;
        pipeline.add_sql(insert + rows);
        auto done = db_.try_get(app->run(pipeline, soon()));
        return done ? std::string() : done.error().sqlstate;
    };
    EXPECT_EQ(sqlstate(entry(1, 1, 5, "usd") + "," + entry(1, 2, -5, "usd")), "");
    EXPECT_EQ(sqlstate(entry(2, 1, 5, "usd") + "," + entry(2, 2, -5, "eur")), "23514");
    EXPECT_EQ(sqlstate(entry(3, 1, 5, "usd") + "," + entry(4, 1, -5, "usd")), "23514");
}

TEST_F(LaneTest, AnOperationThatCommitsLateIsNotMissed) {
    auto late = db_.get(db_.store().open_lane(soon()));
    auto early = db_.get(db_.store().open_lane(soon()));
    const auto start = [&](Batch& batch) {
        const auto payment = samples::bare_payment(account_);
        batch.work.payment_intents.insert(payment);
        batch.work.operations.insert(samples::operation(payment));
    };
    const auto stale = [&] {
        return db_.get(db_.store().stale_operations(samples::at_second(1000), 10, soon())).size();
    };
    Batch first = begin(*late), second = begin(*early);
    start(first);
    start(second);
    // `late` has its transaction number first, and commits last.
    auto lock = db_.connect("postgres");
    db::Pipeline hold;
    hold.begin();
    hold.add_sql("LOCK TABLE seals IN SHARE MODE");
    db_.get(lock->run(hold, soon()));
    net::Gate gate(db_.loop(), "late");
    Result<void> first_done, second_done;
    ASSERT_TRUE(gate.spawn(record(late->commit(std::move(first.work), 1, soon()), first_done)));
    db_.get(net::sleep_for(std::chrono::milliseconds{100}));
    EXPECT_EQ(stale(), 0u);
    ASSERT_TRUE(gate.spawn(record(early->commit(std::move(second.work), 1, soon()), second_done)));
    EXPECT_EQ(stale(), 0u);
    db::Pipeline release;
    release.rollback();
    db_.get(lock->run(release, soon()));
    db_.get(gate.close(soon()));
    ASSERT_TRUE(first_done && second_done);
    EXPECT_EQ(stale(), 2u);
}

TEST_F(LaneTest, ATransactionThatStaysOpenHidesNoOperation) {
    const auto stale = [&] {
        return db_.get(db_.store().stale_operations(samples::at_second(1000), 10, soon())).size();
    };
    auto outsider = db_.connect("postgres");
    db::Pipeline stay;
    stay.begin();
    stay.add_sql("SELECT pg_current_xact_id()");
    db_.get(outsider->run(stay, soon()));
    auto lane = db_.get(db_.store().open_lane(soon()));
    for (std::size_t i = 1; i <= 3; ++i) {
        Batch batch = begin(*lane);
        const auto payment = samples::bare_payment(account_);
        batch.work.payment_intents.insert(payment);
        batch.work.operations.insert(samples::operation(payment));
        db_.get(lane->commit(std::move(batch.work), 1, soon()));
        EXPECT_EQ(stale(), i);
    }
}

} // namespace
} // namespace holdfast::store
