#pragma once

// Pool: the few connections that many coroutines share.
//
//   CO_TRY(Pooled connection, co_await pool.acquire(Priority::Payment, "find_intent", deadline));
//   CO_TRY(auto results, co_await connection->run(pipeline, deadline));
//   // back in the pool when `connection` goes out of scope, also on errors
//
// Small on purpose: a database does its best with about two connections per core, and what queues
// here would otherwise queue there, holding locks. How small is PoolLimits' business and may change
// at run time (adaptive_limits.h). Idle connections are reused last in, first out, so that surplus
// ones age and go. When all are in use callers wait in a queue ordered by priority, then arrival;
// each with its own deadline. A quarter of the connections is kept back from those who browse,
// report or do jobs, so that a payment finds one. The queue is bounded: when it is full a newcomer
// takes the place of the newest waiter of a lower priority, or is refused; and when it does not get
// shorter, the less urgent are dropped (queue_delay.h).
//
// A connection that comes back broken, in an open transaction or past its lifetime is disposed of,
// and its slot is free only when the server has let go of the session: otherwise a burst of
// timeouts would pile up sessions beyond the limit. Lifetimes are spread by random jitter. One that
// has been idle for `check_idle_after` has to answer before it is lent; when it does not, all that
// were idle as long go with it.
//
// While the database is away waiters stay in the queue until their deadline and connecting is tried
// again with growing pauses: a short outage costs time, not errors. An error that waiting can't
// cure (wrong password, no such database) fails all waiters at once.
//
// Each caller gives the name of its code: who holds a connection for longer than `held_long` is
// named in the log, and holders() lists all.
//
// Errors of acquire(): Overload "pool_queue_full", "pool_overloaded"; Deadline
// "pool_wait_deadline"; Unavailable "database_unavailable" when the deadline passed while
// connecting failed; Unavailable "pool_closed"; what the server said about wrong credentials.
//
// Never acquire a second connection while holding one: two such callers can starve each other.
// Thread: that of the Loop. Metrics: OpenTelemetry's db.client.connection.*, labelled with the
// pool's name, and holdfast_db_pool_* (pool_metrics.h), holdfast_db_connections_held (holders.h).

#include "base/metrics.h"
#include "db/connection.h"
#include "db/holders.h"
#include "db/pool_limits.h"
#include "db/queue_delay.h"

#include <functional>
#include <memory>
#include <string>

namespace holdfast::db {

struct PoolOptions {
    std::string name = "db"; ///< label of its metrics
    Duration connect_timeout = std::chrono::seconds{2};
    Duration max_lifetime = std::chrono::minutes{30};
    int lifetime_jitter_percent = 10; ///< up to so much shorter, each connection its own
    Duration max_idle = std::chrono::minutes{10};
    Duration check_idle_after = std::chrono::seconds{2};
    Duration check_timeout = std::chrono::milliseconds{500};
    Duration retry_pause_min = std::chrono::milliseconds{50}; ///< between attempts to connect;
    Duration retry_pause_max = std::chrono::seconds{1};       ///< doubles from min to max
    Duration dispose_timeout = std::chrono::minutes{1}; ///< then the slot is free all the same
    Duration held_long = std::chrono::seconds{1};       ///< then its holder is named
    QueueDelay::Options queue_delay;
};

struct PoolStats {
    std::size_t idle = 0, used = 0, connecting = 0, disposing = 0, waiting = 0;
    bool operator==(const PoolStats&) const = default;
};

/// A connection on loan. Safe across co_await; may outlive the Pool (it is closed then).
class Pooled {
  public:
    struct Loan {
        std::unique_ptr<Connection> connection;
        MonoTime expires; ///< end of its lifetime
        MonoTime since;   ///< lent or idle since
        MonoTime idle_since{};
        std::string_view holder{};
        std::uint64_t number = 0; ///< of the loan
        Duration queued{};        ///< LoanReport::queued
        bool checked = false;     ///< fit for use
    };
    struct Owner {
        virtual ~Owner() = default;
        virtual void give_back(Loan loan) = 0;
    };

    Pooled(std::shared_ptr<Owner> owner, Loan loan)
        : owner_(std::move(owner)), loan_(std::move(loan)) {}
    Pooled(Pooled&&) noexcept = default;
    Pooled& operator=(Pooled&& other) noexcept {
        release();
        owner_ = std::move(other.owner_);
        loan_ = std::move(other.loan_);
        return *this;
    }
    ~Pooled() { release(); }

    Connection* operator->() const { return loan_.connection.get(); }
    Connection& operator*() const { return *loan_.connection; }

    /// For the pool: its use begins now.
    void passed_check() {
        loan_.checked = true;
        loan_.since = MonotonicClock::now();
    }

    /// Gives it back now.
    void release() {
        if (loan_.connection) owner_->give_back(std::move(loan_));
        owner_.reset();
    }

  private:
    std::shared_ptr<Owner> owner_;
    Loan loan_;
};

class Pool {
  public:
    using Connect = std::function<Task<std::unique_ptr<Connection>>(Deadline)>;

    /// `metrics` and `limits` outlive the pool.
    Pool(Loop& loop, Registry& metrics, PoolOptions options, PoolLimits& limits, Connect connect);
    /// After close().
    ~Pool();

    /// `holder` names the code that asks, in few different ways.
    Task<Pooled> acquire(Priority priority, std::string_view holder, Deadline deadline);

    /// The limits are others than they were: closes what is idle beyond them, serves who waits.
    void limits_changed();

    /// Refuses newcomers and waiters, waits for the connections on loan and closes everything.
    /// Error "pool_close_deadline" when some were not given back in time.
    Task<void> close(Deadline deadline);

    PoolStats stats() const;
    /// Who has connections on loan, the longest first.
    std::vector<Holding> holders() const;

  private:
    class State;
    std::shared_ptr<State> state_;
};

/// The usual Connect of a pool. `offload` outlives it.
Pool::Connect connector(Loop& loop, Offload& offload, ConnectOptions options);

} // namespace holdfast::db
