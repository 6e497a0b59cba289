#pragma once

// Waiting: sleep, Event and with_deadline, the three ways to let time pass in a coroutine.
//
// All of them sit on the TimerQueue of the Loop that runs the coroutine (net/timer_queue.h), so
// they cost no system call and follow the simulated clock under SimEnv. All of them answer an Error
// with code "cancelled" (Unavailable) when the task is cancelled by its Gate or by with_deadline,
// also when that happened before the wait began.
//
//   co_await sleep_for(std::chrono::milliseconds{50});
//
//   Event answered(loop, Event::Reset::Manual);
//   CO_TRY(bool in_time, co_await answered.wait(deadline));   // false: the deadline passed first
//   ... elsewhere on the same loop: answered.set();
//
//   CO_TRY(auto row, co_await with_deadline(fetch(id), Deadline::after(std::chrono::seconds{2})));
//
// Thread: that of the Loop. From another thread, post to the Loop first.

#include "net/deadline.h"
#include "net/run_into.h"
#include "net/task.h"
#include "net/timer_queue.h"

#include <memory>
#include <optional>
#include <utility>

namespace holdfast::net {

Task<void> sleep_until(MonoTime when);
Task<void> sleep_for(Duration duration);

/// Notification between coroutines of one loop. Manual: a latch, set() wakes all who wait and all
/// who come later until reset(). Auto: a wake-up token, set() wakes the one who waited longest, or
/// is kept (once) for the next; a set() is never lost to somebody whose deadline passed.
/// Destroying an Event with waiters leaves them to their deadlines.
class Event {
  public:
    enum class Reset : std::uint8_t { Manual, Auto };

    Event(Loop& loop, Reset reset);
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void set();
    void reset() { set_ = false; }
    bool is_set() const { return set_; }

    /// true: it was set; false: the deadline passed first.
    Task<bool> wait(Deadline deadline);

  private:
    struct Waiters;
    TimerQueue& queue_;
    std::unique_ptr<Waiters> waiters_;
    Reset reset_;
    bool set_ = false;
};

namespace detail {
/// Runs `body` and asks it to end when the deadline passes or the caller is cancelled; returns when
/// it has ended. True when the deadline passed first. A cancelled caller does not start it.
asio::awaitable<bool> run_until(asio::awaitable<void> body, Deadline deadline);

std::unexpected<Error> deadline_passed_error();
std::unexpected<Error> not_run_error();
} // namespace detail

/// Runs `task`; when the deadline passes first it is asked to end, and awaited: nothing of it runs
/// on after this returns. Whatever it answers counts, an answer that came late too (a lost answer,
/// ErrorClass::Unknown, must not turn into a mere timeout); only "cancelled" becomes
/// "deadline_passed" (Deadline). Costs about a microsecond: give an operation its own Deadline
/// where it takes one.
template <class T> Task<T> with_deadline(Task<T> task, Deadline deadline) {
    std::optional<Result<T>> result;
    bool late = co_await detail::run_until(detail::run_into<T>(std::move(task), result), deadline);
    if (!result) co_return detail::not_run_error();
    if (late && !result->has_value() && result->error().code == "cancelled") {
        co_return detail::deadline_passed_error();
    }
    co_return std::move(*result);
}

} // namespace holdfast::net
