#pragma once

// Waiter: one suspended coroutine that is woken by whichever comes first: a signal, a time, or its
// cancellation. The primitive under Event, sleep and the awaits of net; others use those.
//
// It lives in the frame of the coroutine that waits, so waiting allocates nothing. complete()
// decides once, later calls do nothing; the coroutine resumes on a turn of its own. While it waits
// the TimerQueue knows it, so that a Loop that is destroyed can destroy the coroutine. For the
// sources in net/ only: includes more of Asio than net/task.h does.

#include "net/timer_queue.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstdint>
#include <functional>
#include <utility>

namespace holdfast::net {

enum class Wake : std::uint8_t { Signalled, TimedOut, Cancelled };

class Waiter final : public TimerNode, public ListHook {
  public:
    explicit Waiter(TimerQueue& queue) : TimerNode(queue) {}

    /// co_await it: Wake wake = co_await waiter.until(when);
    auto until(MonoTime when) {
        return asio::async_initiate<const asio::deferred_t&, void(Wake)>(Start{this, when},
                                                                         asio::deferred);
    }
    /// Suspends and resumes on a later turn, Wake::Signalled.
    auto soon() { return until(MonoTime::min()); }

    void complete(Wake wake) {
        if (!handler_ || completed_) return;
        completed_ = true;
        wake_ = wake;
        unlink();
        queue_.remove(*this);
        queue_.wake_soon(*this);
    }

  private:
    friend class TimerQueue;

    struct Start {
        Waiter* waiter;
        MonoTime when;

        template <class Handler> void operator()(Handler&& handler) const {
            auto slot = asio::get_associated_cancellation_slot(handler);
            waiter->completed_ = false;
            waiter->handler_ = std::forward<Handler>(handler);
            if (slot.is_connected()) {
                slot.assign(
                    [w = waiter](asio::cancellation_type) { w->complete(Wake::Cancelled); });
            }
            if (when == MonoTime::min())
                waiter->complete(Wake::Signalled);
            else
                waiter->queue_.set(*waiter, when);
        }
    };

    void on_time() override { complete(Wake::TimedOut); }
    void on_shutdown() override {
        unlink(); // what the coroutine holds may signal the Event it waits for as it goes away
        handler_ = nullptr; // destroys the coroutine, and this with it
    }

    void resume() {
        unlink();
        auto handler = std::exchange(handler_, nullptr); // the frame with this may go away below
        handler(wake_);
    }

    // Not any_completion_handler: that of Asio 1.26 recurses for ever when it is assigned, and
    // allocates. This holds Asio's handler for coroutines (two pointers) in place.
    std::move_only_function<void(Wake)> handler_;
    Wake wake_ = Wake::Signalled;
    bool completed_ = false;
};

/// The Loop that runs the coroutine of `executor` (this_coro::executor).
inline Loop& loop_of(const asio::any_io_executor& executor) {
    return static_cast<Loop&>(asio::query(executor, asio::execution::context));
}

/// Whether somebody has asked this coroutine to end:
///     if (is_cancelled(co_await asio::this_coro::cancellation_state)) ...
/// A request that arrives between two awaits finds no operation to cancel; the state keeps it.
inline bool is_cancelled(const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
}

inline std::unexpected<Error> cancelled_error() {
    return fail(ErrorClass::Unavailable, "cancelled", "The operation was cancelled.");
}

} // namespace holdfast::net
