#pragma once

// WaitQueue: who gets the next free connection. Pure decisions, no clock, no socket.
//
// Order: the more urgent Priority first, then who came first. The length is bounded; when it is
// full, a newcomer displaces the last in that order if that one is less urgent, else is refused: a
// flood of reports can't keep a payment out.
//
// Entries belong to those who wait and leave the queue before they are destroyed.

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace holdfast::db {

/// What waits for a connection, most urgent first.
enum class Priority : std::uint8_t { Payment, Checkout, Browse, Report, Job };

class WaitQueue {
  public:
    struct Entry {
        explicit Entry(Priority p) : priority(p) {}
        Priority priority;
        std::uint64_t arrival = 0; ///< 0: not in the queue
    };

    struct Admission {
        bool admitted;
        Entry* displaced; ///< has left the queue; null: nobody
    };
    Admission admit(Entry& entry, std::size_t max_length);

    /// Takes out the next to be served; null when nobody waits.
    Entry* pop();
    void remove(Entry& entry); ///< harmless when it is not in the queue

    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }

  private:
    std::map<std::pair<Priority, std::uint64_t>, Entry*> entries_;
    std::uint64_t arrivals_ = 0;
};

} // namespace holdfast::db
