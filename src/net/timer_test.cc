#include "net/timer.h"
#include "net/gate.h"
#include "net/sim_loop.h"
#include "net/waiter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

class Waiting : public testing::Test {
  protected:
    explicit Waiting(std::uint64_t seed = 7) : env(seed), world((env.install(), env), seed) {}

    SimEnv env;
    SimLoop world;
};

Task<int> answer_after(Duration delay, int answer) {
    CO_TRY_VOID(co_await sleep_for(delay));
    co_return answer;
}

Task<int> fail_after(Duration delay, ErrorClass kind) {
    CO_TRY_VOID(co_await sleep_for(delay));
    co_return fail(kind, "lost", "");
}

/// Ignores being cancelled, as an operation does whose outcome must be known.
Task<int> stubborn(Duration delay, int answer) {
    MonoTime end = MonotonicClock::now() + delay;
    Result<void> slept = co_await sleep_until(end);
    if (slept) co_return answer;
    co_return slept.error().code == "cancelled" ? Result<int>(answer + 1) : Result<int>(0);
}

TEST_F(Waiting, SleepTakesExactlyItsTime) {
    MonoTime start = env.now();
    auto result = world.run(answer_after(90min, 3), 24h);
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, 3);
    EXPECT_EQ(env.now() - start, Duration(90min));
}

TEST_F(Waiting, SleepIntoThePastReturns) { ASSERT_TRUE(world.run(answer_after(-5s, 1), 1s)); }

TEST_F(Waiting, LimitOfASimulationIsAnError) {
    auto result = world.run(answer_after(2h, 3), 1h);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "simulation_limit");
}

TEST_F(Waiting, WithDeadlineGivesTheAnswerInTime) {
    EXPECT_EQ(*world.run(with_deadline(answer_after(1s, 5), Deadline::after(2s)), 1h), 5);
}

TEST_F(Waiting, WithDeadlineCancelsWhatIsLate) {
    MonoTime start = env.now();
    auto result = world.run(with_deadline(answer_after(1h, 5), Deadline::after(2s)), 24h);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "deadline_passed");
    EXPECT_EQ(result.error().kind, ErrorClass::Deadline);
    EXPECT_EQ(env.now() - start, Duration(2s)) << "ends at the deadline, not with the sleep";
}

TEST_F(Waiting, WithDeadlineKeepsAnswersThatCameLate) {
    EXPECT_EQ(*world.run(with_deadline(stubborn(1h, 5), Deadline::after(2s)), 24h), 6);
}

TEST_F(Waiting, WithDeadlineKeepsAnUnknownOutcome) {
    auto result =
        world.run(with_deadline(fail_after(1s, ErrorClass::Unknown), Deadline::after(2s)), 24h);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorClass::Unknown);
}

Task<int> nested(Duration outer, Duration inner, Duration work) {
    co_return co_await with_deadline(with_deadline(answer_after(work, 1), Deadline::after(inner)),
                                     Deadline::after(outer));
}

TEST_F(Waiting, TheEarlierOfNestedDeadlinesCounts) {
    for (auto [outer, inner] : {std::pair{1s, 9s}, std::pair{9s, 1s}}) {
        MonoTime start = env.now();
        auto result = world.run(nested(outer, inner, 1h), 24h);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, "deadline_passed");
        EXPECT_EQ(env.now() - start, Duration(1s));
    }
    EXPECT_TRUE(world.run(nested(9s, 5s, 1s), 24h));
}

// ---- Event

Task<void> wait_and_note(Event* event, Duration patience, int name, std::vector<int>* log) {
    CO_TRY(bool set, co_await event->wait(Deadline::after(patience)));
    log->push_back(set ? name : -name);
    co_return Result<void>{};
}

class Events : public Waiting {
  protected:
    Gate gate{world.loop(), "test"};
    std::vector<int> log;

    void start(Event& event, Duration patience, int name) {
        ASSERT_TRUE(gate.spawn(wait_and_note(&event, patience, name, &log)));
    }
    void TearDown() override { ASSERT_TRUE(world.run(gate.close(Deadline::after(1h)), 2h)); }
};

TEST_F(Events, ManualWakesAllAndStays) {
    Event event(world.loop(), Event::Reset::Manual);
    start(event, 10s, 1);
    start(event, 10s, 2);
    world.run_for(1s);
    EXPECT_TRUE(log.empty());
    event.set();
    world.run_for(1s);
    EXPECT_EQ(std::set<int>(log.begin(), log.end()), (std::set<int>{1, 2}));
    start(event, 10s, 3);
    world.run_for(1s);
    EXPECT_EQ(log.size(), 3u);
    event.reset();
    start(event, 1s, 4);
    world.run_for(2s);
    EXPECT_EQ(log.back(), -4);
}

