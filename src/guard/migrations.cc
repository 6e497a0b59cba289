#include "guard/migrations.h"

#include "guard/migrations_sql.h"
#include "net/gate.h"
#include "net/timer.h"

#include <algorithm>

namespace holdfast::guard {

using db::Effect;
using db::Pipeline;

namespace {

constexpr int postgres_major = 15, versions_per_major = 10'000;
constexpr Duration watch_interval = std::chrono::milliseconds{10};
constexpr Duration runner_poll_interval = std::chrono::milliseconds{100};
constexpr Duration watcher_patience = std::chrono::seconds{5};

Result<std::string> describe_session(db::Row row) {
    std::int32_t pid = 0;
    std::string_view user, application, state;
    std::int64_t seconds = 0;
    TRY_VOID(row.read(pid, user, application, state, seconds));
    return fmt::format("pid {} ({}, {}, {} for {} s)", pid, user, application,
                       state.empty() ? "state hidden" : state, seconds);
}

Result<std::string> describe_sessions(const db::QueryResult& result) {
    std::string text;
    for (db::Row row : result) {
        TRY(const std::string session, describe_session(row));
        text += (text.empty() ? "" : ", ") + session;
    }
    return text;
}

bool lost_the_lock(const Error& error) {
    constexpr std::string_view lock_not_available = "55P03", deadlock_detected = "40P01";
    return error.sqlstate == lock_not_available || error.sqlstate == deadlock_detected;
}

Error of_step(Error error, const Step& step) {
    error.message = fmt::format("{}: {}", step.name, error.message);
    return error;
}

/// Doubling from the shortest to the longest, and up to half of it less.
Duration pause_after(int attempt, const MigrationOptions& options) {
    Duration pause = options.pause_min;
    for (int i = 1; i < attempt && pause < options.pause_max; ++i) pause *= 2;
    pause = std::min(pause, options.pause_max);
    const auto half = static_cast<std::uint64_t>(pause.count() / 2);
    return pause - Duration{static_cast<Duration::rep>(Env::current().random_below(half + 1))};
}

} // namespace

/// Who stood in the way of a step, as a second connection saw it.
struct Migrations::Blockers {
    std::string seen; ///< the last ones; empty when none
    bool done = false;
};

Migrations::Migrations(Loop& loop, db::Pool::Connect connect, MigrationOptions options,
                       std::span<const SchemaFile> files)
    : loop_(loop), connect_(std::move(connect)), options_(std::move(options)), files_(files) {}

namespace {

/// Enters what schema_migrations says into the status of each step.
Result<void> enter_applied(const db::QueryResult& applied, const std::vector<Step>& steps,
                           std::vector<StepStatus>& status) {
    for (db::Row row : applied) {
        std::int32_t version = 0;
        std::string_view name, checksum;
        StepStatus found{.applied = true};
        TRY_VOID(
            row.read(version, name, checksum, found.applied_at, found.attempts, found.duration_ms));
        if (version < 1 || static_cast<std::size_t>(version) > steps.size()) {
            return fail(ErrorClass::Invalid, "migration_newer",
                        fmt::format("The database has step {}, which this build does not know: "
                                    "run the build that applied it, or a newer one.",
                                    name));
        }
        const Step& step = steps[static_cast<std::size_t>(version) - 1];
        if (step.name != name || step.checksum != checksum) {
            return fail(ErrorClass::Invalid, "migration_changed",
                        fmt::format("{} is not the file that was applied as {}: an applied file "
                                    "never changes, write a new step.",
                                    step.name, name));
        }
        found.version = version;
        found.name = step.name;
        status[static_cast<std::size_t>(version) - 1] = std::move(found);
    }
    return {};
}

} // namespace

/// Compares the database with this build; the status of every step.
Task<std::vector<StepStatus>> Migrations::check(db::Connection& connection, Deadline deadline) {
    if (connection.server_version() / versions_per_major != postgres_major) {
        co_return fail(ErrorClass::Invalid, "postgres_version",
                       fmt::format("Holdfast runs on PostgreSQL {}; this server is version {}.",
                                   postgres_major, connection.server_version()));
    }
    CO_TRY(const auto steps, plan_migrations(files_));
    std::vector<StepStatus> status;
    for (const Step& step : steps) {
        status.push_back({.version = step.version, .name = step.name});
    }
    Pipeline ask{Effect::Read};
    ask.add(sql::is_registered);
    CO_TRY(auto registered, co_await connection.run(ask, deadline));
    CO_TRY(const bool any, registered[0].front().get<bool>(0));
    if (!any) co_return status;

    Pipeline list{Effect::Read};
    list.add(sql::list_applied);
    CO_TRY(auto applied, co_await connection.run(list, deadline));
    CO_TRY_VOID(enter_applied(applied[0], steps, status));
    co_return status;
}

Task<void> Migrations::lock_runner(db::Connection& connection, Deadline deadline) {
    for (;;) {
        Pipeline pipeline{Effect::Read};
        const auto tried = pipeline.add(sql::try_lock, sql::runner_lock, sql::runner_lock_part);
        const auto holder = pipeline.add(sql::lock_holder, sql::runner_lock, sql::runner_lock_part);
        CO_TRY(auto results, co_await connection.run(pipeline, deadline));
        CO_TRY(const bool ours, results[tried].front().get<bool>(0));
        if (ours) co_return Result<void>{};
        if (deadline.left() <= 2 * runner_poll_interval) {
            CO_TRY(const std::string who, describe_sessions(results[holder]));
            co_return fail({.kind = ErrorClass::Conflict,
                            .code = "migration_running",
                            .message = "Another runner migrates this database: " + who,
                            .retryable = true});
        }
        CO_TRY_VOID(co_await net::sleep_for(runner_poll_interval));
    }
}

Task<std::vector<StepStatus>> Migrations::status(Deadline deadline) {
    CO_TRY(auto connection, co_await connect_(deadline));
    co_return co_await check(*connection, deadline);
}

Task<std::vector<std::string>> Migrations::up(Deadline deadline) {
    CO_TRY(auto connection, co_await connect_(deadline));
    CO_TRY_VOID(co_await lock_runner(*connection, deadline)); // until the connection is closed
    CO_TRY(const auto status, co_await check(*connection, deadline));
    CO_TRY(const auto steps, plan_migrations(files_));
    std::vector<std::string> applied;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (status[i].applied) continue;
        CO_TRY(const int attempts, co_await run_step(*connection, steps[i], false, deadline));
        applied.push_back(steps[i].name);
        if (options_.progress) {
            options_.progress(fmt::format("{} applied, {} attempt{}", steps[i].name, attempts,
                                          attempts == 1 ? "" : "s"));
        }
    }
    CO_TRY_VOID(co_await connection->dispose(deadline));
    co_return applied;
}

