#include "app/cluster_keeper.h"

#include "app/switchover.h"
#include "base/log.h"
#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::app {
namespace {

using db::Commits;
using db::Node;
using net::Deadline;
using net::Task;

constexpr Duration turn_pause = std::chrono::milliseconds{50};
constexpr Duration failure_pause = std::chrono::milliseconds{250};
constexpr Duration look_timeout = std::chrono::milliseconds{500};
/// For who has been silent for so long that it counts as lost: it may be alive on a machine that is
/// overloaded, where new connections every 500 ms only make things worse.
constexpr Duration long_look_timeout = std::chrono::seconds{5};
constexpr std::chrono::minutes checkpoint_timeout{10};

} // namespace

Result<std::unique_ptr<ClusterKeeper>> ClusterKeeper::create(net::Loop& loop, Offload& offload,
                                                             const db::EmbeddedCluster& cluster,
                                                             KeeperOptions options) {
    auto keeper = std::unique_ptr<ClusterKeeper>(
        new ClusterKeeper(loop, offload, cluster, std::move(options)));
    for (Node node : {Node::A, Node::B}) {
        TRY(auto target, db::ConnectOptions::parse(SecretString(cluster.url_of(node, "postgres"))));
        target.role = "keeper";
        keeper->at(node).server = std::move(db::servers_of(loop, offload, target).front());
    }
    TRY_VOID(keeper->decide(keeper->state_));
    TRY_VOID(answer_switchover(keeper->options_.switchover_path, {})); // nobody waits any more
    return keeper;
}

ClusterKeeper::ClusterKeeper(net::Loop& loop, Offload& offload, const db::EmbeddedCluster& cluster,
                             KeeperOptions options)
    : loop_(loop),
      offload_(offload),
      cluster_(cluster),
      options_(std::move(options)),
      state_(options_.state),
      gate_(loop, "keeper") {}

/// Durable, then believed. After an error the file may say either (its directory could not be
/// synced): it is written again, as things are, before anything else is done.
Result<void> ClusterKeeper::decide(PairState state) {
    stored_ = false;
    TRY_VOID(store_pair_state(options_.state_path, state, options_.state_owner));
    stored_ = true;
    state_ = state;
    return {};
}

void ClusterKeeper::start() {
    const MonoTime now = MonotonicClock::now();
    for (Watched& watched : watched_) {
        watched.silent.seen(now);
        watched.mute.seen(now);
    }
    away_.seen(now);
    useless_.seen(now);
    for (Node node : {Node::A, Node::B})
        if (!gate_.spawn(watch(node))) BUG("a node is not watched");
    if (!gate_.spawn(keep())) BUG("nobody keeps the cluster");
}

Task<void> ClusterKeeper::stop(Deadline deadline) {
    gate_.cancel();
    CO_TRY_VOID(co_await gate_.close(deadline));
    primary_.reset();
    for (Watched& watched : watched_) CO_TRY_VOID(co_await watched.server->close(deadline));
    co_return Result<void>{};
}

// --- What is seen of the nodes, and a primary that is lost -----------------------------------

void ClusterKeeper::started(Node node) {
    at(node).runs = true;
    at(node).mute.seen(MonotonicClock::now());
}

void ClusterKeeper::ended(Node node) {
    at(node).runs = false;
    at(node).being_killed = false;
    at(node).answers_as_standby = false;
    end_lost_primary();
}

Task<void> ClusterKeeper::watch(Node node) {
    Watched& watched = at(node);
    for (;;) {
        const bool silent = watched.silent.lasting() > options_.limits.silence_max;
        const Duration patience = silent ? long_look_timeout : look_timeout;
        auto seen = co_await watched.server->look(Deadline::after(patience));
        if (!seen && seen.error().code == "cancelled") co_return Result<void>{};
        const MonoTime now = MonotonicClock::now();
        const Duration step_max = patience + look_timeout;
        watched.silent.note(seen.has_value(), now, step_max);
        // Who refuses ("the database system is starting up") lives; who copies can't answer.
        const bool copying = node != primary() && !cluster_.made(node);
        watched.mute.note(seen || !seen.error().sqlstate.empty() || copying, now, step_max);
        if (seen) watched.answers_as_standby = watched.runs && seen->in_recovery;
        end_lost_primary();
        if (auto slept = co_await net::sleep_for(turn_pause); !slept) co_return Result<void>{};
    }
}

