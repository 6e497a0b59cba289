#pragma once

// MarkTeller: tells the other processes what this one holds (marks.h).
//
// What has changed is noted per peer, not queued: a message says of each payment what is true when
// it is composed. One message a peer is under way at a time; what changes meanwhile goes with the
// next. While something is held each peer hears at least every `heartbeat`; it takes us for dead
// otherwise (mark_book.h). A peer that asks for it, and every one at our start, is told everything.
//
//   teller.start(holder);                        // holder: who knows what is held
//   teller.changed(payment);
//   co_await teller.told(payment, patience);     // before the caller is answered
//
// told() waits for the peers that answered last; one that did not is tried again every `heartbeat`
// and waited for by nobody. So a peer that is down or out of reach costs callers one patience,
// once.
//
// pass_on() is for what can't wait until another process has let go of a payment.
//
// Errors of told(): "cancelled" only. Metrics: holdfast_peer_reached{peer},
// holdfast_stand_in_untold_total: answers that were given before every peer knew;
// holdfast_stand_in_passed_on_total: requests that another process has carried out for ours.
//
// On the loop of the instance. stop() before the holder goes away.

#include "base/metrics.h"
#include "net/gate.h"
#include "net/timer.h"
#include "processor/mark_book.h"
#include "processor/marks.h"
#include "processor/processor.h"

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

namespace holdfast::processor {

class MarkHolder {
  public:
    virtual ~MarkHolder() = default;
    virtual bool holds_any() const = 0;
    virtual std::vector<core::RowKey> held() const = 0;
    virtual Mark mark_of(const core::RowKey& payment) const = 0;
};

struct Peer {
    std::string name;
    /// Delivers a sealed message. Any Error: not known to have been heard.
    std::function<net::Task<MarkBook::Hearing>(std::string sealed, net::Deadline deadline)> post;
    /// What it answers to a command about a payment that it holds (passing.h). Beside its own
    /// errors: Conflict "not_held_here"; Unavailable "peer_unreached", it has not heard of it;
    /// Unknown "peer_answer_lost".
    std::function<net::Task<Outcome>(core::Command command, net::Deadline deadline)> carry_out;
};

class MarkTeller {
  public:
    static constexpr Duration heartbeat = std::chrono::seconds{1};
    static constexpr Duration post_timeout = std::chrono::seconds{1};

    MarkTeller(net::Loop& loop, Env& env, MarkCipher& cipher, std::string process,
               std::vector<Peer> peers, Registry* metrics);
    ~MarkTeller();

    Result<void> start(const MarkHolder& holder);
    net::Task<void> stop(net::Deadline deadline);

    void changed(const core::RowKey& payment);
    net::Task<void> told(core::RowKey payment, Duration patience);
    /// Has a command carried out by whoever holds its payment. Errors: those of Peer::carry_out,
    /// "peer_unreached" when there is nobody to ask.
    net::Task<Outcome> pass_on(core::Command command, net::Deadline deadline);

  private:
    struct Line;
    MarkMessage compose(Line& line) const;
    void tell_everything(Line& line);
    net::Task<void> tell(Line& line);
    net::Task<MarkBook::Hearing> say(Line& line);
    void note(Line& line, const Result<MarkBook::Hearing>& heard);
    bool waits_for(const core::RowKey& payment) const;

    net::Loop& loop_;
    MarkCipher& cipher_;
    const std::string process_;
    const Uuid life_;
    const MarkHolder* holder_ = nullptr;
    std::vector<std::unique_ptr<Line>> lines_;
    std::shared_ptr<net::Event> said_; ///< to some peer
    std::unique_ptr<Registry> own_metrics_;
    Counter* untold_;
    Counter* passed_on_;
    net::Gate gate_;
};

} // namespace holdfast::processor
