#pragma once

// TimerQueue: every deadline of one event loop in one heap, behind one kernel timer.
//
// Each await carries a Deadline and nearly all of them are dropped long before they pass, so
// setting and dropping one must cost next to nothing: a 4-ary min-heap of intrusive nodes, no
// allocation per wait, and the kernel timer is touched only when the earliest time moves forward
// (a timer per wait, as Asio would have it, costs a system call and a handler each).
//
// It is a service of the Loop (asio::execution_context::service): of(loop) creates it on first use
// and the Loop owns it. Everything runs on the thread of that Loop.
//
// Under SimEnv there is no kernel timer: the earliest time is noted with Env::note_wakeup and
// net/sim_loop.h calls fire_due() after it has moved the clock. Wake-ups then go through a list
// from which the simulator picks by its seed, so that the order of coroutines that are ready at the
// same time varies with the seed.
//
// Most code wants net/timer.h. Use Alarm for a callback at a time (it must be short; it runs on the
// loop, and it never runs after cancel() or the destructor).
//
//   Alarm alarm(loop, [this] { give_up(); });
//   alarm.set(deadline);   // again at any time; moves it
//   alarm.cancel();

#include "base/env.h"
#include "net/deadline.h"
#include "net/task.h"

#include <boost/asio/basic_waitable_timer.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace holdfast::net {

class TimerQueue;
class Waiter;

/// A member of a circular list that leaves it when destroyed.
struct ListHook {
    ListHook() = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;
    ~ListHook() { unlink(); }

    bool alone() const { return next_ == this; }
    ListHook* next() const { return next_; }
    void link_before(ListHook& position) {
        previous_ = position.previous_;
        next_ = &position;
        previous_->next_ = this;
        position.previous_ = this;
    }
    void unlink() {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = this;
    }

  private:
    ListHook* previous_ = this;
    ListHook* next_ = this;
};

/// Something that waits for a time: a member of the heap, removed by its destructor.
class TimerNode {
  public:
    TimerNode(const TimerNode&) = delete;
    TimerNode& operator=(const TimerNode&) = delete;

  protected:
    explicit TimerNode(TimerQueue& queue) : queue_(queue) {}
    virtual ~TimerNode();

    virtual void on_time() = 0;   ///< the time has come; the node has left the heap
    virtual void on_shutdown() {} ///< the loop is being destroyed; the node has left the heap

    TimerQueue& queue_;

  private:
    friend class TimerQueue;
    class Waiter;

    /// A member of a circular list that leaves it when destroyed.
    struct ListHook {
        ListHook() = default;
        ListHook(const ListHook&) = delete;
        ListHook& operator=(const ListHook&) = delete;
        ~ListHook() { unlink(); }

        bool alone() const { return next_ == this; }
        ListHook* next() const { return next_; }
        void link_before(ListHook& position) {
            previous_ = position.previous_;
            next_ = &position;
            previous_->next_ = this;
            position.previous_ = this;
        }
        void unlink() {
            previous_->next_ = next_;
            next_->previous_ = previous_;
            previous_ = next_ = this;
        }

      private:
        ListHook* previous_ = this;
        ListHook* next_ = this;
    };
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);
    std::size_t index_ = absent;
};

class TimerQueue final : public asio::execution_context::service {
  public:
    static asio::execution_context::id id;

    static TimerQueue& of(Loop& loop);
    explicit TimerQueue(asio::execution_context& context); ///< for Asio; use of()

    void set(TimerNode& node, MonoTime when); ///< adds the node or moves it
    void remove(TimerNode& node);             ///< harmless when it is not in the heap

    std::size_t size() const { return heap_.size(); }
    Loop& loop() { return loop_; }

    /// Resumes `waiter` on a turn of its own, soon: posted, or when the simulator picks it.
    void wake_soon(Waiter& waiter);

    // For the simulator.
    void fire_due();
    std::optional<MonoTime> next() const;
    std::size_t simulated_wakes() const { return simulated_wakes_.size(); }
    void post_simulated_wake(std::size_t index);

  private:
    struct Entry {
        MonoTime when;
        std::uint64_t sequence; ///< first set, first fired among equal times
        TimerNode* node;
        bool before(const Entry& other) const {
            return when != other.when ? when < other.when : sequence < other.sequence;
        }
    };

    void shutdown() noexcept override;
    void place(std::size_t index, Entry entry);
    void sift_up(std::size_t index, Entry entry);
    void sift_down(std::size_t index, Entry entry);
    void take_out(std::size_t index);
    void arm();

    Loop& loop_;
    std::vector<Entry> heap_;
    std::uint64_t sequence_ = 0;
    MonoTime armed_ = MonoTime::max(); ///< when the kernel timer or the simulator will wake us
    bool simulated_ = false;           ///< of the Env this loop was created under
    bool firing_ = false;
    std::optional<asio::basic_waitable_timer<MonotonicClock>> kernel_timer_;
    ListHook woken_; ///< about to resume
    std::vector<Waiter*> simulated_wakes_;
};

class Alarm final : public TimerNode {
  public:
    Alarm(Loop& loop, std::move_only_function<void()> ring)
        : TimerNode(TimerQueue::of(loop)), ring_(std::move(ring)) {}

    void set(Deadline deadline) { queue_.set(*this, deadline.when()); }
    void cancel() { queue_.remove(*this); }

  private:
    void on_time() override { ring_(); }
    std::move_only_function<void()> ring_;
};

} // namespace holdfast::net
