#pragma once

// LoopWatch: notices callbacks that hold the event loop.
//
// One thread runs everything, so a callback that computes for 20 ms makes every other request wait
// 20 ms. What base/thread_watch.h reports of the loop's callbacks (net/asio_hooks.h numbers them)
// is logged with its stack: "loop_stall" for 20 ms of CPU in one callback, "loop_blocked" for a
// second in which it stood still (a system call that should have gone through Offload).
//
//   LoopWatch watch(registry);     // on the thread that runs the loop, for as long as it does
//   loop.run();
//
// Metrics: holdfast_loop_stall_total, holdfast_loop_blocked_total,
// holdfast_loop_stall_longest_seconds. One per process. The Registry may outlive it.

#include "base/metrics.h"
#include "base/thread_watch.h"

#include <memory>

namespace holdfast::net {

class LoopWatch {
  public:
    explicit LoopWatch(Registry& registry, ThreadWatch::Options options = {});

    const ThreadWatch& watch() const { return *watch_; }

  private:
    std::shared_ptr<ThreadWatch> watch_;
};

} // namespace holdfast::net
