// Faults of the network between the processes of the platform and its two database servers.

#include "drill/faults.h"
#include "drill/sql.h"
#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::drill::faults {

using db::Node;
using net::Deadline;

namespace {

constexpr Duration statement_patience = std::chrono::seconds{10};
constexpr Duration reconnect_patience = std::chrono::seconds{20};
constexpr Duration silence = std::chrono::milliseconds{1500};
constexpr Duration promotion_patience = std::chrono::seconds{10};
constexpr Duration look_again = std::chrono::milliseconds{100};

Result<Node> primary_node(const Stage& stage) {
    TRY(const Service primary, stage.platform.database(Role::Primary));
    return primary.name == "postgres-a" ? Node::A : Node::B;
}

Task<void> end_all_sessions(Stage& stage, std::string url) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, std::move(url)));
    CO_TRY_VOID(co_await ask(*session, sql::end_all_sessions, statement_patience));
    co_return Result<void>{};
}

struct Connected {
    std::int64_t serve = 0, streaming = 0;
};

/// As the primary sees it.
Task<Connected> who_is_connected(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    db::Pipeline pipeline{db::Effect::Read};
    pipeline.add(sql::who_is_connected);
    CO_TRY(auto results, co_await session->run(pipeline, Deadline::after(statement_patience)));
    Connected found;
    CO_TRY(found.serve, results.front().front().get<std::int64_t>(0));
    CO_TRY(found.streaming, results.front().front().get<std::int64_t>(1));
    co_return found;
}

/// Cuts, and answers how much of it is stuck a moment later.
Task<std::string> cut_off(Stage& stage, std::vector<Party> parties) {
    if (!stage.relay) co_return fail(missed("nobody stands between them"));
    CO_TRY(const Node primary, primary_node(stage));
    CO_TRY(const Service service, stage.platform.database(Role::Primary));
    stage.primary_before = service.name;
    for (const Party party : parties) stage.relay->cut(party, primary);
    CO_TRY_VOID(co_await net::sleep_for(silence));
    std::string stuck;
    for (const Party party : parties) {
        const Relay::Held held = stage.relay->held(party, primary);
        if (held.bytes == 0) co_return fail(missed("nobody wanted to say anything"));
        stuck += fmt::format("{}{} bytes on {} connections", stuck.empty() ? "" : ", ", held.bytes,
                             held.connections);
    }
    co_return fmt::format("{} get nowhere", stuck);
}

} // namespace

Task<std::string> stand_between(Stage& stage) {
    if (stage.tables.lock == sql::of_ordinary.lock)
        co_return fail(
            missed("the ordinary design is a part of the drill, which needs the database"
                   " itself and is not cut off from it; run this without --unprotected"));
    stage.relay = std::make_unique<Relay>(stage.loop, stage.platform.data() + "/run");
    CO_TRY_VOID(stage.relay->start());
    CO_TRY_VOID(co_await end_all_sessions(stage, stage.platform.ready().standby_url));
    CO_TRY_VOID(co_await end_all_sessions(stage, stage.platform.ready().database_url));
    const Deadline deadline = Deadline::after(reconnect_patience);
    for (;;) {
        CO_TRY(const Node primary, primary_node(stage));
        CO_TRY(const Connected seen, co_await who_is_connected(stage));
        const auto serve = stage.relay->held(Party::Serve, primary).connections;
        const auto standby = stage.relay->held(Party::Server, primary).connections;
        if (seen.serve > 0 && std::cmp_less_equal(seen.serve, serve) && seen.streaming == 1 &&
            standby > 0 && stage.platform.in_sync())
            co_return fmt::format("{} sessions and the standby are connected through a relay",
                                  serve);
        if (deadline.passed())
            co_return fail(
                missed(fmt::format("{} of {} sessions and {} of {} standbys are "
                                   "connected through the relay",
                                   serve, seen.serve, standby, seen.streaming)));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
}

Task<std::string> cut_serve_off(Stage& stage) {
    CO_TRY(const std::string stuck, co_await cut_off(stage, {Party::Serve}));
    CO_TRY(const Connected seen, co_await who_is_connected(stage));
    if (seen.streaming != 1) co_return fail(missed("the standby lost the primary, too"));
    co_return stuck + "; the standby still streams";
}

Task<std::string> cut_standby_off(Stage& stage) { return cut_off(stage, {Party::Server}); }

Task<std::string> isolate_primary(Stage& stage) {
    return cut_off(stage, {Party::Server, Party::Keeper});
}

Task<std::string> same_primary(Stage& stage) {
    CO_TRY(const Service now, stage.platform.database(Role::Primary));
    if (now.name != stage.primary_before)
        co_return fail(missed(fmt::format("{} has taken over", now.name)));
    co_return fmt::format("{} is the primary as before", now.name);
}

Task<std::string> other_primary(Stage& stage) {
    const auto changed = [&stage] {
        const auto now = stage.platform.database(Role::Primary);
        return now && now->name != stage.primary_before;
    };
    CO_TRY_VOID(co_await until("nobody has taken over", changed, promotion_patience));
    co_return fmt::format("{} is no primary any more", stage.primary_before);
}

Task<std::string> mend_network(Stage& stage) {
    if (!stage.relay) co_return fail(missed("nobody stands between them"));
    stage.relay->mend();
    co_return std::string("what waited is delivered");
}

} // namespace holdfast::drill::faults