PairFacts ClusterKeeper::facts() const {
    return {.primary_runs = at(primary()).runs,
            .primary_silent = at(primary()).silent.lasting(),
            .primary_mute = at(primary()).mute.lasting(),
            .standby_silent =
                at(standby()).answers_as_standby ? at(standby()).silent.lasting() : Duration::max(),
            .standby_mute = at(standby()).mute.lasting(),
            .standby_useless = useless_.lasting(),
            .primary = says_};
}

/// At once, whatever keep() is waiting for.
void ClusterKeeper::end_lost_primary() {
    switch (next_move(state_, facts(), options_.limits)) {
        case PairMove::Promote:
            if (!at(primary()).runs) return promote();
            return kill(primary(), "primary_silent");
        case PairMove::RestartPrimary: return kill(primary(), "primary_mute");
        default: return;
    }
}

void ClusterKeeper::kill(Node node, std::string_view why) {
    if (!at(node).runs || at(node).being_killed) return;
    log::error(why, {{"node", db::name_of(node)}});
    at(node).being_killed = true;
    options_.kill_node(node);
}

/// Nothing of the old primary is left.
void ClusterKeeper::promote() {
    PairState next{.primary = standby(), .epoch = state_.epoch + 1, .promotable = false};
    if (auto decided = decide(next); !decided) {
        log::error("promotion_not_stored", {{"error", to_string(decided.error())}});
        return;
    }
    says_.reset(); // that was another one
    log::warn("promoting", {{"node", db::name_of(state_.primary)}, {"epoch", state_.epoch}});
}

// --- What is done about the rest --------------------------------------------------------------

Task<void> ClusterKeeper::keep() {
    for (;;) {
        auto turned = co_await turn();
        if (!turned && turned.error().code == "cancelled") co_return Result<void>{};
        if (!turned) log::warn("keeper_turn_failed", {{"error", to_string(turned.error())}});
        const Duration pause = turned ? turn_pause : failure_pause;
        if (auto slept = co_await net::sleep_for(pause); !slept) co_return Result<void>{};
    }
}

Task<void> ClusterKeeper::turn() {
    if (!stored_) CO_TRY_VOID(decide(state_));
    if (auto asked = co_await ask_about_pair(); !asked) {
        if (asked.error().code == "cancelled") co_return asked;
        co_return Result<void>{}; // watch() has its opinion on who does not answer
    }
    if (switchover_asked(options_.switchover_path)) co_return co_await switch_over();
    co_return co_await carry_out(next_move(state_, facts(), options_.limits));
}

Task<void> ClusterKeeper::carry_out(PairMove move) {
    switch (move) {
        case PairMove::None:
        case PairMove::Promote:
        case PairMove::RestartPrimary: co_return Result<void>{}; // end_lost_primary()
        case PairMove::FinishPromotion: co_return co_await finish_promotion();
        case PairMove::Degrade: co_return co_await degrade();
        case PairMove::MakeSlot: co_return co_await make_slot();
        case PairMove::Checkpoint: co_return co_await checkpoint();
        case PairMove::Resynchronize: co_return co_await resynchronize();
        case PairMove::RemakeStandby: co_return co_await remake_standby();
        case PairMove::RestartStandby: kill(standby(), "standby_mute"); co_return Result<void>{};
    }
    co_return Result<void>{};
}

