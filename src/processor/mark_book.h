#pragma once

// MarkBook: the payments that other processes hold (marks.h), as this one has been told.
//
//   Hearing heard = book.hear(message);       // from a peer; SendWhole: it has to begin anew
//   if (const auto* other = book.find(payment); other && book.speaks(*other)) ...
//
// Who holds something speaks once a second. One that has not been heard for `silence_max` is
// taken for dead, or out of reach: what it holds is not waited for then, and its rows are believed
// only where the database knows nothing. Nothing depends on marks for money: the primary key picks
// one winner among all who have accepted a payment (stand_in.h).
//
// A message counts when it follows the one before it, or is whole. Two lives of a process are told
// apart by when they began; one that began earlier counts when the other has fallen silent, because
// clocks are set back. Limits: marks_max payments, further ones are not kept; processes_max.
//
// Plain data structure but for changed(), on the loop of the instance.

#include "net/timer.h"
#include "processor/marks.h"
#include "processor/recent_rows.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace holdfast::processor {

class MarkBook {
  public:
    static constexpr std::size_t marks_max = 100'000;
    static constexpr std::size_t processes_max = 1'000;
    static constexpr std::size_t rows_max = 20'000;
    static constexpr Duration silence_max = std::chrono::seconds{5};

    enum class Hearing : std::uint8_t { Taken, SendWhole, Refused };

    struct Process {
        Uuid life;
        std::uint64_t number = 0; ///< of the last message that counted
        MonoTime heard{};
    };
    struct Held {
        std::string process;
        core::PaymentIntent payment;
        std::map<Uuid, core::ReplayRecord> answers; ///< by replay key
    };

    MarkBook(net::Loop& loop, Env& env);

    Hearing hear(const MarkMessage& message);

    const Held* find(const core::RowKey& payment) const;
    const core::PaymentMethod* method(const core::RowKey& key) const { return methods_.find(key); }
    const core::Charge* charge(const core::RowKey& key) const { return charges_.find(key); }
    /// A payment of one who is silent was decided here: the database has it now, and whatever that
    /// one says of it until it lets go is history.
    void overrule(const core::RowKey& payment);
    /// Has its process been heard lately?
    bool speaks(const Held& held) const;
    std::size_t size() const { return held_.size(); }

    /// Returns when something was heard or `deadline` has passed.
    net::Task<void> changed(net::Deadline deadline);

  private:
    void take(const std::string& process, const Mark& mark);
    void forget_all_of(const std::string& process);

    net::Loop& loop_;
    Env& env_;
    std::map<std::string, Process> processes_;
    std::unordered_map<core::RowKey, Held, RowKeyHash> held_;
    std::unordered_set<core::RowKey, RowKeyHash> overruled_;
    RecentMap<core::PaymentMethod> methods_{rows_max};
    RecentMap<core::Charge> charges_{rows_max};
    std::shared_ptr<net::Event> heard_;
};

} // namespace holdfast::processor
