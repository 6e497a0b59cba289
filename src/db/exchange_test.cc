#include "db/exchange.h"

#include "db/own_statements.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

namespace holdfast::db {
namespace {

using Owed = Exchange::Owed;

const Error lost{.kind = ErrorClass::Unavailable, .code = "connection_lost", .message = "gone"};
const Error refusal{.kind = ErrorClass::Invalid, .code = "t_check", .sqlstate = "23514"};
const Error shutdown{
    .kind = ErrorClass::Unavailable, .code = "admin_shutdown", .sqlstate = "57P01"};

/// BEGIN, one step, COMMIT, Sync.
Exchange explicit_commit() {
    Exchange exchange;
    exchange.restart(CommitPoint::Commit, 3);
    for (const Owed owed : {Owed::Step, Owed::Step, Owed::Commit, Owed::Sync}) exchange.owe(owed);
    return exchange;
}

std::string verdict_of(Exchange& exchange, const std::optional<Error>& interruption = {}) {
    auto verdict = exchange.verdict(interruption);
    if (verdict) return std::to_string(verdict->size()) + " results";
    return verdict.error().code;
}

TEST(Exchange, ResultsComeInOrderOfTheSteps) {
    Exchange exchange;
    exchange.restart(CommitPoint::None, 1);
    exchange.owe(Owed::Timeouts);
    exchange.owe(Owed::Separator);
    exchange.owe(Owed::Prepare, &own_statements::begin);
    exchange.owe(Owed::Step);
    exchange.owe(Owed::Sync);
    exchange.succeeded({});
    exchange.synced();
    EXPECT_EQ(exchange.next().statement, &own_statements::begin);
    exchange.succeeded({});
    exchange.succeeded({});
    EXPECT_FALSE(exchange.done());
    exchange.synced();
    EXPECT_TRUE(exchange.done());
    EXPECT_EQ(verdict_of(exchange), "1 results") << "only those of steps";
}

TEST(Exchange, ARefusalBeforeTheCommitIsCertain) {
    for (const bool also_lost : {false, true}) {
        Exchange exchange = explicit_commit();
        exchange.succeeded({});
        exchange.refused(refusal, false);
        exchange.skipped();
        if (!also_lost) exchange.synced();
        EXPECT_EQ(verdict_of(exchange, also_lost ? std::optional(lost) : std::nullopt), "t_check");
    }
}

TEST(Exchange, AFatalErrorBeforeTheCommitIsCertain) {
    Exchange exchange = explicit_commit();
    exchange.succeeded({});
    exchange.refused(shutdown, true);
    EXPECT_EQ(verdict_of(exchange, lost), "admin_shutdown");
}

TEST(Exchange, TheCommitsOwnRefusalIsCertainUnlessFatal) {
    for (const bool fatal : {false, true}) {
        Exchange exchange = explicit_commit();
        exchange.succeeded({});
        exchange.succeeded({});
        exchange.refused(fatal ? shutdown : refusal, fatal);
        if (!fatal) exchange.synced();
        auto verdict = exchange.verdict(fatal ? std::optional(lost) : std::nullopt);
        ASSERT_FALSE(verdict);
        EXPECT_EQ(verdict.error().code, fatal ? "commit_unknown" : "t_check");
        EXPECT_EQ(verdict.error().sqlstate, fatal ? "57P01" : "23514");
    }
}

TEST(Exchange, LostAtEachPlace) {
    for (int answered = 0; answered <= 3; ++answered) {
        Exchange exchange = explicit_commit();
        for (int i = 0; i < answered; ++i) exchange.succeeded({});
        EXPECT_EQ(verdict_of(exchange, lost), answered == 3 ? "3 results" : "commit_unknown")
            << answered << " answers; after the COMMIT's own it is committed";
    }
}

TEST(Exchange, WhatCanNotBeTheAnswerIsNone) {
    Exchange exchange = explicit_commit();
    EXPECT_FALSE(exchange.fits_sync()) << "a message is missing: what follows is not its answer";
    EXPECT_TRUE(exchange.fits_result("BEGIN"));
    for (int i = 0; i < 2; ++i) exchange.succeeded({});
    EXPECT_TRUE(exchange.fits_result("COMMIT"));
    EXPECT_TRUE(exchange.fits_result("ROLLBACK"));
    EXPECT_FALSE(exchange.fits_result("ROLLBACJ")) << "it would be taken for committed";
    EXPECT_FALSE(exchange.fits_result("INSERT 0 1"));
    exchange.succeeded({});
    EXPECT_FALSE(exchange.fits_result("COMMIT"));
    EXPECT_TRUE(exchange.fits_sync());
}

TEST(Exchange, LostBeforeTheCommitWasSent) {
    Exchange exchange;
    exchange.restart(CommitPoint::Commit, 2);
    exchange.owe(Owed::Step); // sending failed here
    EXPECT_TRUE(exchange.can_cancel());
    EXPECT_EQ(verdict_of(exchange, lost), "connection_lost");
}

TEST(Exchange, AnImplicitTransactionCommitsAtTheSync) {
    const auto implicit = [](CommitPoint point) {
        Exchange exchange;
        exchange.restart(point, 1);
        exchange.owe(Owed::Timeouts);
        exchange.owe(Owed::Separator);
        exchange.owe(Owed::Step);
        exchange.owe(Owed::Sync);
        exchange.succeeded({});
        exchange.synced();
        exchange.succeeded({});
        return exchange;
    };
    Exchange writing = implicit(CommitPoint::Sync);
    EXPECT_FALSE(writing.can_cancel());
    EXPECT_EQ(verdict_of(writing, lost), "commit_unknown")
        << "its statement's answer is not enough";
    Exchange reading = implicit(CommitPoint::None);
    EXPECT_TRUE(reading.can_cancel());
    EXPECT_EQ(verdict_of(reading, lost), "connection_lost");
    Exchange deferred = implicit(CommitPoint::Sync);
    deferred.refused(refusal, false); // a deferred constraint, in place of nothing
    deferred.synced();
    EXPECT_TRUE(deferred.done());
    EXPECT_EQ(verdict_of(deferred), "t_check");
}

TEST(Exchange, AnswersToCommitThatAreNone) {
    Exchange given_up = explicit_commit();
    for (int i = 0; i < 3; ++i) given_up.succeeded({});
    given_up.wait_given_up();
    given_up.synced();
    auto verdict = given_up.verdict({});
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, "commit_not_replicated");
    EXPECT_EQ(verdict.error().kind, ErrorClass::Unknown);
}

TEST(Exchange, ARefusedTimeoutIsNoReasonToStop) {
    Exchange exchange;
    exchange.restart(CommitPoint::Sync, 1);
    for (const Owed owed : {Owed::Timeouts, Owed::Separator, Owed::Step, Owed::Sync}) {
        exchange.owe(owed);
    }
    exchange.refused(refusal, false);
    exchange.synced();
    exchange.succeeded({});
    exchange.synced();
    EXPECT_EQ(verdict_of(exchange), "1 results");
}

TEST(Exchange, CancelsOnlyWhatCantCommit) {
    Exchange exchange = explicit_commit();
    EXPECT_FALSE(exchange.can_cancel()) << "the COMMIT was sent";
    exchange.succeeded({});
    exchange.refused(refusal, false);
    EXPECT_TRUE(exchange.can_cancel()) << "it will be skipped";
    exchange.skipped();
    exchange.synced();
    EXPECT_FALSE(exchange.can_cancel()) << "nothing to cancel";
}

} // namespace
} // namespace holdfast::db