TEST_F(Events, AutoWakesTheLongestWaitingOnly) {
    Event event(world.loop(), Event::Reset::Auto);
    start(event, 10s, 1);
    world.run_for(1ms);
    start(event, 10s, 2);
    world.run_for(1ms);
    event.set();
    world.run_for(1s);
    EXPECT_EQ(log, (std::vector<int>{1}));
    world.run_for(20s);
    EXPECT_EQ(log, (std::vector<int>{1, -2}));
}

TEST_F(Events, AutoKeepsOneTokenForTheNext) {
    Event event(world.loop(), Event::Reset::Auto);
    event.set();
    event.set();
    start(event, 1s, 1);
    world.run_for(1ms);
    start(event, 1s, 2);
    world.run_for(2s);
    EXPECT_EQ(log, (std::vector<int>{1, -2}));
}

TEST_F(Events, APassedDeadlineTakesNoToken) {
    Event event(world.loop(), Event::Reset::Auto);
    start(event, 1s, 1);
    world.run_for(2s);
    event.set();
    EXPECT_TRUE(event.is_set());
    start(event, 0s, 2);
    world.run_for(1ms);
    EXPECT_EQ(log, (std::vector<int>{-1, 2}));
}

TEST_F(Events, DestroyedWithWaitersLeavesThemToTheirDeadline) {
    auto event = std::make_unique<Event>(world.loop(), Event::Reset::Manual);
    start(*event, 5s, 1);
    world.run_for(1s);
    event.reset();
    world.run_for(10s);
    EXPECT_EQ(log, (std::vector<int>{-1}));
}

// ---- Gate

Task<void> sleep_and_count(Duration delay, int* count, Result<void>* ended) {
    *ended = co_await sleep_for(delay);
    ++*count;
    co_return Result<void>{};
}

Task<void> throw_something() {
    co_await sim_yield();
    throw std::runtime_error("on purpose");
}

TEST_F(Waiting, GateWaitsForItsTasksAndThenRefuses) {
    Gate gate(world.loop(), "work");
    int count = 0;
    Result<void> ended;
    ASSERT_TRUE(gate.spawn(sleep_and_count(3s, &count, &ended)));
    EXPECT_EQ(count, 0) << "a task never starts inside spawn()";
    MonoTime start = env.now();
    ASSERT_TRUE(world.run(gate.close(Deadline::after(10s)), 1h));
    EXPECT_EQ(count, 1);
    EXPECT_EQ(env.now() - start, Duration(3s));
    auto refused = gate.spawn(sleep_and_count(3s, &count, &ended));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "gate_closed");
    EXPECT_EQ(gate.running(), 0u);
}

TEST_F(Waiting, GateCancelsWhatOutlivesItsDeadline) {
    Gate gate(world.loop(), "work");
    int count = 0;
    Result<void> ended;
    ASSERT_TRUE(gate.spawn(sleep_and_count(5h, &count, &ended)));
    MonoTime start = env.now();
    ASSERT_TRUE(world.run(gate.close(Deadline::after(10s)), 1h));
    EXPECT_EQ(env.now() - start, Duration(10s));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, "cancelled");
}

/// Refuses to end: what a Gate can only report.
Task<void> ignore_cancellation(Loop* loop, const bool* enough) {
    Waiter waiter(TimerQueue::of(*loop));
    while (!*enough) (void)co_await waiter.until(MonotonicClock::now() + 100ms);
    co_return Result<void>{};
}

TEST_F(Waiting, GateReportsWhatDoesNotEnd) {
    Gate gate(world.loop(), "work");
    bool enough = false;
    ASSERT_TRUE(gate.spawn(ignore_cancellation(&world.loop(), &enough)));
    auto closed = world.run(gate.close(Deadline::after(10s)), 1h);
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().code, "tasks_still_running");
    enough = true;
    EXPECT_TRUE(world.run(gate.close(Deadline::after(10s)), 1h));
}

TEST_F(Waiting, CancellationBeforeTheFirstWaitIsNotLost) {
    Gate gate(world.loop(), "work");
    int count = 0;
    Result<void> ended;
    ASSERT_TRUE(gate.spawn(sleep_and_count(5h, &count, &ended)));
    gate.cancel();
    MonoTime start = env.now();
    ASSERT_TRUE(world.run(gate.close(Deadline::after(1h)), 2h));
    EXPECT_EQ(count, 1);
    EXPECT_EQ(env.now(), start);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, "cancelled");
}

TEST_F(Waiting, AnExceptionOfATaskIsABug) {
    Gate gate(world.loop(), "work");
    std::uint64_t before = bugs_found();
    ASSERT_TRUE(gate.spawn(throw_something()));
    ASSERT_TRUE(world.run(gate.close(Deadline::after(1s)), 1h));
    EXPECT_EQ(bugs_found(), before + 1);
}

// ---- Simulation