Task<std::string> Migrations::down(Deadline deadline) {
    CO_TRY(auto connection, co_await connect_(deadline));
    CO_TRY_VOID(co_await lock_runner(*connection, deadline));
    CO_TRY(const auto status, co_await check(*connection, deadline));
    CO_TRY(const auto steps, plan_migrations(files_));
    for (std::size_t i = steps.size(); i-- > 0;) {
        if (!status[i].applied) continue;
        if (steps[i].kind == StepKind::Contract) {
            co_return fail(ErrorClass::Invalid, "migration_irreversible",
                           steps[i].name + " removed things: there is no way back but a restore.");
        }
        CO_TRY_VOID(co_await run_step(*connection, steps[i], true, deadline));
        CO_TRY_VOID(co_await connection->dispose(deadline));
        co_return steps[i].name;
    }
    co_return std::string();
}

/// Runs a step, or its inverse, until it has got its locks; answers how many attempts it took.
Task<int> Migrations::run_step(db::Connection& connection, const Step& step, bool inverse,
                               Deadline deadline) {
    auto blockers = std::make_shared<Blockers>();
    for (int attempt = 1;; ++attempt) {
        std::string script = inverse ? sql::inverse_script(step) : sql::step_script(step, attempt);
        auto done = co_await try_step(connection, std::move(script), step, blockers, deadline);
        if (done) co_return attempt;
        if (!lost_the_lock(done.error())) co_return fail(of_step(std::move(done).error(), step));
        const Duration pause = pause_after(attempt, options_);
        if (attempt == options_.attempts_max || pause >= deadline.left()) {
            co_return fail({.kind = ErrorClass::Conflict,
                            .code = "migration_blocked",
                            .message = fmt::format(
                                "{} did not get its locks in {} attempts of {} ms. In the way: {}",
                                step.name, attempt, step.lock_budget.count(),
                                blockers->seen.empty() ? "nobody who stayed" : blockers->seen),
                            .retryable = true,
                            .sqlstate = done.error().sqlstate});
        }
        CO_TRY_VOID(co_await net::sleep_for(pause));
    }
}

Task<void> Migrations::try_step(db::Connection& connection, std::string script, const Step& step,
                                std::shared_ptr<Blockers> blockers, Deadline deadline) {
    blockers->done = false;
    net::Gate gate(loop_, "migrations");
    CO_TRY_VOID(gate.spawn(watch_blockers(blockers, connection.backend_pid(), deadline)));
    auto done = co_await connection.run_script(
        std::move(script), {options_.statement_timeout, step.lock_budget}, deadline);
    blockers->done = true;
    CO_TRY_VOID(co_await gate.close(Deadline::after(watcher_patience)));
    co_return done;
}

Task<void> Migrations::watch_blockers(std::shared_ptr<Blockers> blockers, int pid,
                                      Deadline deadline) {
    CO_TRY(auto connection, co_await connect_(deadline));
    while (!blockers->done) {
        Pipeline pipeline{Effect::Read};
        pipeline.add(sql::blockers, std::int32_t{pid});
        CO_TRY(auto results, co_await connection->run(pipeline, deadline));
        CO_TRY(std::string seen, describe_sessions(results[0]));
        if (!seen.empty()) blockers->seen = std::move(seen);
        CO_TRY_VOID(co_await net::sleep_for(watch_interval));
    }
    co_return Result<void>{};
}

} // namespace holdfast::guard
