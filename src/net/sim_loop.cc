#include "net/sim_loop.h"

#include "net/run_into.h"
#include "net/waiter.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>

namespace holdfast::net {

asio::awaitable<void> sim_yield() {
    if (!Env::current().simulated()) co_return;
    Waiter waiter(TimerQueue::of(loop_of(co_await asio::this_coro::executor)));
    co_await waiter.soon();
}

SimProcess::SimProcess(SimLoop& world) : world_(world) { world_.loops_.push_back(this); }

SimProcess::~SimProcess() { kill(); }

void SimProcess::kill() {
    std::erase(world_.loops_, this);
    shutdown();
}

SimLoop::SimLoop(SimEnv& env, std::uint64_t seed) : env_(env), random_(seed), own_(*this) {
    CHECK(Env::current().simulated());
}

void SimLoop::spawn(asio::awaitable<void> body) {
    asio::co_spawn(own_, detail::without_throwing(std::move(body)), asio::detached);
}

void SimLoop::run_ready() {
    for (bool ran = true; ran;) {
        ran = false;
        for (std::size_t i = 0; i < loops_.size(); ++i) {
            loops_[i]->restart();
            ran = loops_[i]->poll() > 0 || ran;
        }
    }
}

bool SimLoop::wake_one() {
    std::size_t count = 0;
    for (Loop* loop : loops_) count += TimerQueue::of(*loop).simulated_wakes();
    if (count == 0) return false;
    std::size_t pick = random_() % count;
    for (Loop* loop : loops_) {
        TimerQueue& queue = TimerQueue::of(*loop);
        if (pick < queue.simulated_wakes()) {
            queue.post_simulated_wake(pick);
            break;
        }
        pick -= queue.simulated_wakes();
    }
    return true;
}

bool SimLoop::advance(MonoTime limit) {
    std::optional<MonoTime> next;
    for (Loop* loop : loops_) {
        auto due = TimerQueue::of(*loop).next();
        if (due && (!next || *due < *next)) next = due;
    }
    if (!next || *next > limit) return false;
    // Wake-ups that were noted and dropped since are passed over: nothing waits for them.
    while (env_.now() < *next && env_.advance_to_next_wakeup(*next)) {
    }
    if (env_.now() < *next) env_.advance(*next - env_.now());
    for (Loop* loop : loops_) TimerQueue::of(*loop).fire_due();
    return true;
}

bool SimLoop::run_until(const std::function<bool()>& done, Duration limit) {
    MonoTime end = env_.now() + limit;
    for (;;) {
        run_ready();
        ++steps_;
        if (done()) return true;
        if (!wake_one() && !advance(end)) return false;
    }
}

void SimLoop::run_for(Duration duration) {
    MonoTime end = env_.now() + duration;
    run_until([] { return false; }, duration);
    if (env_.now() < end) env_.advance(end - env_.now());
}

std::unexpected<Error> SimLoop::limit_error() {
    return fail(ErrorClass::Deadline, "simulation_limit",
                "The simulated time was used up, or nothing was left to happen.");
}

} // namespace holdfast::net
