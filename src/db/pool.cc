#include "db/pool.h"

#include "base/log.h"
#include "db/own_statements.h"
#include "db/pool_metrics.h"
#include "net/gate.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <algorithm>

namespace holdfast::db {
namespace {

constexpr int max_doublings = 10; ///< of the pause between attempts, before its maximum counts

Error closed_error() {
    return {.kind = ErrorClass::Unavailable,
            .code = "pool_closed",
            .message = "The pool of database connections is closed."};
}

Error overload(std::string_view code, std::string_view message) {
    return {.kind = ErrorClass::Overload,
            .code = std::string(code),
            .message = std::string(message),
            .retryable = true};
}

Error full_error() {
    return overload("pool_queue_full", "Too many are waiting for a database connection.");
}

/// Waiting and trying again can't cure it.
bool is_hopeless(const Error& error) {
    return !error.retryable && error.kind != ErrorClass::Deadline && error.code != "cancelled";
}

} // namespace

using Loan = Pooled::Loan;

class Pool::State final : public Pooled::Owner, public std::enable_shared_from_this<State> {
  public:
    State(Loop& loop, Registry& registry, PoolOptions options, PoolLimits& limits, Connect connect)
        : loop_(loop),
          options_(std::move(options)),
          limits_(limits),
          connect_(std::move(connect)),
          metrics_(registry, options_.name),
          delay_(options_.queue_delay),
          holders_(loop, registry, options_.name, options_.held_long,
                   [this] { return queue_.size(); }),
          gate_(loop, "db.pool." + options_.name),
          closing_(loop, net::Event::Reset::Manual),
          all_back_(loop, net::Event::Reset::Manual),
          sweep_(loop, [this] { sweep(); }) {
        ping_.add(own_statements::ping);
    }

    Task<Pooled> acquire(Priority priority, std::string_view holder, Deadline deadline);
    void limits_changed();
    Task<void> close(Deadline deadline);
    void give_back(Loan loan) override;
    PoolStats stats() const {
        return {.idle = idle_.size(),
                .used = used_,
                .connecting = connecting_,
                .disposing = disposing_,
                .waiting = queue_.size()};
    }
    std::vector<Holding> holders() const { return holders_.list(); }

  private:
    struct Waiter;

    bool usable(const Loan& loan) const;
    bool room_for(Priority priority) const;
    std::optional<Loan> take_idle();
    Task<Loan> obtain(Priority priority, std::string_view holder, MonoTime asked,
                      Deadline deadline);
    Loan lend(Loan loan, std::string_view holder, Duration queued);
    net::asio::awaitable<bool> answers(Pooled& pooled, Duration idle, Deadline deadline);
    void evict_idle_since(MonoTime when);
    void grant(Waiter& waiter, Loan loan);
    void serve();
    void shed();
    void dispose(std::unique_ptr<Connection> connection);
    Task<void> disposing(std::unique_ptr<Connection> connection);
    void grow();
    Task<void> connecting();
    net::asio::awaitable<bool> connect_once();
    void connect_failed(Error error);
    void refuse(WaitQueue::Entry& entry, Error error);
    void refuse_waiters(const Error& error);
    MonoTime end_of_idling(const Loan& loan) const;
    void schedule_sweep();
    void sweep();
    Error wait_error() const;
    void publish();

    std::size_t ours() const { return idle_.size() + used_ + connecting_; }

    Loop& loop_;
    const PoolOptions options_;
    PoolLimits& limits_;
    Connect connect_;
    PoolMetrics metrics_;
    Pipeline ping_{Effect::Read};

    WaitQueue queue_; ///< those in it have no room, or there is no idle connection
    QueueDelay delay_;
    Holders holders_;
    std::vector<Loan> idle_; ///< the one used last is at the end
    std::size_t used_ = 0, connecting_ = 0, disposing_ = 0;
    int failures_in_a_row_ = 0;
    MonoTime next_attempt_; ///< while failures_in_a_row_ > 0, likewise:
    std::optional<Error> last_failure_;

