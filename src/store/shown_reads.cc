#include "store/shown_reads.h"

#include "base/log.h"
#include "net/timer.h"
#include "store/detail/ask.h"
#include "store/sql_reads.h"

namespace holdfast::store {

using db::Pipeline;
using db::Priority;
using Answer = std::vector<db::QueryResult>;

namespace {

constexpr Duration replay_pause = std::chrono::milliseconds{20};

bool is_away(const Error& error) {
    return error.kind == ErrorClass::Unavailable || error.kind == ErrorClass::Deadline;
}

std::unexpected<Error> unavailable(std::string_view code, std::string_view message) {
    return fail({.kind = ErrorClass::Unavailable,
                 .code = std::string(code),
                 .message = std::string(message),
                 .retryable = true});
}

Counter& reads_from(Registry& metrics, std::string_view source) {
    return metrics.counter("holdfast_store_reads_shown_total",
                           "Reads for display that were answered, by who answered.",
                           {{"source", std::string(source)}});
}

} // namespace

ShownReads::ShownReads(net::Loop& loop, Registry& metrics, Servers servers,
                       const Acknowledged& acknowledged)
    : servers_(servers),
      acknowledged_(acknowledged),
      barrier_(loop, metrics, servers.primary, servers.topology),
      from_primary_(reads_from(metrics, "primary")),
      from_standby_(reads_from(metrics, "standby")) {}

Task<Answer> ShownReads::ask(Priority priority, Pipeline& pipeline, Deadline deadline) {
    pipeline.add(sql::seen_below);
    const db::Topology& topology = servers_.topology;
    for (int round = 1;; ++round) {
        const bool there = topology.view().primary_reachable();
        const bool primary_first = round == 1 && there;
        if (!primary_first && topology.has_standby()) {
            auto shown = co_await ask_standby(pipeline, deadline.capped(standby_patience));
            if (shown) co_return shown;
        }
        const bool standby_next = primary_first && topology.has_standby();
        const Duration kept = standby_next ? standby_patience : Duration::zero();
        const Deadline until = deadline.capped(deadline.left() - kept);
        auto shown = co_await ask_primary(priority, pipeline, until);
        if (shown || !is_away(shown.error()) || shown.error().code == "cancelled") co_return shown;
        const bool hope = there || topology.view().primary_reachable();
        if (!hope || round == rounds_max || deadline.passed()) co_return shown;
    }
}

Task<Answer> ShownReads::ask_primary(Priority priority, const Pipeline& pipeline,
                                     Deadline deadline) {
    const auto epoch = [this] { return servers_.topology.view().epoch(); };
    const std::uint64_t asked_in = epoch();
    const Deadline connected = deadline.capped(primary_patience);
    CO_TRY(auto results,
           co_await store::ask(servers_.primary, priority, pipeline, deadline, connected, 1));
    CO_TRY(const auto seen_below, results.back().front().get<std::int64_t>(0));
    bool sure = epoch() == asked_in;
    if (sure) {
        CO_TRY(sure,
               co_await barrier_.confirm(asked_in, seen_below, deadline.capped(confirm_patience)));
    }
    if (!sure) co_return unavailable("primary_changed", "Another server is the primary now.");
    answered_by(Source::Primary);
    co_return results;
}

Task<Answer> ShownReads::ask_standby(const Pipeline& pipeline, Deadline deadline) {
    CO_TRY(db::Pooled standby,
           co_await servers_.standby.acquire(Priority::Browse, "read_at_standby", deadline));
    CO_TRY_VOID(co_await wait_replayed(*standby, deadline));
    CO_TRY(auto results, co_await standby->run(pipeline, deadline));
    if (results.front().empty())
        co_return unavailable("standby_has_none", "What is asked for is not on the standby.");
    answered_by(Source::Standby);
    co_return results;
}

/// What it shows from then on is not older than what was acknowledged here.
Task<void> ShownReads::wait_replayed(db::Connection& standby, Deadline deadline) {
    db::ParamArray<Uuid> lanes;
    db::ParamArray<std::int64_t> sequences;
    for (const auto& [lane, sequence] : acknowledged_.newest()) {
        lanes.append(lane);
        sequences.append(sequence);
    }
    Pipeline pipeline{db::Effect::Read};
    pipeline.add(sql::standby_has, lanes, sequences);
    for (;;) {
        CO_TRY(auto results, co_await standby.run(pipeline, deadline));
        CO_TRY(const bool has, results.front().front().get<bool>(0));
        if (has) co_return Result<void>{};
        CO_TRY_VOID(co_await net::sleep_for(std::min(replay_pause, deadline.left())));
        if (deadline.passed())
            co_return unavailable("standby_behind", "The standby has not replayed everything.");
    }
}

void ShownReads::answered_by(Source source) {
    (source == Source::Primary ? from_primary_ : from_standby_).add();
    if (source == std::exchange(source_, source)) return;
    if (source == Source::Standby)
        log::warn("reads_from_standby", {{"why", "no primary of the database answers"}});
    else
        log::info("reads_from_primary", {});
}

} // namespace holdfast::store
