#include "app/cluster_keeper.h"

#include "base/log.h"
#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::app {
namespace {

using db::Node;
using net::Deadline;
using net::Task;

constexpr Duration turn_pause = std::chrono::milliseconds{50};
constexpr Duration look_timeout = std::chrono::milliseconds{500};
constexpr std::chrono::minutes checkpoint_timeout{10};
/// How far behind a standby may be for commits to begin to wait for it.
constexpr std::int64_t lag_max_bytes = 16 << 20;

} // namespace

Result<std::unique_ptr<ClusterKeeper>> ClusterKeeper::create(net::Loop& loop, Offload& offload,
                                                             const db::EmbeddedCluster& cluster,
                                                             KeeperOptions options) {
    TRY(PairState state, load_pair_state(options.state_path));
    auto keeper = std::unique_ptr<ClusterKeeper>(
        new ClusterKeeper(loop, offload, cluster, std::move(options), state));
    for (Node node : {Node::A, Node::B}) {
        TRY(auto target, db::ConnectOptions::parse(SecretString(cluster.url_of(node, "postgres"))));
        target.role = "keeper";
        keeper->at(node).server = std::move(db::servers_of(loop, offload, target).front());
    }
    TRY_VOID(keeper->decide(state));
    return keeper;
}

ClusterKeeper::ClusterKeeper(net::Loop& loop, Offload& offload, const db::EmbeddedCluster& cluster,
                             KeeperOptions options, PairState state)
    : loop_(loop),
      offload_(offload),
      cluster_(cluster),
      options_(std::move(options)),
      state_(state),
      gate_(loop, "keeper") {}

/// Durable, then believed.
Result<void> ClusterKeeper::decide(PairState state) {
    TRY_VOID(store_pair_state(options_.state_path, state, options_.state_owner));
    state_ = state;
    return {};
}

void ClusterKeeper::start() {
    const MonoTime now = MonotonicClock::now();
    for (Watched& watched : watched_) watched.answered = now;
    streamed_ = now;
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

Task<void> ClusterKeeper::watch(Node node) {
    Watched& watched = at(node);
    for (;;) {
        auto seen = co_await watched.server->look(Deadline::after(look_timeout));
        if (seen) {
            watched.last = std::move(*seen);
            watched.answered = MonotonicClock::now();
        }
        if (auto slept = co_await net::sleep_for(turn_pause); !slept) co_return Result<void>{};
    }
}

Task<void> ClusterKeeper::keep() {
    for (;;) {
        auto turned = co_await turn();
        if (!turned && turned.error().code == "cancelled") co_return Result<void>{};
        if (!turned) log::warn("keeper_turn_failed", {{"error", to_string(turned.error())}});
        if (auto slept = co_await net::sleep_for(turn_pause); !slept) co_return Result<void>{};
    }
}

PairFacts ClusterKeeper::facts() const {
    const MonoTime now = MonotonicClock::now();
    return {.primary_runs = at(primary()).runs,
            .primary_silent = now - at(primary()).answered,
            .standby_silent = now - at(standby()).answered,
            .standby_caught_up = caught_up_,
            .standby_away = now - streamed_};
}

Task<void> ClusterKeeper::turn() {
    if (at(primary()).last && at(primary()).last->in_recovery)
        co_return co_await finish_promotion();
    if (auto looked = co_await look_at_standby(); !looked) {
        if (looked.error().code == "cancelled") co_return looked;
        // Only the primary knows: what it does not say counts for nothing.
        caught_up_ = false;
        streamed_ = MonotonicClock::now();
    }
    switch (next_move(state_, facts(), options_.limits)) {
        case PairMove::None: break;
        case PairMove::Promote: {
            log::error("primary_silent", {{"node", db::name_of(primary())}});
            options_.kill_node(primary()); // ended() promotes
            break;
        }
        case PairMove::Degrade: co_return co_await degrade();
        case PairMove::Resynchronize: co_return co_await resynchronize();
    }
    co_return Result<void>{};
}

void ClusterKeeper::ended(Node node) {
    at(node).runs = false;
    if (node == primary() && next_move(state_, facts(), options_.limits) == PairMove::Promote)
        promote();
}

void ClusterKeeper::promote() {
    PairState next{.primary = standby(), .epoch = state_.epoch + 1, .promotable = false};
    if (auto decided = decide(next); !decided) {
        log::error("promotion_not_stored", {{"error", to_string(decided.error())}});
        return; // the old primary is started again where it is
    }
    caught_up_ = false;
    log::warn("promoting", {{"node", db::name_of(state_.primary)}, {"epoch", state_.epoch}});
}

/// The primary by decision is in recovery still.
Task<void> ClusterKeeper::finish_promotion() {
    // A new primary that waited for the standby that it was would wait for ever.
    CO_TRY_VOID(cluster_.configure(primary(), false));
    CO_TRY_VOID(co_await tell_primary("SELECT pg_reload_conf()::text"));
    CO_TRY_VOID(co_await tell_primary("SELECT pg_promote(false)::text"));
    const Deadline patience = Deadline::after(statement_timeout);
    for (;;) {
        CO_TRY(std::string recovering, co_await ask_primary("SELECT pg_is_in_recovery()::text"));
        if (recovering == "false") break;
        if (patience.passed())
            co_return fail(ErrorClass::Deadline, "promotion_slow", "It is still in recovery.");
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::milliseconds{5}));
    }
    at(primary()).last.reset();
    streamed_ = MonotonicClock::now();
    log::warn("promoted", {{"node", db::name_of(primary())}, {"epoch", state_.epoch}});
    CO_TRY_VOID(co_await tell_primary(db::EmbeddedCluster::slot_statement(standby())));
    // The old primary goes by the control file, which names the new timeline from here on.
    co_return co_await checkpoint();
}

