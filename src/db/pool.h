#pragma once

// Pool: the few connections that many coroutines share.
//
//   CO_TRY(Pooled connection, co_await pool.acquire(Priority::Payment, deadline));
//   CO_TRY(auto results, co_await connection->run(pipeline, deadline));
//   // back in the pool when `connection` goes out of scope, also on errors
//
// Small on purpose: a database does its best with about two connections per core, and what queues
// here would otherwise queue there, holding locks. Idle connections are reused last in, first out,
// so that surplus ones age and go. When all are in use callers wait in a queue ordered by priority,
// then arrival; each with its own deadline. The queue is bounded: when it is full a newcomer takes
// the place of the newest waiter of a lower priority, or is refused.
//
// A connection that comes back broken, in an open transaction or past its lifetime is disposed of,
// and its slot is free only when the server has let go of the session: otherwise a burst of
// timeouts would pile up sessions beyond the limit. Lifetimes are spread by random jitter.
//
// While the database is away waiters stay in the queue until their deadline and connecting is tried
// again with growing pauses: a short outage costs time, not errors. An error that waiting can't
// cure (wrong password, no such database) fails all waiters at once.
//
// Errors of acquire(): Overload "pool_queue_full"; Deadline "pool_wait_deadline"; Unavailable
// "database_unavailable" when the deadline passed while connecting failed; Unavailable
// "pool_closed"; what the server said about wrong credentials.
//
// Never acquire a second connection while holding one: two such callers can starve each other.
// Thread: that of the Loop. Limits come from PoolLimits and may change at run time. Metrics:
// OpenTelemetry's db.client.connection.*, labelled with the pool's name.

#include "base/metrics.h"
#include "db/connection.h"
#include "db/wait_queue.h"

#include <functional>
#include <memory>
#include <string>

namespace holdfast::db {

/// How large the pool may be, now. Asked at every decision.
class PoolLimits {
  public:
    virtual ~PoolLimits() = default;
    virtual std::size_t max_connections() const = 0;
    virtual std::size_t max_waiting() const = 0;
    virtual std::size_t max_connecting() const = 0; ///< at the same time
};

struct FixedLimits final : PoolLimits {
    std::size_t connections = 8;
    std::size_t waiting = 1'000;
    std::size_t connecting = 2;
    std::size_t max_connections() const override { return connections; }
    std::size_t max_waiting() const override { return waiting; }
    std::size_t max_connecting() const override { return connecting; }
};

struct PoolOptions {
    std::string name = "db"; ///< label of its metrics
    Duration connect_timeout = std::chrono::seconds{2};
    Duration max_lifetime = std::chrono::minutes{30};
    int lifetime_jitter_percent = 10; ///< up to so much shorter, each connection its own
    Duration max_idle = std::chrono::minutes{10};
    Duration retry_pause_min = std::chrono::milliseconds{50}; ///< between attempts to connect;
    Duration retry_pause_max = std::chrono::seconds{1};       ///< doubles from min to max
    Duration dispose_timeout = std::chrono::seconds{2};
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
    Pool(Loop& loop, Registry& metrics, PoolOptions options, const PoolLimits& limits,
         Connect connect);
    /// After close().
    ~Pool();

    Task<Pooled> acquire(Priority priority, Deadline deadline);

    /// Refuses newcomers and waiters, waits for the connections on loan and closes everything.
    /// Error "pool_close_deadline" when some were not given back in time.
    Task<void> close(Deadline deadline);

    PoolStats stats() const;

  private:
    class State;
    std::shared_ptr<State> state_;
};

/// The usual Connect of a pool. `offload` outlives it.
Pool::Connect connector(Loop& loop, Offload& offload, ConnectOptions options);

} // namespace holdfast::db
