#include "base/offload.h"

#include "base/env.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>

#include <unistd.h>

namespace holdfast {
namespace {

TEST(Offload, HandsValuesBackFromAnotherThread) {
    Offload offload({.threads = 2});
    std::promise<std::pair<int, pid_t>> promise;
    auto moved_in = std::make_unique<int>(20);
    auto started = offload.run([n = std::move(moved_in)] { return std::pair(*n + 1, gettid()); },
                               [&promise](auto result) { promise.set_value(result); });
    ASSERT_TRUE(started);
    const auto [value, thread] = promise.get_future().get();
    EXPECT_EQ(value, 21);
    EXPECT_NE(thread, gettid());
}

TEST(Offload, RefusesOverItsLimitAndRunsAllItAccepted) {
    std::promise<void> gate;
    auto opened = gate.get_future().share();
    std::atomic<int> done{0};
    const auto finish = [&done] { ++done; };
    {
        Offload offload({.name = "tiny", .threads = 1, .queue_max = 2});
        std::promise<void> running;
        ASSERT_TRUE(offload.run([&] { running.set_value(), opened.wait(); }, finish));
        running.get_future().wait();
        ASSERT_TRUE(offload.run([opened] { opened.wait(); }, finish));
        ASSERT_TRUE(offload.run([] {}, finish));
        EXPECT_EQ(offload.queued(), 2U);
        auto refused = offload.run([] { ADD_FAILURE() << "ran"; }, finish);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "offload_full");
        EXPECT_EQ(refused.error().kind, ErrorClass::Overload);
        gate.set_value();
    } // shutdown
    EXPECT_EQ(done, 3);
}

TEST(Offload, TakesNothingAfterShutdown) {
    Offload offload({.threads = 1});
    offload.shutdown();
    auto refused = offload.run([] {}, [] {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "offload_ended");
}

TEST(Offload, RunsInlineUnderASimulatedClock) {
    SimEnv env(1);
    env.install();
    Offload offload({});
    int result = 0;
    ASSERT_TRUE(offload.run([] { return gettid(); }, [&result](int thread) { result = thread; }));
    EXPECT_EQ(result, gettid());
}

TEST(Offload, RunsWhenASimulationLetsIt) {
    SimEnv env(1);
    env.install();
    std::deque<Offload::Job> waiting;
    Offload offload({.run_by = [&](Offload::Job job) { waiting.push_back(std::move(job)); }});
    int result = 0;
    ASSERT_TRUE(offload.run([] { return 7; }, [&result](int value) { result = value; }));
    EXPECT_EQ(result, 0);
    ASSERT_EQ(waiting.size(), 1U);
    waiting.front()();
    EXPECT_EQ(result, 7);
}

} // namespace
} // namespace holdfast