Task<void> ClusterKeeper::ask_about_pair() {
    const Node asked = primary();
    says_.reset();
    CO_TRY(auto results, co_await run_on_primary(db::pair_view_statement(standby()),
                                                 Deadline::after(statement_timeout)));
    CO_TRY(db::PairView view, db::read_pair_view(results.front()));
    if (asked != primary()) co_return Result<void>{}; // it lost the role meanwhile
    const MonoTime now = MonotonicClock::now();
    const bool heard = !view.last_message.empty() && view.last_message != last_message_;
    last_message_ = std::move(view.last_message);
    away_.note(heard && view.standing != db::StandbyStanding::Away, now);
    useless_.note(heard || !cluster_.made(standby()), now);
    says_ = PrimarySays{.in_recovery = view.in_recovery,
                        .commits_wait = view.commits_wait,
                        .standby_caught_up = view.standing == db::StandbyStanding::CaughtUp,
                        .standby_away = away_.lasting(),
                        .slot_good = view.slot_good,
                        .settled = view.settled};
    co_return Result<void>{};
}

/// The primary by decision is in recovery still.
Task<void> ClusterKeeper::finish_promotion() {
    // A new primary that waited for the standby that it was would wait for ever.
    CO_TRY_VOID(co_await apply(Commits::Alone));
    // Before it is promoted: its log is kept from its last restartpoint on, which is what the old
    // primary goes on from when it is rewound. A checkpoint that begins with the promotion frees
    // it.
    if (auto kept = co_await make_slot(); !kept)
        log::warn("slot_not_made", {{"error", to_string(kept.error())}});
    CO_TRY_VOID(co_await tell_primary("SELECT pg_promote(false)::text"));
    const Deadline patience = Deadline::after(statement_timeout);
    for (;;) {
        CO_TRY(std::string recovering, co_await ask_primary("SELECT pg_is_in_recovery()::text"));
        if (recovering == "false") break;
        if (patience.passed())
            co_return fail(ErrorClass::Deadline, "promotion_slow", "It is still in recovery.");
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::milliseconds{5}));
    }
    away_.seen(MonotonicClock::now());
    log::warn("promoted", {{"node", db::name_of(primary())}, {"epoch", state_.epoch}});
    co_return Result<void>{};
}

Task<void> ClusterKeeper::degrade() {
    if (state_.promotable) {
        PairState alone = state_;
        alone.promotable = false;
        CO_TRY_VOID(decide(alone));
    }
    log::error("standby_given_up", {{"node", db::name_of(standby())}});
    co_return co_await apply(Commits::Alone);
}

/// Commits wait for the standby from some moment on, and it has what was committed before that.
Task<void> ClusterKeeper::resynchronize() {
    // While a checkpoint runs the checkpointer reads no configuration: should the standby be lost
    // during the one below, commits wait for its end. So it must have little to do.
    CO_TRY_VOID(co_await checkpoint());
    CO_TRY_VOID(co_await ask_about_pair());
    if (!says_ || !says_->standby_caught_up) co_return Result<void>{};
    CO_TRY_VOID(co_await apply(Commits::WaitForOther));
    // Whether commits wait is decided by a flag that the checkpointer sets when it has read the new
    // configuration, which it does before it begins a checkpoint that is asked for afterwards. That
    // the signal was passed on to it has shown in what a new session reads.
    CO_TRY_VOID(co_await checkpoint());
    CO_TRY(std::string written, co_await ask_primary("SELECT pg_current_wal_flush_lsn()::text"));
    for (;;) {
        CO_TRY(std::string there, co_await ask_primary(db::flushed_statement(standby(), written)));
        if (there == "true") break;
        CO_TRY_VOID(co_await ask_about_pair());
        if (!says_ || says_->standby_away > options_.limits.standby_away_max)
            co_return Result<void>{}; // what follows is decided by the next turn
        CO_TRY_VOID(co_await net::sleep_for(turn_pause));
    }
    PairState together = state_;
    together.promotable = true;
    CO_TRY_VOID(decide(together));
    log::info("standby_in_sync", {{"node", db::name_of(standby())}});
    co_return Result<void>{};
}

