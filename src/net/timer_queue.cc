#include "net/timer_queue.h"

#include "net/waiter.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace holdfast::net {

namespace {
constexpr std::size_t heap_arity = 4; // flatter than binary: an insertion at the end looks up less
} // namespace

asio::execution_context::id TimerQueue::id;

TimerNode::~TimerNode() { queue_.remove(*this); }

TimerQueue& TimerQueue::of(Loop& loop) { return asio::use_service<TimerQueue>(loop); }

TimerQueue::TimerQueue(asio::execution_context& context)
    : asio::execution_context::service(context),
      loop_(static_cast<Loop&>(context)),
      simulated_(Env::current().simulated()) {
    if (!simulated_) kernel_timer_.emplace(loop_);
}

void TimerQueue::shutdown() noexcept {
    while (!heap_.empty()) {
        TimerNode* node = heap_.back().node;
        heap_.pop_back();
        node->index_ = TimerNode::absent;
        node->on_shutdown();
    }
    while (!woken_.alone()) {
        auto* waiter = static_cast<Waiter*>(woken_.next());
        waiter->unlink();
        waiter->on_shutdown();
    }
    simulated_wakes_.clear();
    kernel_timer_.reset();
}

void TimerQueue::set(TimerNode& node, MonoTime when) {
    Entry entry{when, ++sequence_, &node};
    if (node.index_ == TimerNode::absent) {
        heap_.push_back(entry);
        sift_up(heap_.size() - 1, entry);
    } else if (entry.before(heap_[node.index_])) {
        sift_up(node.index_, entry);
    } else {
        sift_down(node.index_, entry);
    }
    arm();
}

void TimerQueue::remove(TimerNode& node) {
    if (node.index_ == TimerNode::absent) return;
    take_out(node.index_);
    // An idle loop must be able to end: an armed timer would count as work.
    if (heap_.empty()) arm();
}

void TimerQueue::take_out(std::size_t index) {
    heap_[index].node->index_ = TimerNode::absent;
    Entry last = heap_.back();
    heap_.pop_back();
    if (index == heap_.size()) return;
    if (index > 0 && last.before(heap_[(index - 1) / heap_arity]))
        sift_up(index, last);
    else
        sift_down(index, last);
}

void TimerQueue::place(std::size_t index, Entry entry) {
    heap_[index] = entry;
    entry.node->index_ = index;
}

void TimerQueue::sift_up(std::size_t index, Entry entry) {
    while (index > 0) {
        std::size_t parent = (index - 1) / heap_arity;
        if (!entry.before(heap_[parent])) break;
        place(index, heap_[parent]);
        index = parent;
    }
    place(index, entry);
}

void TimerQueue::sift_down(std::size_t index, Entry entry) {
    for (;;) {
        std::size_t first = index * heap_arity + 1;
        if (first >= heap_.size()) break;
        std::size_t least = first;
        std::size_t end = std::min(first + heap_arity, heap_.size());
        for (std::size_t child = first + 1; child < end; ++child) {
            if (heap_[child].before(heap_[least])) least = child;
        }
        if (!heap_[least].before(entry)) break;
        place(index, heap_[least]);
        index = least;
    }
    place(index, entry);
}

void TimerQueue::arm() {
    if (firing_) return; // fire_due() arms once at its end
    if (heap_.empty()) {
        if (kernel_timer_) kernel_timer_->cancel();
        armed_ = MonoTime::max();
        return;
    }
    // A timer armed for an earlier time than needed stays: it fires once for nothing, which is
    // cheaper than moving it each time the earliest deadline is dropped.
    if (heap_.front().when >= armed_) return;
    armed_ = heap_.front().when;
    if (simulated_) {
        Env::current().note_wakeup(armed_);
        return;
    }
    kernel_timer_->expires_at(armed_);
    kernel_timer_->async_wait([this](const boost::system::error_code& ec) {
        if (!ec) fire_due();
    });
}

void TimerQueue::fire_due() {
    MonoTime now = MonotonicClock::now();
    // Bounded by what was there, so that a node that sets itself again at once can't hold the loop.
    std::size_t budget = heap_.size();
    firing_ = true;
    while (budget-- > 0 && !heap_.empty() && heap_.front().when <= now) {
        TimerNode* node = heap_.front().node;
        take_out(0);
        node->on_time();
    }
    firing_ = false;
    armed_ = MonoTime::max();
    arm();
}

std::optional<MonoTime> TimerQueue::next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
}

void TimerQueue::wake_soon(Waiter& waiter) {
    waiter.link_before(woken_);
    if (simulated_)
        simulated_wakes_.push_back(&waiter);
    else
        asio::post(loop_, [&waiter] { waiter.resume(); });
}

void TimerQueue::post_simulated_wake(std::size_t index) {
    Waiter* waiter = simulated_wakes_[index];
    simulated_wakes_.erase(simulated_wakes_.begin() + static_cast<std::ptrdiff_t>(index));
    asio::post(loop_, [waiter] { waiter->resume(); });
}

} // namespace holdfast::net
