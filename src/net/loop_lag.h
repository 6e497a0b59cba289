#pragma once

// LoopLag: how late the event loop is, all the time.
//
// A timer every 20 ms; how much later than asked it fires is how long whatever became ready just
// then had to wait. Of five in a row the least counts: one long callback is LoopWatch's business
// (net/loop_watch.h), a queue that never empties is overload (the idea of CoDel, RFC 8289).
//
//   LoopLag lag(loop, [&](Duration least) { admission.observe({.loop = least}); });  // each 100 ms
//
// On the thread of the Loop, for as long as it exists.

#include "net/timer_queue.h"

#include <functional>

namespace holdfast::net {

class LoopLag {
  public:
    static constexpr Duration interval = std::chrono::milliseconds{20};
    static constexpr int samples = 5;

    LoopLag(Loop& loop, std::function<void(Duration)> report);

  private:
    void sample();
    void wait();

    std::function<void(Duration)> report_;
    Alarm alarm_;
    MonoTime due_;
    Duration least_ = Duration::max();
    int taken_ = 0;
};

} // namespace holdfast::net