Task<void> ClusterKeeper::look_at_standby() {
    constexpr std::string_view question =
        "SELECT coalesce((SELECT CASE WHEN state <> 'streaming' THEN 'away' "
        "WHEN pg_current_wal_flush_lsn() - flush_lsn > {} THEN 'behind' ELSE 'there' END "
        "FROM pg_stat_replication WHERE application_name = 'holdfast_{}'), 'away')";
    CO_TRY(std::string standing,
           co_await ask_primary(fmt::format(question, lag_max_bytes, db::name_of(standby())),
                                look_timeout));
    caught_up_ = standing == "there";
    if (standing != "away") streamed_ = MonotonicClock::now();
    co_return Result<void>{};
}

Task<void> ClusterKeeper::degrade() {
    PairState alone = state_;
    alone.promotable = false;
    CO_TRY_VOID(decide(alone));
    log::error("standby_given_up", {{"node", db::name_of(standby())}});
    CO_TRY_VOID(cluster_.configure(primary(), false));
    co_return co_await tell_primary("SELECT pg_reload_conf()::text");
}

/// Commits wait for the standby from some moment on, and it has what was committed before that.
Task<void> ClusterKeeper::resynchronize() {
    CO_TRY_VOID(cluster_.configure(primary(), true));
    CO_TRY_VOID(co_await tell_primary("SELECT pg_reload_conf()::text"));
    const Deadline deadline = Deadline::after(checkpoint_timeout);
    // Whether commits wait is decided by a flag that the checkpointer sets when it has read the new
    // configuration, which it does before it begins a checkpoint that is asked for afterwards. That
    // the signal was passed on to it shows in what a new session reads.
    const std::string waits = fmt::format("holdfast_{}", db::name_of(standby()));
    for (;;) {
        primary_.reset();
        CO_TRY(std::string names, co_await ask_primary("SHOW synchronous_standby_names"));
        if (names == waits) break;
        if (deadline.passed())
            co_return fail(ErrorClass::Deadline, "reload_slow", "The configuration is not read.");
        CO_TRY_VOID(co_await net::sleep_for(turn_pause));
    }
    CO_TRY_VOID(co_await checkpoint());
    CO_TRY(std::string written, co_await ask_primary("SELECT pg_current_wal_flush_lsn()::text"));
    const std::string question = fmt::format(
        "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{}' AND "
        "sync_state = 'sync' AND flush_lsn >= '{}')::text",
        waits, written);
    for (;;) {
        CO_TRY(std::string there, co_await ask_primary(question));
        if (there == "true") break;
        CO_TRY_VOID(co_await look_at_standby());
        if (facts().standby_away > options_.limits.standby_away_max) co_return co_await degrade();
        CO_TRY_VOID(co_await net::sleep_for(turn_pause));
    }
    PairState together = state_;
    together.promotable = true;
    CO_TRY_VOID(decide(together));
    log::info("standby_in_sync", {{"node", db::name_of(standby())}});
    co_return Result<void>{};
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
Task<std::string> ClusterKeeper::ask_primary(std::string sql, Duration timeout) {
    CO_TRY(auto results, co_await run_on_primary(std::move(sql), Deadline::after(timeout)));
    if (results.empty() || results.front().empty()) co_return std::string{};
    CO_TRY(auto text, results.front().front().get<std::string>(0));
    co_return text;
}

} // namespace holdfast::app
