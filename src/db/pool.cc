#include "db/pool.h"

#include "base/log.h"
#include "net/gate.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <algorithm>

namespace holdfast::db {
namespace {

constexpr int max_doublings = 10; ///< of the pause between attempts, before its maximum counts

/// The series of one pool.
struct PoolMetrics {
    PoolMetrics(Registry& registry, const std::string& pool)
        : label{{"db_client_connection_pool_name", pool}},
          idle(registry.gauge(count_name, count_help, with("db_client_connection_state", "idle"))),
          used(registry.gauge(count_name, count_help, with("db_client_connection_state", "used"))),
          max(registry.gauge("db_client_connection_max", "Most connections the pool may open.",
                             label)),
          waiting(registry.gauge("db_client_connection_pending_requests",
                                 "Callers waiting for a connection.", label)),
          timeouts(registry.counter("db_client_connection_timeouts_total",
                                    "Callers whose deadline passed while they waited.", label)),
          refused(registry.counter("holdfast_db_pool_refused_total",
                                   "Callers refused or displaced because the queue was full.",
                                   label)),
          connect_failures(registry.counter("holdfast_db_connect_failures_total",
                                            "Attempts to connect that failed.", label)),
          create_time(seconds(registry, "db_client_connection_create_time_seconds",
                              "Time to open a connection.")),
          wait_time(seconds(registry, "db_client_connection_wait_time_seconds",
                            "Time to obtain a connection from the pool.")),
          use_time(seconds(registry, "db_client_connection_use_time_seconds",
                           "Time between borrowing a connection and returning it.")) {}

    static constexpr std::string_view count_name = "db_client_connection_count";
    static constexpr std::string_view count_help = "Open connections by state.";

    Registry::Labels with(std::string name, std::string value) const {
        Registry::Labels labels = label;
        labels.emplace_back(std::move(name), std::move(value));
        return labels;
    }
    Histogram& seconds(Registry& registry, std::string_view name, std::string_view help) const {
        return registry.histogram(name, help, latency_bounds, label);
    }

    Registry::Labels label;
    Gauge &idle, &used, &max, &waiting;
    Counter &timeouts, &refused, &connect_failures;
    Histogram &create_time, &wait_time, &use_time;
};

Error closed_error() {
    return {.kind = ErrorClass::Unavailable,
            .code = "pool_closed",
            .message = "The pool of database connections is closed."};
}

Error full_error() {
    return {.kind = ErrorClass::Overload,
            .code = "pool_queue_full",
            .message = "Too many are waiting for a database connection.",
            .retryable = true};
}

/// Waiting and trying again can't cure it.
bool is_hopeless(const Error& error) {
    return !error.retryable && error.kind != ErrorClass::Deadline && error.code != "cancelled";
}

} // namespace

using Loan = Pooled::Loan;

class Pool::State final : public Pooled::Owner, public std::enable_shared_from_this<State> {
  public:
    State(Loop& loop, Registry& registry, PoolOptions options, const PoolLimits& limits,
          Connect connect)
        : loop_(loop),
          options_(std::move(options)),
          limits_(limits),
          connect_(std::move(connect)),
          metrics_(registry, options_.name),
          gate_(loop, "db.pool." + options_.name),
          closing_(loop, net::Event::Reset::Manual),
          all_back_(loop, net::Event::Reset::Manual),
          sweep_(loop, [this] { sweep(); }) {}

    Task<Pooled> acquire(Priority priority, Deadline deadline);
    Task<void> close(Deadline deadline);
    void give_back(Loan loan) override;
    PoolStats stats() const {
        return {.idle = idle_.size(),
                .used = used_,
                .connecting = connecting_,
                .disposing = disposing_,
                .waiting = queue_.size()};
    }

  private:
    struct Waiter;

    bool usable(const Loan& loan) const;
    std::optional<Loan> take_idle();
    Pooled lend(Loan loan, MonoTime asked);
    void hand_over(Loan loan);
    void dispose(std::unique_ptr<Connection> connection);
    Task<void> disposing(std::unique_ptr<Connection> connection);
    void grow();
    Task<void> connecting();
    net::asio::awaitable<bool> connect_once();
    void connect_failed(Error error);
    void refuse_waiters(const Error& error);
    MonoTime end_of_idling(const Loan& loan) const;
    void schedule_sweep();
    void sweep();
    Error wait_error() const;
    void publish();

    std::size_t open() const { return idle_.size() + used_ + connecting_ + disposing_; }

    Loop& loop_;
    const PoolOptions options_;
    const PoolLimits& limits_;
    Connect connect_;
    PoolMetrics metrics_;

    WaitQueue queue_;        ///< empty while there are idle connections
    std::vector<Loan> idle_; ///< the one used last is at the end
    std::size_t used_ = 0, connecting_ = 0, disposing_ = 0;
    int failures_in_a_row_ = 0;
    MonoTime next_attempt_; ///< while failures_in_a_row_ > 0, likewise:
    std::optional<Error> last_failure_;

