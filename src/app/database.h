#pragma once

// Database: a Store on a PostgreSQL URL with everything it stands on, for serve and for commands.
//
// Owns the pool and the topology that says which server of the URL is the primary (db/topology.h);
// the loop, Offload and Registry it is given outlive it. Connects as whoever the URL names; if that
// is not holdfast_app (a server of yours, --database-url), every session becomes it with the option
// `role`, so that the privileges and pinned plans of that role apply all the same.

#include "base/metrics.h"
#include "base/offload.h"
#include "db/topology.h"
#include "store/pg_store.h"

#include <memory>
#include <string>

namespace holdfast::app {

class Database {
  public:
    /// `name` shows in pg_stat_activity. Error Invalid when the URL is none.
    static Result<std::unique_ptr<Database>> create(net::Loop& loop, Offload& offload,
                                                    Registry& registry, const std::string& url,
                                                    std::string name,
                                                    std::size_t connections_max = 4);

    store::PgStore& store() { return store_; }
    db::Pool& pool() { return pool_; }
    net::Task<void> close(net::Deadline deadline);

  private:
    Database(net::Loop& loop, Registry& registry, db::FixedLimits limits,
             std::vector<std::unique_ptr<db::Server>> servers);

    db::FixedLimits limits_;
    db::Topology topology_;
    db::Pool pool_;
    store::PgStore store_;
};

} // namespace holdfast::app
