#pragma once

// SimLoop: runs event loops on simulated time, thousands of times faster than real time, with the
// interleaving decided by a seed.
//
// One round: every ready handler runs; then one of the coroutines that are ready to go on (their
// sleep ended, their Event was set, they called sim_yield) is picked by the seed and resumed; when
// none is left, the clock of SimEnv moves to the next wake-up. The same seed gives the same run; a
// different one runs coroutines that are ready at the same time in a different order.
//
//   SimEnv env(seed);
//   env.install();
//   SimLoop sim(env, seed);
//   Result<Receipt> r = sim.run(pay(order), std::chrono::minutes{5});   // simulated minutes
//
// A simulated process that can crash is a SimProcess: a Loop of its own on the same clock. kill()
// destroys every coroutine in it at once, as kill -9 would; then destroy its objects, then the
// SimProcess itself. Kill it from outside: between runs, or from a coroutine of another process.
//
//   auto node = std::make_unique<SimProcess>(sim);
//   auto server = std::make_unique<Thing>(*node);   // any class that takes a Loop&
//   node->kill();   server.reset();   node.reset();
//
// Limits: no sockets and no other threads (an Offload must run inline under SimEnv). SimEnv is
// installed before the first Loop is made. Everything on one thread.

#include "base/env.h"
#include "net/task.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace holdfast::net {

class SimLoop;

/// Under SimEnv: lets the simulator run something else first, if the seed says so. Put one wherever
/// another process could act in between. In production it costs a comparison.
asio::awaitable<void> sim_yield();

class SimProcess : public Loop {
  public:
    explicit SimProcess(SimLoop& world);
    ~SimProcess();
    void kill();

  private:
    SimLoop& world_;
};

class SimLoop {
  public:
    SimLoop(SimEnv& env, std::uint64_t seed);

    /// For what can't crash: clients, the checking code.
    Loop& loop() { return own_; }

    /// Runs until `done` says so (asked after every step); false when `limit` of simulated time has
    /// passed or nothing is left to happen.
    bool run_until(const std::function<bool()>& done, Duration limit);

    /// Runs until that much simulated time has passed.
    void run_for(Duration duration);

    /// Runs `task` to its end on loop(); Error "simulation_limit" when it has not ended by then.
    template <class T> Result<T> run(Task<T> task, Duration limit);

    std::uint64_t steps() const { return steps_; }

  private:
    friend class SimProcess;

    void spawn(asio::awaitable<void> body);
    void run_ready();
    bool wake_one();
    bool advance(MonoTime limit);
    std::unexpected<Error> limit_error();

    SimEnv& env_;
    std::mt19937_64 random_;
    std::uint64_t steps_ = 0;
    std::vector<Loop*> loops_;
    SimProcess own_;
};

namespace detail {
template <class T>
asio::awaitable<void> run_shared(Task<T> task, std::shared_ptr<std::optional<Result<T>>> result) {
    result->emplace(co_await std::move(task));
}
} // namespace detail

template <class T> Result<T> SimLoop::run(Task<T> task, Duration limit) {
    auto result = std::make_shared<std::optional<Result<T>>>();
    spawn(detail::run_shared<T>(std::move(task), result));
    run_until([&result] { return result->has_value(); }, limit);
    if (!result->has_value()) return limit_error();
    return std::move(**result);
}

} // namespace holdfast::net
