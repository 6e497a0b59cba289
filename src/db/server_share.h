#pragma once

// ServerShare: how many of the server's places for sessions this process may take.
//
// The places are counted, not configured: what max_connections, superuser_reserved_connections and
// the connection limits of our role and database leave, less the sessions of others that are there
// now, less `headroom`, divided by the processes of ours that are alive. The reading changes
// nothing on the server.
//
// Who is alive shows in pg_stat_activity: each process keeps one session that is named
// holdfast:share:NAME, beside its others named holdfast:NAME, and asks over it. So two processes of
// one name count as two, one that died counts until the server has let go of its sessions, and
// nobody has to write a heartbeat, or to believe the clock of one. Commands (doctor, migrations)
// have no such session: what they hold is counted among the sessions of others.
//
// What we hold already is not given up because others have come: whoever takes all places stops
// the growth of our pools and takes nothing from them. Limits that somebody has set are obeyed all
// the same. The headroom lets the first sessions of a new process in, whereupon the others shrink.
//
// ShareWatch measures every `interval` over a connection of its own, apart from the pool, which
// may be exhausted just then. While it can't, the last share holds: it never grows unseen.
//
//   ShareWatch watch(loop, registry, {.process = "pay-1", .outside_pool = 6},
//                    census_of("pay-1", topology.connector()), limits, pool);
//   watch.start();  ...  co_await watch.stop(deadline);            // before the pool's close()
//
// Owner: who owns the pool. Thread: that of the Loop. Metrics: holdfast_db_share_*.

#include "base/metrics.h"
#include "db/adaptive_limits.h"
#include "db/pool.h"
#include "net/gate.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::db {

/// The places of a server and who sits on them.
struct Census {
    struct Sessions {
        std::string application;
        bool our_role = false, our_database = false;
        std::int64_t count = 0;
    };
    std::int64_t max_connections = 0;
    std::int64_t reserved = 0;                         ///< for superusers
    std::int64_t role_limit = -1, database_limit = -1; ///< -1: none
    std::vector<Sessions> sessions;
};

struct Share {
    std::int64_t processes = 0;   ///< of ours, alive
    std::int64_t capacity = 0;    ///< for all of ours
    std::int64_t connections = 0; ///< for each
    bool operator==(const Share&) const = default;
};

/// Never shared out: the first sessions of a new process, a migration, an operator.
inline constexpr std::int64_t share_headroom = 4;

/// `last_capacity`: as it was measured last, 0 the first time.
Share share_of(const Census& census, std::int64_t last_capacity);

/// Looks at the server over a connection that it keeps, and closes when asked to.
class CensusTaker {
  public:
    virtual ~CensusTaker() = default;
    virtual Task<Census> take(Deadline deadline) = 0;
    virtual Task<void> close(Deadline deadline) = 0;
};
std::unique_ptr<CensusTaker> census_of(std::string process, Pool::Connect connect);

struct ShareOptions {
    std::size_t outside_pool = 0; ///< connections of this process that are not the pool's
    Duration interval = std::chrono::seconds{2};
    Duration patience = std::chrono::seconds{1}; ///< for one look
};

class ShareWatch {
  public:
    /// All outlive it.
    ShareWatch(Loop& loop, Registry& metrics, ShareOptions options,
               std::unique_ptr<CensusTaker> census, AdaptiveLimits& limits, Pool& pool);

    void start();
    Task<void> stop(Deadline deadline);

  private:
    Task<void> watch();
    void apply(const Share& share);

    ShareOptions options_;
    std::unique_ptr<CensusTaker> census_;
    AdaptiveLimits& limits_;
    Pool& pool_;
    Share last_;
    bool failing_ = false;
    Gauge &processes_, &capacity_, &connections_;
    Counter& failures_;
    net::Gate gate_;
};

} // namespace holdfast::db
