#pragma once

// ShownReads: Reads for display, never for a decision: the one place that chooses which server is
// asked for what people are only shown.
//
//   the primary             answers when it is there. What it shows is on its synchronous standby,
//                           too, before it is told (read_barrier.h): a payment that was shown
//                           outlives the primary.
//   else a standby          while no primary answers, or when it has failed: if it has every batch
//                           that was acknowledged here (acknowledged.h), has replayed all that it
//                           was sent, and answers within standby_patience. A lock of the primary
//                           holds there, too. That it finds nothing is no answer: what somebody
//                           else wrote may be missing.
//   else the primary again  for which primary_patience is waited; then, while there is none, the
//                           answer is an error, soon: who asks again costs us less than who waits
//
// A read that was lost on its way (a silent primary: db/topology.h) is asked again, rounds_max
// times. Errors are those of db::Pool and db::Connection, and Unavailable, retryable:
// "read_not_confirmed", "primary_changed".
//
// What this process, or another by its marks, knows better is not here but before it (api/rows.h).
// Thread: that of the Loop. Metrics: holdfast_store_reads_shown_total by source; who answers is
// logged when it changes.

#include "db/pool.h"
#include "db/topology.h"
#include "store/acknowledged.h"
#include "store/pg_reads.h"
#include "store/read_barrier.h"

namespace holdfast::store {

class ShownReads final : public PgReads {
  public:
    static constexpr Duration standby_patience = std::chrono::milliseconds{200};
    /// For a connection to it.
    static constexpr Duration primary_patience = std::chrono::seconds{2};
    /// For the commit by which it is sure what was read (read_barrier.h).
    static constexpr Duration confirm_patience = std::chrono::seconds{5};
    static constexpr int rounds_max = 3;

    /// The servers that may be asked; all outlive it.
    struct Servers {
        const db::Topology& topology;
        db::Pool& primary;
        db::Pool& standby; ///< sessions of Topology::connect_standby()
    };
    ShownReads(net::Loop& loop, Registry& metrics, Servers servers,
               const Acknowledged& acknowledged);

    /// Before the pools are closed.
    Task<void> stop(Deadline deadline) { return barrier_.stop(deadline); }

  private:
    enum class Source : std::uint8_t { Primary, Standby };

    Task<std::vector<db::QueryResult>> ask(db::Priority priority, db::Pipeline& pipeline,
                                           Deadline deadline) override;
    Task<std::vector<db::QueryResult>> ask_primary(db::Priority priority,
                                                   const db::Pipeline& pipeline, Deadline deadline);
    Task<std::vector<db::QueryResult>> ask_standby(const db::Pipeline& pipeline, Deadline deadline);
    Task<void> wait_replayed(db::Connection& standby, Deadline deadline);
    void answered_by(Source source);

    Servers servers_;
    const Acknowledged& acknowledged_;
    ReadBarrier barrier_;
    Counter& from_primary_;
    Counter& from_standby_;
    Source source_ = Source::Primary; ///< of the last answer
};

} // namespace holdfast::store
