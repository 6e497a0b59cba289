#pragma once

// WaitQueue: who gets the next free connection. Pure decisions, no clock, no socket.
//
// Order: the more urgent Priority first, then who came first; among priorities that are being shed
// (queue_delay.h) who came last, since under overload the oldest is the one whose client has given
// up. The length is bounded; when it is full, a newcomer displaces the last in that order if that
// one is less urgent, else is refused: a flood of reports can't keep a payment out.
//
// Entries belong to those who wait and leave the queue before they are destroyed.
//
// Source of newest-first under overload: B. Maurer, "Fail at Scale", ACM Queue 13 (8), 2015.

#include "base/env.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace holdfast::db {

/// What waits for a connection, most urgent first.
enum class Priority : std::uint8_t { Payment, Checkout, Browse, Report, Job };
inline constexpr std::size_t priorities = 5;
std::string_view to_string(Priority priority);

class WaitQueue {
  public:
    struct Entry {
        explicit Entry(Priority p, MonoTime s = {}) : priority(p), since(s) {}
        Priority priority;
        MonoTime since;            ///< waits
        std::uint64_t arrival = 0; ///< 0: not in the queue
    };

    struct Admission {
        bool admitted;
        Entry* displaced; ///< has left the queue; null: nobody
    };
    Admission admit(Entry& entry, std::size_t max_length);

    /// From this priority on the newest is served first; none: nowhere.
    void serve_newest_first_from(std::optional<Priority> priority) { newest_first_ = priority; }

    /// The next to be served; null when nobody waits.
    Entry* front() const;
    /// Takes it out.
    Entry* pop();
    /// Takes out one who waits since before `cutoff`, of `from` or less urgent: of the least urgent
    /// the oldest. Null when there is none.
    Entry* pop_older(Priority from, MonoTime cutoff);
    void remove(Entry& entry); ///< harmless when it is not in the queue

    /// Since when the one waits who has waited longest.
    std::optional<MonoTime> oldest() const;

    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }

  private:
    Entry* oldest_of(Priority priority) const;

    std::map<std::pair<Priority, std::uint64_t>, Entry*> entries_;
    std::optional<Priority> newest_first_;
    std::uint64_t arrivals_ = 0;
};

} // namespace holdfast::db
