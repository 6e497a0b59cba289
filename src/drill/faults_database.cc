// Faults that outsiders cause with nothing but SQL.

#include "drill/faults.h"
#include "drill/sql.h"
#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::drill::faults {

using net::Deadline;

namespace {

constexpr Duration statement_patience = std::chrono::seconds{10};
constexpr Duration job_patience = std::chrono::minutes{10};
constexpr std::int32_t old_payments = 200'000;
constexpr Duration slower_by_min = std::chrono::milliseconds{50};
constexpr Duration reload_pause = std::chrono::milliseconds{200}; ///< until backends have read it
constexpr Duration deadlock_pause = std::chrono::milliseconds{50};

/// One session of an outsider, kept on the stage.
Task<db::Connection*> new_session(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    stage.sessions.push_back(std::move(session));
    co_return stage.sessions.back().get();
}

Task<void> end_sessions(Stage& stage) {
    for (auto& session : stage.sessions)
        CO_TRY_VOID(co_await session->dispose(Deadline::after(statement_patience)));
    stage.sessions.clear();
    co_return Result<void>{};
}

} // namespace

Task<std::string> lock_payments(Stage& stage) {
    CO_TRY(db::Connection * session, co_await new_session(stage));
    db::Pipeline pipeline;
    pipeline.begin();
    pipeline.add_sql(stage.tables.lock);
    CO_TRY_VOID(co_await session->run(pipeline, Deadline::after(statement_patience)));
    co_return fmt::format(
        "ACCESS EXCLUSIVE on the payments tables is granted "
        "to backend {}",
        session->backend_pid());
}

Task<std::string> prove_waiting(Stage& stage) {
    if (stage.sessions.empty()) co_return fail(missed("nobody holds a lock"));
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    db::Pipeline pipeline{db::Effect::Read};
    pipeline.add(sql::waiting_for, std::int32_t{stage.sessions.front()->backend_pid()});
    CO_TRY(auto results, co_await session->run(pipeline, Deadline::after(statement_patience)));
    CO_TRY(const auto waiting, results.front().front().get<std::int64_t>(0));
    if (waiting == 0) co_return fail(missed("nobody waits for the lock"));
    co_return fmt::format("{} sessions wait for that lock", waiting);
}

Task<std::string> unlock_payments(Stage& stage) {
    CO_TRY_VOID(co_await end_sessions(stage));
    co_return std::string("the lock is released");
}

Task<std::string> add_old_payments(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    db::Pipeline pipeline;
    pipeline.add_sql(stage.tables.old, old_payments);
    CO_TRY(auto results, co_await session->run(pipeline, Deadline::after(job_patience)));
    const std::int64_t added = results.front().affected();
    if (added == 0) co_return fail(missed("no old payment could be added"));
    co_return fmt::format("{} old payments lie in the table", added);
}

namespace {

Task<void> rewrite_on(Stage& stage, db::Connection* session) {
    while (stage.job_runs) {
        auto rewritten = co_await ask(*session, stage.tables.rewrite, job_patience);
        if (!rewritten) {
            // Canceled at its end, or gone with the server: that is not the fault's fault.
            if (stage.job_runs) stage.hogs.push_back(to_string(rewritten.error()));
            break;
        }
        stage.rewritten += rewritten->affected();
    }
    co_return Result<void>{};
}

/// Takes rows in one order, then waits for nobody: rolls back and does it again. Whoever is the
/// primary by now.
Task<void> lock_rows(Stage& stage, const char* statement) {
    std::unique_ptr<db::Connection> session;
    while (stage.job_runs) {
        if (!session || session->broken()) {
            auto another = co_await connect_as_outsider(stage, stage.platform.ready().database_url);
            if (another) session = std::move(*another);
            if (!another) CO_TRY_VOID(co_await net::sleep_for(deadlock_pause));
            continue;
        }
        db::Pipeline pipeline;
        pipeline.begin();
        pipeline.add_sql(statement);
        auto locked = co_await session->run(pipeline, Deadline::after(statement_patience));
        if (!locked && locked.error().sqlstate == "40P01") ++stage.deadlocks;
        if (!locked) continue;
        CO_TRY_VOID(co_await net::sleep_for(deadlock_pause)); // holding them
        db::Pipeline end;
        end.rollback();
        if (!co_await session->run(end, Deadline::after(statement_patience))) session.reset();
    }
    co_return Result<void>{};
}

} // namespace

Task<std::string> start_heavy_job(Stage& stage) {
    CO_TRY(db::Connection * session, co_await new_session(stage));
    stage.job_runs = true;
    CO_TRY_VOID(stage.acts.spawn(rewrite_on(stage, session)));
    co_return fmt::format("backend {} rewrites every payment, over and over",
                          session->backend_pid());
}

Task<std::string> end_heavy_job(Stage& stage) {
    stage.job_runs = false;
    for (auto& session : stage.sessions) session->sever();
    stage.sessions.clear();
    if (!stage.hogs.empty()) co_return fail(missed("the job ended early: " + stage.hogs.front()));
    if (stage.rewritten == 0) co_return fail(missed("the job has rewritten no row"));
    co_return fmt::format("the job has rewritten {} rows and is ended", stage.rewritten);
}

Task<std::string> start_deadlocks(Stage& stage) {
    stage.job_runs = true;
    for (const char* statement : {stage.tables.lock_up, stage.tables.lock_down})
        CO_TRY_VOID(stage.acts.spawn(lock_rows(stage, statement)));
    co_return std::string("two outsiders lock the newest payments in opposite order");
}

/// The outsiders end, and no more visitors come.
Task<std::string> calm_down(Stage& stage) {
    stage.job_runs = false;
    stage.load->end_visits();
    if (stage.deadlocks == 0) co_return fail(missed("the outsiders met no deadlock"));
    co_return fmt::format("visitors stay away; the server has broken {} deadlocks",
                          stage.deadlocks);
}

namespace {

Task<void> set_commits(Stage& stage, const char* script) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    for (std::string_view rest = script; !rest.empty();) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        CO_TRY_VOID(co_await session->run_script(std::string(rest.substr(0, end)), {},
                                                 Deadline::after(statement_patience)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    CO_TRY_VOID(co_await ask(*session, sql::reload, statement_patience));
    co_return Result<void>{};
}

Task<Duration> time_of_commit(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    CO_TRY_VOID(co_await ask(*session, sql::some_commit, statement_patience));
    const MonoTime begun = MonotonicClock::now();
    CO_TRY_VOID(co_await ask(*session, sql::some_commit, statement_patience));
    co_return MonotonicClock::now() - begun;
}

} // namespace

Task<std::string> slow_commits(Stage& stage) {
    CO_TRY(const Duration before, co_await time_of_commit(stage));
    CO_TRY_VOID(co_await set_commits(stage, sql::slow_commits));
    CO_TRY_VOID(co_await net::sleep_for(reload_pause));
    CO_TRY(const Duration took, co_await time_of_commit(stage));
    if (took < before + slower_by_min)
        co_return fail(missed(
            fmt::format("a commit took {} ms before and takes {} ms", in_ms(before), in_ms(took))));
    co_return fmt::format("a commit takes {} ms, and took {} ms before", in_ms(took),
                          in_ms(before));
}

Task<std::string> usual_commits(Stage& stage) {
    CO_TRY_VOID(co_await set_commits(stage, sql::usual_commits));
    co_return std::string("commits are as before");
}

} // namespace holdfast::drill::faults
