#include "base/metrics.h"
#include "base/offload.h"
#include "net/block_on.h"
#include "net/gate.h"
#include "net/loop_watch.h"
#include "net/offload_await.h"
#include "net/timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

Duration cpu_now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::microseconds{t.tv_nsec / 1000};
}

Task<void> burn(Duration cpu) {
    CO_TRY_VOID(co_await sleep_for(1ms)); // a callback of its own
    Duration end = cpu_now() + cpu;
    while (cpu_now() < end) {
    }
    co_await asio::post(asio::deferred);
    co_return Result<void>{};
}

Task<void> burn_often(int times, Duration cpu) {
    for (int i = 0; i < times; ++i) CO_TRY_VOID(co_await burn(cpu));
    co_return Result<void>{};
}

Task<void> stand_still(Duration real) {
    CO_TRY_VOID(co_await sleep_for(1ms));
    std::this_thread::sleep_for(real);
    co_await asio::post(asio::deferred);
    co_return Result<void>{};
}

TEST(LoopWatch, CountsCallbacksThatComputeForTooLong) {
    Loop loop{1};
    Registry registry;
    LoopWatch watch(registry);
    ASSERT_TRUE(block_on(loop, burn(100ms)));
    EXPECT_EQ(watch.watch().stalls(), 1u) << "once for one callback";
    EXPECT_GE(watch.watch().longest(), Duration(20ms));
    EXPECT_LE(watch.watch().longest(), Duration(120ms));
    EXPECT_EQ(watch.watch().blocks(), 0u);
    EXPECT_NE(registry.render().find("holdfast_loop_stall_total 1\n"), std::string::npos);
}

TEST(LoopWatch, IsSilentAboutShortCallbacksAndIdleTime) {
    Loop loop{1};
    Registry registry;
    LoopWatch watch(registry);
    ASSERT_TRUE(block_on(loop, burn_often(40, 5ms))); // 200 ms in all
    ASSERT_TRUE(block_on(loop, sleep_for(100ms)));
    EXPECT_EQ(watch.watch().stalls(), 0u);
    EXPECT_EQ(watch.watch().blocks(), 0u);
}

TEST(LoopWatch, NoticesCallbacksThatBlockWithoutComputing) {
    Loop loop{1};
    Registry registry;
    LoopWatch watch(registry, {.blocked = 100ms});
    ASSERT_TRUE(block_on(loop, stand_still(300ms)));
    EXPECT_EQ(watch.watch().blocks(), 1u);
    EXPECT_EQ(watch.watch().stalls(), 0u);
}

TEST(ThreadWatch, ReportsTheStackOfTheMoment) {
    std::atomic<std::uint64_t> work{1};
    std::atomic<int> reports{0};
    std::string stack;
    {
        ThreadWatch watch(work, {.threshold = 10ms}, [&](const ThreadWatch::Report& report) {
            stack = report.stack;
            ++reports;
        });
        Duration end = cpu_now() + 5s;
        while (reports == 0 && cpu_now() < end) {
        }
    }
    ASSERT_EQ(reports, 1);
    EXPECT_NE(stack.find("net_loop_test+0x"), std::string::npos) << stack;
}

class OffloadAwait : public testing::Test {
  protected:
    template <class Work> auto run(Work work, Duration patience = 5s) {
        return block_on(loop, offloaded(offload, std::move(work), Deadline::after(patience)));
    }
    void TearDown() override {
        offload.shutdown();
        loop.restart();
        loop.poll(); // what was handed over after nobody waited for it
    }

    Loop loop{1};
    Offload offload{{.threads = 1, .queue_max = 2}};
};

TEST_F(OffloadAwait, GivesValuesResultsAndNothing) {
    std::thread::id here = std::this_thread::get_id();
    EXPECT_EQ(*run([] { return 7; }), 7);
    EXPECT_NE(*run([] { return std::this_thread::get_id(); }), here);
    EXPECT_TRUE(run([] {}));
    auto failed = run([]() -> Result<std::string> { return fail(ErrorClass::Io, "disk", ""); });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, "disk");
}

TEST_F(OffloadAwait, StopsWaitingAtTheDeadline) {
    auto late = run(
        [] {
            std::this_thread::sleep_for(200ms);
            return 1;
        },
        20ms);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "offload_unfinished");
    EXPECT_EQ(late.error().kind, ErrorClass::Unknown);
    EXPECT_EQ(*run([] { return 2; }), 2) << "and it goes on";
}

Task<void> offload_into(Offload* offload, int* sum, int* refused) {
    auto got = co_await offloaded(
        *offload,
        [] {
            std::this_thread::sleep_for(20ms);
            return 1;
        },
        Deadline::after(5s));
    *sum += got.value_or(0);
    if (!got && got.error().kind == ErrorClass::Overload) ++*refused;
    co_return Result<void>{};
}

TEST_F(OffloadAwait, AFullQueueIsOverload) {
    Gate gate(loop, "test");
    int sum = 0, refused = 0;
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(gate.spawn(offload_into(&offload, &sum, &refused)));
    ASSERT_TRUE(block_on(loop, gate.close(Deadline::after(5s))));
    EXPECT_EQ(sum + refused, 8);
    EXPECT_GE(refused, 5);
    EXPECT_GE(sum, 2);
}

// The real clock: everything else about timers is tested on the simulated one.
TEST(RealTime, SleepsAndDeadlinesKeepIt) {
    Loop loop{1};
    MonoTime start = MonotonicClock::now();
    ASSERT_TRUE(block_on(loop, sleep_for(30ms)));
    auto cut = block_on(loop, with_deadline(sleep_for(10s), Deadline::after(30ms)));
    EXPECT_EQ(cut.error().code, "deadline_passed");
    Duration took = MonotonicClock::now() - start;
    EXPECT_GE(took, Duration(60ms));
    EXPECT_LT(took, Duration(2s));
}

TEST(RealTime, ALoopWithoutWorkEnds) {
    Loop loop{1};
    Alarm alarm(loop, [] {});
    alarm.set(Deadline::after(1h));
    alarm.cancel();
    MonoTime start = MonotonicClock::now();
    loop.run();
    EXPECT_LT(MonotonicClock::now() - start, Duration(5s));
}

} // namespace
} // namespace holdfast::net
