#include "net/timer.h"

#include "net/offload_await.h"
#include "net/waiter.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::net {

Task<void> sleep_until(MonoTime when) {
    if (is_cancelled(co_await asio::this_coro::cancellation_state)) co_return cancelled_error();
    Waiter waiter(TimerQueue::of(loop_of(co_await asio::this_coro::executor)));
    Wake wake = co_await waiter.until(when);
    if (wake == Wake::Cancelled) co_return cancelled_error();
    co_return Result<void>{};
}

Task<void> sleep_for(Duration duration) { return sleep_until(MonotonicClock::now() + duration); }

struct Event::Waiters {
    ListHook head; ///< longest waiting first
};

Event::Event(Loop& loop, Reset reset)
    : queue_(TimerQueue::of(loop)), waiters_(std::make_unique<Waiters>()), reset_(reset) {}

Event::~Event() {
    while (!waiters_->head.alone()) waiters_->head.next()->unlink();
}

void Event::set() {
    ListHook& head = waiters_->head;
    if (reset_ == Reset::Auto) {
        if (head.alone())
            set_ = true;
        else
            static_cast<Waiter*>(head.next())->complete(Wake::Signalled);
        return;
    }
    set_ = true;
    while (!head.alone()) static_cast<Waiter*>(head.next())->complete(Wake::Signalled);
}

Task<bool> Event::wait(Deadline deadline) {
    if (is_cancelled(co_await asio::this_coro::cancellation_state)) co_return cancelled_error();
    if (set_) {
        if (reset_ == Reset::Auto) set_ = false;
        co_return true;
    }
    if (deadline.passed()) co_return false;
    Waiter waiter(queue_);
    waiter.link_before(waiters_->head);
    switch (co_await waiter.until(deadline.when())) {
        case Wake::Signalled: co_return true;
        case Wake::TimedOut: co_return false;
        case Wake::Cancelled: break;
    }
    co_return cancelled_error();
}

namespace detail {

std::unexpected<Error> not_run_error() { return cancelled_error(); }

std::unexpected<Error> deadline_passed_error() {
    return fail(ErrorClass::Deadline, "deadline_passed", "The time for this operation has passed.");
}

asio::awaitable<void> without_throwing(asio::awaitable<void> body) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await std::move(body);
}

asio::awaitable<bool> run_until(asio::awaitable<void> body, Deadline deadline) {
    auto executor = co_await asio::this_coro::executor;
    auto state = co_await asio::this_coro::cancellation_state;
    if (is_cancelled(state)) co_return false;
    asio::cancellation_signal stop;
    bool late = false;
    Alarm alarm(loop_of(executor), [&stop, &late] {
        late = true;
        stop.emit(asio::cancellation_type::terminal);
    });
    alarm.set(deadline);
    if (state.slot().is_connected()) {
        state.slot().assign([&stop](asio::cancellation_type type) { stop.emit(type); });
    }
    co_await asio::co_spawn(executor, without_throwing(std::move(body)),
                            asio::bind_cancellation_slot(stop.slot(), asio::use_awaitable));
    co_return late;
}

std::unexpected<Error> offload_unfinished_error() {
    return fail(ErrorClass::Unknown, "offload_unfinished",
                "The time has passed; the work goes on without anybody waiting for it.");
}

} // namespace detail

} // namespace holdfast::net