Task<void> ClusterKeeper::make_slot() {
    CO_TRY_VOID(co_await tell_primary(db::lost_slot_statement(standby())));
    co_return co_await tell_primary(db::slot_statement(standby()));
}

/// It can't go on from what it has: the log that it needs is gone, or its files are damaged.
Task<void> ClusterKeeper::remake_standby() {
    log::error("standby_useless", {{"node", db::name_of(standby())}});
    CO_TRY_VOID(cluster_.unmark_made(standby()));
    kill(standby(), "standby_copied_anew");
    co_return Result<void>{};
}

/// It is killed and not asked to end: that takes it longer, and those who wait for their commits
/// learn of them from the new one either way.
Task<void> ClusterKeeper::switch_over() {
    std::string_view against = against_switchover(state_, facts(), options_.limits);
    if (against.empty()) {
        CO_TRY_VOID(co_await checkpoint());
        CO_TRY_VOID(co_await ask_about_pair());
        against = against_switchover(state_, facts(), options_.limits);
    }
    CO_TRY_VOID(answer_switchover(options_.switchover_path, against));
    if (against.empty()) kill(primary(), "switchover");
    co_return Result<void>{};
}

// --- Talking to the primary -------------------------------------------------------------------

/// Until sessions have it: the postmaster has then passed the signal on.
Task<void> ClusterKeeper::apply(Commits commits) {
    CO_TRY_VOID(cluster_.configure(primary(), commits));
    CO_TRY_VOID(co_await tell_primary("SELECT pg_reload_conf()::text"));
    const std::string names =
        commits == Commits::Alone ? "" : db::EmbeddedCluster::standby_name_of(standby());
    const Deadline patience = Deadline::after(statement_timeout);
    for (;;) {
        primary_.reset();
        CO_TRY(std::string now, co_await ask_primary("SHOW synchronous_standby_names"));
        if (now == names) co_return Result<void>{};
        if (patience.passed())
            co_return fail(ErrorClass::Deadline, "reload_slow",
                           "The configuration is not read; see the log of the node for errors in "
                           "it.");
        CO_TRY_VOID(co_await net::sleep_for(turn_pause));
    }
}

Task<void> ClusterKeeper::checkpoint() {
    CO_TRY_VOID(co_await run_on_primary("CHECKPOINT", Deadline::after(checkpoint_timeout)));
    co_return Result<void>{};
}

Task<void> ClusterKeeper::tell_primary(std::string sql) {
    CO_TRY(std::string answer, co_await ask_primary(std::move(sql)));
    co_return Result<void>{};
}

Task<std::vector<db::QueryResult>> ClusterKeeper::run_on_primary(std::string sql,
                                                                 Deadline deadline) {
    if (!primary_ || primary_->broken() || connected_to_ != primary()) {
        primary_.reset();
        CO_TRY(auto target,
               db::ConnectOptions::parse(SecretString(cluster_.url_of(primary(), "postgres"))));
        target.role = "keeper";
        // What the keeper writes must not wait for a standby that it may have to give up.
        target.set("options", "-c synchronous_commit=local");
        connected_to_ = primary();
        CO_TRY(primary_, co_await db::connect(loop_, offload_, std::move(target),
                                              deadline.capped(statement_timeout)));
    }
    db::Pipeline pipeline{db::Effect::Read}; // said again when its answer is lost
    pipeline.add_sql(std::move(sql));
    pipeline.limit({.statement = checkpoint_timeout, .lock = {}});
    auto results = co_await primary_->run(pipeline, deadline);
    if (!results) primary_.reset();
    co_return results;
}

/// The first value of the answer, which is text.
Task<std::string> ClusterKeeper::ask_primary(std::string sql) {
    CO_TRY(auto results,
           co_await run_on_primary(std::move(sql), Deadline::after(statement_timeout)));
    if (results.empty() || results.front().empty()) co_return std::string{};
    CO_TRY(auto text, results.front().front().get<std::string>(0));
    co_return text;
}

} // namespace holdfast::app
