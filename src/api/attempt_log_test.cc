#include "api/attempt_log.h"

#include "base/journal_memory.h"
#include "net/sim_loop.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SecretString secret{std::string("a secret of the attempt log's tests")};

class AttemptLogTest : public testing::Test {
  protected:
    /// A new instance, as after a start.
    void start(AttemptLogOptions options = {}, std::uint64_t bytes_max = 1 << 20) {
        auto journal = Journal::open(disk_.mount(), secret,
                                     {.segment_bytes = segment_bytes_min, .bytes_max = bytes_max});
        ASSERT_TRUE(journal) << to_string(journal.error());
        journal_ = std::move(*journal);
        metrics_ = std::make_unique<Registry>();
        options.metrics = metrics_.get();
        log_ = std::make_unique<AttemptLog>(sim_.loop(), env_, offload_, journal_, options);
        log_->start();
    }
    void stop() {
        ASSERT_TRUE(sim_.run(log_->stop(net::Deadline::after(seconds{5})), seconds{10}));
        log_.reset();
        journal_.reset();
    }
    Attempt attempt(AttemptOutcome outcome) {
        return {.time = env_.wall(),
                .account = Id<core::Account>::time_ordered(env_),
                .payment = Id<core::PaymentIntent>::time_ordered(env_),
                .amount_minor = static_cast<std::int64_t>(env_.random_below(99'999'999)),
                .currency = *core::Currency::parse("jpy"),
                .outcome = outcome,
                .request = Uuid::time_ordered(env_)};
    }
    std::vector<Attempt> note(int count) {
        std::vector<Attempt> noted;
        for (int i = 0; i < count; ++i) {
            noted.push_back(attempt(static_cast<AttemptOutcome>(i % 8)));
            log_->note(noted.back());
        }
        return noted;
    }
    /// What somebody finds on this disk, while the log is written to or later.
    std::vector<Attempt> read() {
        std::vector<Attempt> found;
        const auto disk = disk_.mount();
        const auto done =
            read_attempts(*disk, secret, [&](const Attempt& a) { found.push_back(a); });
        EXPECT_TRUE(done) << to_string(done.error());
        return found;
    }
    std::uint64_t dropped() {
        return metrics_
            ->counter("holdfast_attempts_dropped_total",
                      "Attempts to pay that the attempt log could not take.")
            .value();
    }

    SimEnv env_{7};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 7};
    Offload offload_{{.name = "attempts"}};
    MemoryDisk disk_;
    std::shared_ptr<Journal> journal_;
    std::unique_ptr<Registry> metrics_;
    std::unique_ptr<AttemptLog> log_;
};

TEST_F(AttemptLogTest, WritesAtOnceAndReadsBack) {
    start();
    const auto noted = note(1'700); // more than one record takes
    sim_.run_for(milliseconds{150});
    EXPECT_EQ(read(), noted);
    stop();
    EXPECT_EQ(read(), noted);
    EXPECT_EQ(dropped(), 0U);
}

TEST_F(AttemptLogTest, WhatIsLeftIsWrittenAtTheStop) {
    start();
    const auto noted = note(3);
    stop();
    disk_.crash(env_);
    EXPECT_EQ(read(), noted);
}

TEST_F(AttemptLogTest, IsSyncedOnceASecond) {
    start();
    const auto noted = note(1);
    sim_.run_for(milliseconds{500});
    EXPECT_EQ(journal_->stats().next_sequence, 2U);
    EXPECT_EQ(journal_->stats().synced_through, 0U);
    sim_.run_for(milliseconds{700});
    EXPECT_EQ(journal_->stats().synced_through, 1U);
    stop();
}

TEST_F(AttemptLogTest, WhatDoesNotFitIsCounted) {
    start({.buffered_max = 10});
    auto noted = note(15);
    EXPECT_EQ(dropped(), 5U);
    sim_.run_for(milliseconds{150});
    noted.resize(10);
    for (const Attempt& more : note(10)) noted.push_back(more);
    stop();
    EXPECT_EQ(dropped(), 5U);
    EXPECT_EQ(read(), noted);
}

TEST_F(AttemptLogTest, TheOlderHalfMakesRoom) {
    start({}, 4 * segment_bytes_min);
    std::vector<Attempt> noted;
    for (int round = 0; round < 40; ++round) {
        for (const Attempt& more : note(1'000)) noted.push_back(more);
        sim_.run_for(milliseconds{150});
    }
    EXPECT_EQ(dropped(), 0U);
    const auto kept = read();
    ASSERT_GT(kept.size(), 2'000U);
    ASSERT_LT(kept.size(), noted.size());
    EXPECT_TRUE(std::equal(kept.rbegin(), kept.rend(), noted.rbegin()));
    stop();
}

TEST_F(AttemptLogTest, ABrokenDiskEndsItUntilTheNextStart) {
    start();
    const auto noted = note(2);
    sim_.run_for(milliseconds{1'200});
    disk_.fail(MemoryDisk::Operation::Write);
    note(3);
    sim_.run_for(milliseconds{150});
    note(4);
    EXPECT_EQ(dropped(), 7U);
    EXPECT_EQ(
        metrics_
            ->gauge("holdfast_attempt_log_failed", "1 after the disk of the attempt log failed.")
            .value(),
        1);
    stop();
    start(); // and it recovers by itself
    EXPECT_EQ(read(), noted);
    note(1);
    stop();
    EXPECT_EQ(read().size(), 3U);
}

TEST_F(AttemptLogTest, ForeignRecordsAreRefused) {
    start();
    ASSERT_TRUE(journal_->append("\x02 from a newer version"));
    const auto disk = disk_.mount();
    const auto newer = read_attempts(*disk, secret, [](const Attempt&) {});
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, "attempts_version");
    stop();
}

} // namespace
} // namespace holdfast::api
