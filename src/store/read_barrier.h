#pragma once

// ReadBarrier: proves that what was read at the primary is on its synchronous standby, too.
//
// PostgreSQL shows a transaction when its wait for the standby is over; also when that wait was
// given up, because its session was cancelled or terminated or the postmaster died, and after crash
// recovery, which shows everything in the log. What is shown so may never have been after a
// failover. No reader can tell such a row from others. But the log is ordered: when a commit that
// was sent after the read has been acknowledged, the standby has everything that the read could
// see, on this primary. So reads that must be sure wait for such a commit, all that wait at the
// same time for the same one, and while no transaction has begun since the last one for none.
//
//   const auto epoch = topology.view().epoch();
//   ... read, with sql::seen_below behind it ...
//   CO_TRY(bool sure, co_await barrier.confirm(epoch, seen_below, deadline));
//
// False: there was another primary meanwhile; what was read may be lost, read again.
//
// Limits: one commit at a time, so at most a session of the pool, and one every `pace`, so that
// many who read take nothing worth mentioning from those who pay; it may take `patience`. Where
// commits wait for no standby there is nothing to wait for (seen_below is 0). Errors: Unavailable
// "read_not_confirmed", retryable. Thread: that of the Loop. Metrics:
// holdfast_store_read_barriers_total.
//
// Sources: SyncRepWaitForLSN and RecordTransactionCommit of PostgreSQL 15;
// docs/adr/0013-reads-for-display.md.

#include "base/metrics.h"
#include "db/pool.h"
#include "db/topology.h"
#include "net/gate.h"
#include "net/timer.h"

#include <memory>
#include <optional>

namespace holdfast::store {

class ReadBarrier {
  public:
    static constexpr Duration pace = std::chrono::milliseconds{20};
    static constexpr Duration patience = std::chrono::seconds{30};

    /// All outlive it.
    ReadBarrier(net::Loop& loop, Registry& metrics, db::Pool& pool, const db::Topology& topology);

    /// Of a read that was begun and answered in `epoch` and saw no transaction from `seen_below`
    /// on.
    net::Task<bool> confirm(std::uint64_t epoch, std::int64_t seen_below, net::Deadline deadline);
    /// Before the pool is closed.
    net::Task<void> stop(net::Deadline deadline);

  private:
    struct Round;
    net::Task<void> run_rounds();
    net::Task<std::uint64_t> commit();

    net::Loop& loop_;
    db::Pool& pool_;
    const db::Topology& topology_;
    Counter& barriers_;
    std::uint64_t sure_in_ = 0;   ///< epoch of:
    std::int64_t sure_below_ = 0; ///< all before this number that have ended are durable
    std::shared_ptr<Round> next_; ///< not begun yet; null: nobody waits for one
    bool running_ = false;
    MonoTime began_{}; ///< the last commit
    net::Gate gate_;
};

} // namespace holdfast::store
