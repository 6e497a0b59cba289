#include "net/loop_lag.h"

#include <algorithm>
#include <utility>

namespace holdfast::net {

LoopLag::LoopLag(Loop& loop, std::function<void(Duration)> report)
    : report_(std::move(report)), alarm_(loop, [this] { sample(); }) {
    wait();
}

void LoopLag::wait() {
    due_ = MonotonicClock::now() + interval;
    alarm_.set(Deadline::at(due_));
}

void LoopLag::sample() {
    least_ = std::min(least_, MonotonicClock::now() - due_);
    if (++taken_ == samples) {
        taken_ = 0;
        report_(std::exchange(least_, Duration::max()));
    }
    wait();
}

} // namespace holdfast::net
