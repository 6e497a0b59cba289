#pragma once

// Intake: the commands that wait for a batch, in an order that keeps each object's history.
//
// A command is a Ticket from submission to answer. Its keys are the rows that it locks or claims
// and its replay key; per key there is a line, first come first served. A ticket is ready when it
// is first in all of its lines. take() hands out ready tickets, and with them those that are only
// behind members of the same batch: commands of one batch see each other's changes, so a whole
// line may ride together. Everything else waits until what is before it has been answered. Two
// commands under one idempotency key are therefore decided one after the other, and the second
// replays the answer of the first instead of failing with a conflict a millisecond too early.
//
// Three tracks: Normal; Slow for tickets whose row was held by somebody else; Suspect for members
// of a batch that the database refused, and for who comes back to damaged data: they run alone.
// A ticket that changes track keeps its places in its lines. Second halves of operations (outcomes,
// claims) go first and are not refused by a full queue: they are what empties it, and there are
// never more than operations under way.
//
// Who owns a Ticket: Intake, in a pool; the submitter holds it until release(). A submitter that
// leaves early (deadline, cancelled) calls release() too: a waiting ticket is gone then, one in a
// batch is skipped if it has not been decided yet. If it has, and has started an operation, that is
// given to on_orphan once it is durable: somebody has to carry it on.
//
// Plain data structure: no I/O, no waiting; on_ready tells the lanes that there is work. Limits:
// queue_max tickets. All operations cost O(keys of the ticket).

#include "core/command.h"
#include "core/decide.h"
#include "net/deadline.h"
#include "net/timer.h"

#include <boost/intrusive/list.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace holdfast::processor {

using net::Deadline;

enum class Track : std::uint8_t { Normal, Slow, Suspect };
inline constexpr std::size_t tracks = 3;

namespace detail {
namespace bi = boost::intrusive;
using Hook = bi::list_base_hook<bi::link_mode<bi::safe_link>>;
} // namespace detail

/// What two commands can't do at the same time: a row, or an idempotency key.
struct LockKey {
    enum class Space : std::uint8_t { Row, Replay };
    Space space = Space::Row;
    core::ObjectKind kind = core::ObjectKind::Account; ///< of a row
    core::RowKey key;
    auto operator<=>(const LockKey&) const = default;
};

struct LockKeyHash {
    std::size_t operator()(const LockKey& k) const noexcept {
        return std::hash<Uuid>{}(k.key.id) ^ (static_cast<std::size_t>(k.kind) << 1);
    }
};

struct Ticket;

/// A ticket's place in the line of one key.
struct Place : detail::Hook {
    Ticket* ticket = nullptr;
    detail::bi::list<Place, detail::bi::constant_time_size<false>>* line = nullptr;
    LockKey key;
};
using Line = detail::bi::list<Place, detail::bi::constant_time_size<false>>;

struct Ticket : detail::Hook {
    enum class State : std::uint8_t {
        Free,
        Waiting,  ///< in its lines, and in a ready list when first in all of them
        Loading,  ///< in a batch, nothing decided
        Deciding, ///< in a batch that may become durable
        Answered,
    };

    explicit Ticket(net::Loop& loop) : answered(loop, net::Event::Reset::Manual) {}

    core::Command command;
    core::Needs needs; ///< until a batch takes it
    Deadline deadline = Deadline::at(MonoTime::min());
    MonoTime submitted;
    State state = State::Free;
    Track track = Track::Normal;
    bool urgent = false;
    bool ready = false;    ///< in a ready list
    bool released = false; ///< the submitter has left
    std::uint64_t batch = 0;
    std::vector<Place> places;
    std::optional<Result<core::Verdict>> answer;
    net::Event answered;

    bool in_batch() const { return state == State::Loading || state == State::Deciding; }
};

/// How much a lane takes at once. `roots` counts the tickets that are first in their lines,
/// `commands` all of them.
struct Portion {
    Track track = Track::Normal;
    std::size_t roots = 1;
    std::size_t commands = 1;
};

class Intake {
  public:
    static constexpr std::size_t suspects_max = 10'000; ///< keys; more go the usual way
    static constexpr Duration suspect_for = std::chrono::minutes{1};

    using OnOrphan = std::function<void(core::Operation)>;
    /// `on_empty`: the last ticket was answered.
    Intake(net::Loop& loop, std::size_t queue_max, std::function<void(Track)> on_ready,
           OnOrphan on_orphan = {}, std::function<void()> on_empty = {});
    ~Intake();
    Intake(const Intake&) = delete;
    Intake& operator=(const Intake&) = delete;

    /// Error Overload "processor_queue_full".
    Result<Ticket*> push(core::Command command, core::Needs needs, Deadline deadline);
    /// The submitter's last word on its ticket.
    void release(Ticket* ticket);

    /// The next batch of a track, in an order that respects every line; empty when none is ready.
    /// Tickets whose deadline has passed are answered with `expired` instead.
    std::vector<Ticket*> take(Portion portion, const std::function<Error(const Ticket&)>& expired);
    bool ready(Track track) const;

    /// The data that this ticket needs is damaged: for suspect_for, commands on its keys go to the
    /// suspect track at once, so that whoever asks again and again costs no batch its neighbours.
    void suspect(const Ticket& ticket);

    /// Publishes ticket->answer, which must be set, and lets those behind it go on.
    void publish(Ticket* ticket);
    void answer(Ticket* ticket, Result<core::Verdict> answer);
    /// Out of a batch and into `track`, in its old places. Call in batch order.
    void put_back(Ticket* ticket, Track track);

    /// Answers everything that is not in a batch.
    void refuse_waiting(const Error& error);

    std::size_t size() const { return size_; } ///< waiting or in a batch
    std::size_t waiting() const { return waiting_; }
    /// How long the next command for a batch has been waiting; zero when none is.
    Duration delay() const;

  private:
    using Ready = detail::bi::list<Ticket, detail::bi::constant_time_size<false>>;

    Ticket* fresh();
    bool is_suspect(const Ticket& ticket);
    void recycle(Ticket* ticket);
    void enter_lines(Ticket& ticket);
    void leave_lines(Ticket& ticket);
    static bool first_everywhere(const Ticket& ticket);
    static bool may_follow(const Ticket& ticket, std::uint64_t batch);
    void make_ready(Ticket& ticket);
    void unready(Ticket& ticket);
    void add(std::vector<Ticket*>& batch, Ticket& ticket);
    void add_followers(std::vector<Ticket*>& batch, std::size_t max);
    Ready& ready_list(const Ticket& ticket);

    net::Loop& loop_;
    std::size_t queue_max_;
    std::function<void(Track)> on_ready_;
    OnOrphan on_orphan_;
    std::function<void()> on_empty_;
    std::unordered_map<LockKey, Line, LockKeyHash> lines_;
    std::unordered_map<LockKey, MonoTime, LockKeyHash> suspects_; ///< until when
    Ready urgent_, ready_[tracks];
    std::vector<std::unique_ptr<Ticket>> pool_;
    std::vector<Ticket*> free_;
    std::size_t size_ = 0;
    std::size_t waiting_ = 0;
    std::uint64_t batches_ = 0;
};

} // namespace holdfast::processor