Task<void> append(int name, std::vector<int>* log) {
    for (int round = 0; round < 3; ++round) {
        co_await sim_yield();
        log->push_back(name);
    }
    co_return Result<void>{};
}

std::vector<int> interleaving(std::uint64_t seed) {
    SimEnv env(seed);
    env.install();
    SimLoop world(env, seed);
    Gate gate(world.loop(), "work");
    std::vector<int> log;
    for (int name : {1, 2, 3}) EXPECT_TRUE(gate.spawn(append(name, &log)));
    EXPECT_TRUE(world.run(gate.close(Deadline::after(1s)), 1h));
    EXPECT_EQ(log.size(), 9u);
    return log;
}

TEST(Simulation, TheSeedDecidesTheOrder) {
    std::set<std::vector<int>> seen;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        EXPECT_EQ(interleaving(seed), interleaving(seed)) << "seed " << seed;
        seen.insert(interleaving(seed));
    }
    EXPECT_GT(seen.size(), 30u);
}

struct Node {
    explicit Node(Loop& loop) : gate(loop, "node"), alarm(loop, [this] { ++ticks; }) {}
    int ticks = 0;
    int finished = 0;
    Result<void> ended;
    Gate gate;
    Alarm alarm;
};

TEST_F(Waiting, KillDestroysEveryCoroutineOfAProcess) {
    auto process = std::make_unique<SimProcess>(world);
    auto node = std::make_unique<Node>(*process);
    std::uint64_t bugs = bugs_found();
    ASSERT_TRUE(node->gate.spawn(sleep_and_count(5s, &node->finished, &node->ended)));
    ASSERT_TRUE(node->gate.spawn(sleep_and_count(1s, &node->finished, &node->ended)));
    node->alarm.set(Deadline::after(5s));
    world.run_for(2s);
    EXPECT_EQ(node->finished, 1);
    process->kill();
    EXPECT_EQ(node->gate.running(), 0u);
    world.run_for(10s);
    EXPECT_EQ(node->finished, 1);
    EXPECT_EQ(node->ticks, 0);
    node.reset();
    process.reset();
    EXPECT_EQ(bugs_found(), bugs);
}

TEST_F(Waiting, KillEndsAProcessThatIsDraining) {
    auto process = std::make_unique<SimProcess>(world);
    auto node = std::make_unique<Node>(*process);
    auto lifecycle = std::make_unique<Gate>(*process, "lifecycle");
    ASSERT_TRUE(node->gate.spawn(sleep_and_count(5s, &node->finished, &node->ended)));
    ASSERT_TRUE(lifecycle->spawn(node->gate.close(Deadline::after(3s))));
    world.run_for(1s);
    process->kill(); // the task goes first and signals the closing one, which waits no more
    EXPECT_EQ(node->gate.running(), 0u);
    EXPECT_EQ(lifecycle->running(), 0u);
    EXPECT_EQ(node->finished, 0);
    node.reset();
    lifecycle.reset();
}

TEST_F(Waiting, DaysPassQuickly) {
    int rounds = 0;
    Gate gate(world.loop(), "ticker");
    Alarm tick(world.loop(), [&] {
        ++rounds;
        tick.set(Deadline::after(1s));
    });
    tick.set(Deadline::after(1s));
    world.run_for(24h);
    EXPECT_EQ(rounds, 86'400);
}

// ---- TimerQueue against a model

RC_GTEST_PROP(Timers, FireInOrderOfTimeWhateverWasSetMovedAndCancelled, ()) {
    SimEnv env(1);
    env.install();
    SimLoop world(env, 1);
    constexpr int count = 24;
    std::vector<int> fired;
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (int i = 0; i < count; ++i) {
        alarms.push_back(
            std::make_unique<Alarm>(world.loop(), [i, &fired] { fired.push_back(i); }));
    }
    std::map<int, std::pair<MonoTime, int>> model;
    int sequence = 0;
    auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, count), rc::gen::inRange(-4, 40)));
    for (auto [who, when] : steps) {
        auto index = static_cast<std::size_t>(who);
        if (when < 0) {
            alarms[index]->cancel();
            model.erase(who);
        } else {
            MonoTime at = env.now() + std::chrono::milliseconds{when};
            alarms[index]->set(Deadline::at(at));
            model[who] = {at, ++sequence};
        }
    }
    std::vector<std::pair<std::pair<MonoTime, int>, int>> order;
    for (auto& [who, time] : model) order.push_back({time, who});
    std::sort(order.begin(), order.end());
    std::vector<int> expected;
    for (auto& entry : order) expected.push_back(entry.second);
    world.run_for(1s);
    RC_ASSERT(fired == expected);
    RC_ASSERT(TimerQueue::of(world.loop()).size() == 0u);
}

} // namespace
} // namespace holdfast::net
