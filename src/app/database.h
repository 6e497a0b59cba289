#pragma once

// Database: a Store on a PostgreSQL URL with everything it stands on, for serve and for commands.
//
// store() is for whoever decides, shown() for what is only shown (store/shown_reads.h).
//
// Owns the pool with its limits and the topology that says which server of the URL is the primary
// (db/topology.h); the loop, Offload and Registry it is given outlive it. Connects as whoever the
// URL names; if that is not holdfast_app (a server of yours, --database-url), every session becomes
// it with the option `role`, so that the privileges and pinned plans of that role apply all the
// same.
//
// The pool of a process of the platform is held to its share of the server's connections
// (db/server_share.h). That of a command is small, and counts as somebody else's. Damaged pages
// that the server reports are named (db/damage.h).

#include "base/metrics.h"
#include "base/offload.h"
#include "db/damage.h"
#include "db/server_share.h"
#include "db/topology.h"
#include "store/pg_store.h"
#include "store/shown_reads.h"

#include <memory>
#include <optional>
#include <string>

namespace holdfast::app {

struct DatabaseOptions {
    std::string name; ///< shows in pg_stat_activity as holdfast:NAME
    db::PoolBounds pool{.lower = 2, .upper = 4};
    /// Set for a process of the platform: its connections that are none of the pool's.
    std::optional<std::size_t> outside_pool;
};

class Database {
  public:
    /// Connections for looking at the primary (topology) and at its sessions (share).
    static constexpr std::size_t own_connections = 2;
    /// Sessions with a standby, for what is shown while the primary is away.
    static constexpr std::size_t standby_connections = 2;

    /// Error Invalid when the URL is none.
    static Result<std::unique_ptr<Database>> create(net::Loop& loop, Offload& offload,
                                                    Registry& registry, const std::string& url,
                                                    DatabaseOptions options);

    store::PgStore& store() { return store_; }
    store::Reads& shown() { return shown_; }
    db::Pool& pool() { return pool_; }
    /// Other bounds, at once: surplus connections that are idle are closed, those on loan when they
    /// come back.
    void set_pool(db::PoolBounds bounds);
    net::Task<void> close(net::Deadline deadline);

  private:
    Database(net::Loop& loop, Registry& registry, const DatabaseOptions& options,
             std::vector<std::unique_ptr<db::Server>> servers);

    db::AdaptiveLimits limits_;
    db::Topology topology_;
    db::Pool pool_;
    db::DamageWatch damage_;
    std::optional<db::ShareWatch> share_;
    store::PgStore store_;
    db::FixedLimits standby_limits_;
    db::Pool standby_pool_;
    store::ShownReads shown_;
};

} // namespace holdfast::app