    net::Gate gate_;
    net::Event closing_, all_back_;
    net::Alarm sweep_;
};

/// In the frame of obtain(); when that is destroyed while it waits, nothing is lost.
struct Pool::State::Waiter : WaitQueue::Entry {
    Waiter(State& s, Priority p, std::string_view h, MonoTime now)
        : Entry(p, now),
          state(s),
          holder(h),
          crowded(!s.queue_.empty() || !s.room_for(p)),
          decided(s.loop_, net::Event::Reset::Manual) {}
    ~Waiter() {
        state.queue_.remove(*this);
        if (granted) state.give_back(std::move(*granted));
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    State& state;
    std::string_view holder;
    bool crowded; ///< others came before, or have to give theirs back first
    net::Event decided;
    std::optional<Loan> granted;
    std::optional<Error> refused;
};

Task<Pooled> Pool::State::acquire(Priority priority, std::string_view holder, Deadline deadline) {
    const auto self = shared_from_this();
    const MonoTime asked = MonotonicClock::now();
    holder = holders_.known(holder);
    for (;;) {
        CO_TRY(Loan loan, co_await obtain(priority, holder, asked, deadline));
        const Duration idle = loan.since - loan.idle_since;
        const bool stale = idle >= options_.check_idle_after;
        loan.checked = !stale;
        Pooled pooled(self, std::move(loan));
        if (stale && !co_await answers(pooled, idle, deadline)) {
            if (deadline.passed()) co_return fail(wait_error());
            continue;
        }
        metrics_.wait_time[static_cast<std::size_t>(priority)]->observe(MonotonicClock::now() -
                                                                        asked);
        co_return pooled;
    }
}

/// One that is idle, or the next that is given back or opened.
Task<Loan> Pool::State::obtain(Priority priority, std::string_view holder, MonoTime asked,
                               Deadline deadline) {
    if (closing_.is_set()) co_return fail(closed_error());
    if (queue_.empty() && room_for(priority)) {
        if (auto loan = take_idle()) co_return lend(std::move(*loan), holder, Duration::zero());
    }
    Waiter waiter(*this, priority, holder, asked);
    const auto admission = queue_.admit(waiter, limits_.max_waiting());
    if (admission.displaced) refuse(*admission.displaced, full_error());
    if (!admission.admitted || admission.displaced) metrics_.refused.add();
    if (!admission.admitted) co_return fail(full_error());
    serve();
    grow();
    publish();

    const auto in_time = co_await waiter.decided.wait(deadline);
    queue_.remove(waiter);
    publish();
    if (!in_time) co_return std::unexpected(in_time.error()); // cancelled
    if (waiter.granted) co_return *std::exchange(waiter.granted, std::nullopt);
    if (waiter.refused) co_return std::unexpected(std::move(*waiter.refused));
    metrics_.timeouts.add();
    co_return fail(wait_error());
}

Error Pool::State::wait_error() const {
    if (last_failure_) {
        return {.kind = ErrorClass::Unavailable,
                .code = "database_unavailable",
                .message = fmt::format("No connection to the database: {}", last_failure_->message),
                .retryable = true,
                .sqlstate = last_failure_->sqlstate};
    }
    return {
        .kind = ErrorClass::Deadline,
        .code = "pool_wait_deadline",
        .message = fmt::format("No database connection became free in time ({} in use).", used_)};
}

/// A server that is frozen or cut off answers nothing, and a session with it looks like any other.
net::asio::awaitable<bool> Pool::State::answers(Pooled& pooled, Duration idle, Deadline deadline) {
    const auto pong = co_await pooled->run(ping_, deadline.capped(options_.check_timeout));
    if (pong) {
        pooled.passed_check();
        co_return true;
    }
    metrics_.stale.add();
    log::warn("idle_connection_stale",
              {{"pool", options_.name},
               {"idle_ms", std::chrono::duration_cast<std::chrono::milliseconds>(idle).count()},
               {"code", pong.error().code}});
    pooled->sever();
    if (!deadline.passed()) evict_idle_since(MonotonicClock::now() - idle);
    co_return false;
}

void Pool::State::evict_idle_since(MonoTime when) {
    while (!idle_.empty() && idle_.front().since <= when) {
        dispose(std::move(idle_.front().connection));
        idle_.erase(idle_.begin());
    }
    schedule_sweep();
}

bool Pool::State::usable(const Loan& loan) const {
    return !loan.connection->broken() && !loan.connection->in_transaction() &&
           MonotonicClock::now() < loan.expires;
}

bool Pool::State::room_for(Priority priority) const {
    const std::size_t most = limits_.max_used();
    return used_ + kept_back_from(priority, most) < most;
}

std::optional<Loan> Pool::State::take_idle() {
    while (!idle_.empty()) {
        Loan loan = std::move(idle_.back());
        idle_.pop_back();
        if (usable(loan)) return loan;
        dispose(std::move(loan.connection));
    }
    return std::nullopt;
}

Loan Pool::State::lend(Loan loan, std::string_view holder, Duration queued) {
    ++used_;
    const MonoTime now = MonotonicClock::now();
    loan.idle_since = std::exchange(loan.since, now);
    loan.holder = holder;
    loan.queued = queued;
    loan.number = holders_.lent(holder, loan.connection->backend_pid());
    const auto oldest = queue_.oldest();
    delay_.served(oldest ? now - *oldest : Duration::zero(), now);
    publish();
    return loan;
}

void Pool::State::give_back(Loan loan) {
    --used_;
    const MonoTime now = MonotonicClock::now();
    holders_.returned(loan.number);
    if (loan.checked) {
        metrics_.use_time.observe(now - loan.since);
        limits_.learn({.holder = loan.holder, .queued = loan.queued, .used = now - loan.since});
    }
    const bool surplus = ours() >= limits_.max_connections();
    if (closing_.is_set() || surplus || !usable(loan)) {
        dispose(std::move(loan.connection));
    } else {
        loan.since = now;
        idle_.push_back(std::move(loan));
    }
    serve();
    grow();
    if (closing_.is_set() && used_ == 0) all_back_.set();
    publish();
}

void Pool::State::grant(Waiter& waiter, Loan loan) {
    const Duration waited = MonotonicClock::now() - waiter.since;
    waiter.granted =
        lend(std::move(loan), waiter.holder, waiter.crowded ? waited : Duration::zero());
    waiter.decided.set();
}

/// Idle connections to those who wait and have room, in their order.
void Pool::State::serve() {
    while (!queue_.empty() && room_for(queue_.front()->priority)) {
        auto loan = take_idle();
        if (!loan) break;
        grant(static_cast<Waiter&>(*queue_.pop()), std::move(*loan));
        shed();
    }
    schedule_sweep();
}

/// Under overload drops those of the less urgent who have waited for long.
void Pool::State::shed() {
    const auto from = delay_.shed_from();
    queue_.serve_newest_first_from(from);
    if (!from) return;
    const MonoTime cutoff = MonotonicClock::now() - delay_.target();
    while (auto* entry = queue_.pop_older(*from, cutoff)) {
        metrics_.shed[static_cast<std::size_t>(entry->priority)]->add();
        refuse(*entry, overload("pool_overloaded",
                                "More is asked of the database than it can do; payments first."));
    }
}

void Pool::State::limits_changed() {
    while (!idle_.empty() && ours() > limits_.max_connections()) {
        dispose(std::move(idle_.front().connection));
        idle_.erase(idle_.begin());
    }
    serve();
    grow();
    publish();
}

/// The slot stays taken until the server has let go of the session.
void Pool::State::dispose(std::unique_ptr<Connection> connection) {
    ++disposing_;
    if (!gate_.spawn(disposing(std::move(connection)))) --disposing_; // the gate is closed
    publish();
}

Task<void> Pool::State::disposing(std::unique_ptr<Connection> connection) {
    const auto done = co_await connection->dispose(Deadline::after(options_.dispose_timeout));
    if (!done) {
        log::warn("connection_not_disposed", {{"pool", options_.name},
                                              {"backend_pid", connection->backend_pid()},
                                              {"code", done.error().code}});
    }
    connection.reset();
    --disposing_;
    grow();
    publish();
    co_return Result<void>{};
}

/// Opens connections for those who wait, within the limits; one at a time while that fails.
void Pool::State::grow() {
    if (closing_.is_set() || queue_.empty()) return;
    const std::size_t at_once = failures_in_a_row_ > 0 ? 1 : limits_.max_connecting();
    const std::size_t most = limits_.max_used();
    const std::size_t kept_back = kept_back_from(queue_.front()->priority, most);
    while (connecting_ < at_once && connecting_ < queue_.size() && ours() + kept_back < most &&
           ours() + disposing_ < limits_.max_connections()) {
        ++connecting_;
        if (!gate_.spawn(connecting())) --connecting_;
    }
}

/// Until one connection is open, or nobody wants it any more.
Task<void> Pool::State::connecting() {
    for (bool connected = false; !connected && !queue_.empty();) {
        if (failures_in_a_row_ > 0) {
            const auto closing = co_await closing_.wait(Deadline::at(next_attempt_));
            if (!closing || *closing || queue_.empty()) break;
            if (ours() + disposing_ > limits_.max_connections()) break; // fewer in the meantime
        }
        connected = co_await connect_once();
        if (closing_.is_set()) break;
    }
    --connecting_;
    grow();
    publish();
    co_return Result<void>{};
}

net::asio::awaitable<bool> Pool::State::connect_once() {
    const MonoTime started = MonotonicClock::now();
    auto connection = co_await connect_(Deadline::after(options_.connect_timeout));
    if (!connection) {
        connect_failed(std::move(connection.error()));
        co_return false;
    }
    failures_in_a_row_ = 0;
    last_failure_.reset();
    metrics_.create_time.observe(MonotonicClock::now() - started);
    const auto jitter = options_.max_lifetime * options_.lifetime_jitter_percent / 100;
    const auto bound = static_cast<std::uint64_t>(jitter.count()) + 1;
    const Duration shorter(Env::current().random_below(bound));
    if (closing_.is_set() || ours() > limits_.max_connections()) {
        dispose(std::move(*connection));
        co_return true;
    }
    idle_.push_back({.connection = std::move(*connection),
                     .expires = started + options_.max_lifetime - shorter,
                     .since = MonotonicClock::now()});
    serve();
    co_return true;
}

void Pool::State::connect_failed(Error error) {
    metrics_.connect_failures.add();
    log::warn("connect_failed", {{"pool", options_.name},
                                 {"code", error.code},
                                 {"sqlstate", error.sqlstate},
                                 {"error", error.message},
                                 {"failures_in_a_row", failures_in_a_row_ + 1}});
    // Doubled each time, and anywhere in the upper half, so that processes don't return in step.
    const int doublings = std::min(failures_in_a_row_++, max_doublings);
    const Duration longest =
        std::min(options_.retry_pause_min * (1 << doublings), options_.retry_pause_max);
    const auto half = static_cast<std::uint64_t>(longest.count() / 2);
    const Duration pause(half + Env::current().random_below(half + 1));
    next_attempt_ = MonotonicClock::now() + pause;
    if (is_hopeless(error)) refuse_waiters(error);
    last_failure_ = std::move(error);
}

void Pool::State::refuse(WaitQueue::Entry& entry, Error error) {
    auto& waiter = static_cast<Waiter&>(entry);
    waiter.refused = std::move(error);
    waiter.decided.set();
}

void Pool::State::refuse_waiters(const Error& error) {
    while (auto* waiter = queue_.pop()) refuse(*waiter, error);
}

MonoTime Pool::State::end_of_idling(const Loan& loan) const {
    return std::min(loan.expires, loan.since + options_.max_idle);
}

void Pool::State::schedule_sweep() {
    if (idle_.empty()) return sweep_.cancel();
    const auto end = [this](const Loan& loan) { return end_of_idling(loan); };
    sweep_.set(Deadline::at(end(*std::ranges::min_element(idle_, {}, end))));
}

/// Closes what has been idle for long or is at the end of its lifetime.
void Pool::State::sweep() {
    const MonoTime now = MonotonicClock::now();
    std::vector<Loan> kept;
    for (Loan& loan : idle_) {
        if (now >= end_of_idling(loan))
            dispose(std::move(loan.connection));
        else
            kept.push_back(std::move(loan));
    }
    idle_ = std::move(kept);
    schedule_sweep();
    publish();
}

Task<void> Pool::State::close(Deadline deadline) {
    closing_.set();
    sweep_.cancel();
    refuse_waiters(closed_error());
    for (Loan& loan : idle_) dispose(std::move(loan.connection));
    idle_.clear();
    publish();
    bool all_back = used_ == 0;
    if (!all_back) {
        CO_TRY(all_back, co_await all_back_.wait(deadline));
    }
    CO_TRY_VOID(co_await gate_.close(deadline));
    if (all_back) co_return Result<void>{};
    co_return fail(ErrorClass::Deadline, "pool_close_deadline",
                   fmt::format("{} database connections were not given back in time.", used_));
}

void Pool::State::publish() {
    metrics_.idle.set(static_cast<std::int64_t>(idle_.size()));
    metrics_.used.set(static_cast<std::int64_t>(used_));
    metrics_.ending.set(static_cast<std::int64_t>(disposing_));
    metrics_.waiting.set(static_cast<std::int64_t>(queue_.size()));
    metrics_.max.set(static_cast<std::int64_t>(limits_.max_connections()));
    metrics_.max_used.set(static_cast<std::int64_t>(limits_.max_used()));
}

Pool::Pool(Loop& loop, Registry& metrics, PoolOptions options, PoolLimits& limits, Connect connect)
    : state_(
          std::make_shared<State>(loop, metrics, std::move(options), limits, std::move(connect))) {}

Pool::~Pool() = default;

Task<Pooled> Pool::acquire(Priority priority, std::string_view holder, Deadline deadline) {
    co_return co_await state_->acquire(priority, holder, deadline);
}

void Pool::limits_changed() { state_->limits_changed(); }

Task<void> Pool::close(Deadline deadline) { co_return co_await state_->close(deadline); }

PoolStats Pool::stats() const { return state_->stats(); }

std::vector<Holding> Pool::holders() const { return state_->holders(); }

} // namespace holdfast::db
