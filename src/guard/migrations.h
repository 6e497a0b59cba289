#pragma once

// Migrations: brings a database's schema to that of this build, one step after the other, without
// ever making payments wait.
//
//   Migrations migrations(loop, db::connector(loop, offload, options));
//   CO_TRY(auto applied, co_await migrations.up(deadline));
//
// What a step may cost others is bounded: it waits for a lock for at most its lock-budget (100 ms
// or less), and everything that would queue behind it waits no longer than that. When it does not
// get the lock it gives up, pauses (growing, jittered) and tries again, attempts_max times; it
// never waits without a limit. While it waits, a second connection looks who is in the way
// (pg_blocking_pids), so that the Error "migration_blocked" names them.
//
// Each step is one transaction together with its row in schema_migrations: it is applied and
// recorded, or neither. One runner at a time: a session advisory lock, waited for until the
// deadline. An applied file that has been changed since is refused, as is a database that a newer
// build has migrated, and any PostgreSQL but 15.
//
// down() takes back the last applied step if it is an expand step.
//
// Errors (code): postgres_version, migration_malformed, migration_changed, migration_newer,
// migration_running, migration_blocked (retryable), migration_irreversible; otherwise the
// database's, with the step's name in the message.
//
// Connect as a role that may create roles for step 1, afterwards as holdfast_migrator (SET ROLE
// holdfast_owner). Thread: that of the Loop, which outlives it.

#include "db/pool.h"
#include "guard/migration_plan.h"

#include <functional>
#include <memory>

namespace holdfast::guard {

using net::Deadline;
using net::Loop;
using net::Task;

struct MigrationOptions {
    int attempts_max = 30;
    Duration pause_min = std::chrono::milliseconds{50};
    Duration pause_max = std::chrono::seconds{2};
    std::chrono::milliseconds statement_timeout{60'000};
    std::function<void(std::string_view)> progress; ///< one line per applied step; may be empty
};

struct StepStatus {
    int version = 0;
    std::string name;
    bool applied = false;
    WallTime applied_at;
    std::int64_t duration_ms = 0;
    std::int32_t attempts = 0;
};

class Migrations {
  public:
    Migrations(Loop& loop, db::Pool::Connect connect, MigrationOptions options = {},
               std::span<const SchemaFile> files = schema_files());

    /// Applies what is missing; the names of the steps applied.
    Task<std::vector<std::string>> up(Deadline deadline);
    /// Takes the last step back; its name, or empty when none is applied.
    Task<std::string> down(Deadline deadline);
    /// Every step of this build. Errors as for up(), but takes no lock and changes nothing.
    Task<std::vector<StepStatus>> status(Deadline deadline);

  private:
    struct Blockers;

    Task<std::vector<StepStatus>> check(db::Connection& connection, Deadline deadline);
    Task<void> lock_runner(db::Connection& connection, Deadline deadline);
    Task<int> run_step(db::Connection& connection, const Step& step, bool inverse,
                       Deadline deadline);
    Task<void> try_step(db::Connection& connection, std::string script, const Step& step,
                        std::shared_ptr<Blockers> blockers, Deadline deadline);
    Task<void> watch_blockers(std::shared_ptr<Blockers> blockers, int pid, Deadline deadline);

    Loop& loop_;
    db::Pool::Connect connect_;
    MigrationOptions options_;
    std::span<const SchemaFile> files_;
};

} // namespace holdfast::guard
