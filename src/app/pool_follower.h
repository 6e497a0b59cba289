#pragma once

// PoolFollower: one process keeps its pool of database connections as DATA/pool.json says
// (pool_settings.h), from the moment it is written.
//
// Looks at the file every `interval`, on another thread. What can't be read, or makes no sense, is
// logged once and ends a trial; else what held goes on holding. So does the end of a trial's time,
// which is measured here, from when it was first seen, and by nobody's wall clock.
//
// Thread: that of the loop. Metrics: holdfast_db_pool_setting (what holds, by bound) and
// holdfast_db_pool_trial.

#include "app/database.h"
#include "app/pool_settings.h"
#include "base/offload.h"
#include "net/gate.h"

#include <string>

namespace holdfast::app {

/// For whoever has a pool.
db::PoolBounds bounds_of(const PoolSize& size);

struct FollowerOptions {
    std::string path;    ///< empty: nothing is followed
    PoolSize configured; ///< while there is no file
    ProcessName self;
};

class PoolFollower {
  public:
    static constexpr Duration interval = std::chrono::milliseconds{200};

    PoolFollower(Offload& offload, net::Loop& loop, Registry& metrics, FollowerOptions options);

    /// Before there is a pool: what it begins with. Blocks for a read.
    PoolSize begin();
    void start(Database& database);
    net::Task<void> stop(net::Deadline deadline);

  private:
    /// What one look at the disk found.
    struct Seen {
        PoolSettings settings;
        bool conductor_lives = false;
    };
    static Result<Seen> look(const std::string& path);
    net::Task<void> follow();
    void note(Result<Seen> seen);

    Offload& offload_;
    FollowerOptions options_;
    Database* database_ = nullptr;
    Seen seen_;
    MonoTime trial_since_;
    bool readable_ = true;
    PoolSize in_force_;
    Gauge &min_, &max_, &trial_;
    net::Gate gate_;
};

} // namespace holdfast::app
