#include "db/wait_queue.h"

#include <iterator>

namespace holdfast::db {

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

WaitQueue::Entry* WaitQueue::pop() {
    if (entries_.empty()) return nullptr;
    Entry* next = entries_.begin()->second;
    remove(*next);
    return next;
}

void WaitQueue::remove(Entry& entry) {
    if (entry.arrival == 0) return;
    entries_.erase(std::pair(entry.priority, entry.arrival));
    entry.arrival = 0;
}

} // namespace holdfast::db
