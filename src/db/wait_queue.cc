#include "db/wait_queue.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

namespace holdfast::db {
namespace {

constexpr std::array most_urgent_first{Priority::Payment, Priority::Checkout, Priority::Browse,
                                       Priority::Report, Priority::Job};
static_assert(most_urgent_first.size() == priorities);

} // namespace

std::string_view to_string(Priority priority) {
    constexpr std::array<std::string_view, priorities> names{"payment", "checkout", "browse",
                                                             "report", "job"};
    return names[static_cast<std::size_t>(priority)];
}

WaitQueue::Admission WaitQueue::admit(Entry& entry, std::size_t max_length) {
    Entry* displaced = nullptr;
    if (entries_.size() >= max_length) {
        if (entries_.empty()) return {false, nullptr};
        const auto last = std::prev(entries_.end());
        if (last->second->priority <= entry.priority) return {false, nullptr};
        displaced = last->second;
        remove(*displaced);
    }
    entry.arrival = ++arrivals_;
    entries_.emplace(std::pair(entry.priority, entry.arrival), &entry);
    return {true, displaced};
}

WaitQueue::Entry* WaitQueue::front() const {
    if (entries_.empty()) return nullptr;
    Entry* first = entries_.begin()->second;
    if (!newest_first_ || first->priority < *newest_first_) return first;
    constexpr auto last_arrival = std::numeric_limits<std::uint64_t>::max();
    return std::prev(entries_.upper_bound({first->priority, last_arrival}))->second;
}

WaitQueue::Entry* WaitQueue::pop() {
    Entry* next = front();
    if (next) remove(*next);
    return next;
}

WaitQueue::Entry* WaitQueue::oldest_of(Priority priority) const {
    const auto first = entries_.lower_bound({priority, 0});
    return first != entries_.end() && first->first.first == priority ? first->second : nullptr;
}

WaitQueue::Entry* WaitQueue::pop_older(Priority from, MonoTime cutoff) {
    for (std::size_t i = priorities; i-- > static_cast<std::size_t>(from);) {
        Entry* entry = oldest_of(most_urgent_first[i]);
        if (!entry || entry->since >= cutoff) continue;
        remove(*entry);
        return entry;
    }
    return nullptr;
}

std::optional<MonoTime> WaitQueue::oldest() const {
    std::optional<MonoTime> oldest;
    for (const Priority priority : most_urgent_first) {
        const Entry* entry = oldest_of(priority);
        if (entry && (!oldest || entry->since < *oldest)) oldest = entry->since;
    }
    return oldest;
}

void WaitQueue::remove(Entry& entry) {
    if (entry.arrival == 0) return;
    entries_.erase(std::pair(entry.priority, entry.arrival));
    entry.arrival = 0;
}

} // namespace holdfast::db