    net::Gate gate_;
    net::Event closing_, all_back_;
    net::Alarm sweep_;
};

/// In the frame of acquire(); when that is destroyed while it waits, nothing is lost.
struct Pool::State::Waiter : WaitQueue::Entry {
    Waiter(State& s, Priority p)
        : Entry(p), state(s), decided(s.loop_, net::Event::Reset::Manual) {}
    ~Waiter() {
        state.queue_.remove(*this);
        if (granted) state.give_back(std::move(*granted));
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    State& state;
    net::Event decided;
    std::optional<Loan> granted;
    std::optional<Error> refused;
};

Task<Pooled> Pool::State::acquire(Priority priority, Deadline deadline) {
    const auto self = shared_from_this();
    const MonoTime asked = MonotonicClock::now();
    if (closing_.is_set()) co_return fail(closed_error());
    if (auto loan = take_idle()) co_return lend(std::move(*loan), asked);

    Waiter waiter(*this, priority);
    const auto admission = queue_.admit(waiter, limits_.max_waiting());
    if (admission.displaced) {
        auto& displaced = static_cast<Waiter&>(*admission.displaced);
        displaced.refused = full_error();
        displaced.decided.set();
    }
    if (!admission.admitted || admission.displaced) metrics_.refused.add();
    if (!admission.admitted) co_return fail(full_error());
    grow();
    publish();

    const auto in_time = co_await waiter.decided.wait(deadline);
    queue_.remove(waiter);
    publish();
    if (!in_time) co_return std::unexpected(in_time.error()); // cancelled
    if (waiter.granted) {
        Loan loan = std::move(*waiter.granted);
        waiter.granted.reset();
        --used_; // lend() counts it
        co_return lend(std::move(loan), asked);
    }
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

bool Pool::State::usable(const Loan& loan) const {
    return !loan.connection->broken() && !loan.connection->in_transaction() &&
           MonotonicClock::now() < loan.expires;
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

Pooled Pool::State::lend(Loan loan, MonoTime asked) {
    ++used_;
    loan.since = MonotonicClock::now();
    metrics_.wait_time.observe(loan.since - asked);
    publish();
    return {shared_from_this(), std::move(loan)};
}

void Pool::State::give_back(Loan loan) {
    --used_;
    metrics_.use_time.observe(MonotonicClock::now() - loan.since);
    const bool surplus = idle_.size() + used_ + connecting_ >= limits_.max_connections();
    if (surplus || !usable(loan))
        dispose(std::move(loan.connection));
    else
        hand_over(std::move(loan));
    if (closing_.is_set() && used_ == 0) all_back_.set();
    publish();
}

/// To whoever is next, or to the idle ones.
void Pool::State::hand_over(Loan loan) {
    if (closing_.is_set()) return dispose(std::move(loan.connection));
    loan.since = MonotonicClock::now();
    if (auto* next = static_cast<Waiter*>(queue_.pop())) {
        ++used_;
        next->granted = std::move(loan);
        next->decided.set();
        return;
    }
    idle_.push_back(std::move(loan));
    schedule_sweep();
}

/// The slot stays taken until the server has let go of the session.
void Pool::State::dispose(std::unique_ptr<Connection> connection) {
    ++disposing_;
    if (!gate_.spawn(disposing(std::move(connection)))) --disposing_; // the gate is closed
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
    const std::size_t at_once = failures_in_a_row_ > 0 ? 1 : limits_.max_connecting();
    while (!closing_.is_set() && connecting_ < at_once && connecting_ < queue_.size() &&
           open() < limits_.max_connections()) {
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
    hand_over({.connection = std::move(*connection),
               .expires = started + options_.max_lifetime - shorter,
               .since = started});
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

void Pool::State::refuse_waiters(const Error& error) {
    while (auto* waiter = static_cast<Waiter*>(queue_.pop())) {
        waiter->refused = error;
        waiter->decided.set();
    }
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
    metrics_.waiting.set(static_cast<std::int64_t>(queue_.size()));
    metrics_.max.set(static_cast<std::int64_t>(limits_.max_connections()));
}

Pool::Pool(Loop& loop, Registry& metrics, PoolOptions options, const PoolLimits& limits,
           Connect connect)
    : state_(
          std::make_shared<State>(loop, metrics, std::move(options), limits, std::move(connect))) {}

Pool::~Pool() = default;

Task<Pooled> Pool::acquire(Priority priority, Deadline deadline) {
    co_return co_await state_->acquire(priority, deadline);
}

Task<void> Pool::close(Deadline deadline) { co_return co_await state_->close(deadline); }

PoolStats Pool::stats() const { return state_->stats(); }

} // namespace holdfast::db
