#include "db/server_share.h"

#include "base/log.h"
#include "db/own_statements.h"
#include "net/timer.h"

#include <algorithm>
#include <set>

namespace holdfast::db {
namespace {

constexpr std::string_view process_prefix = "holdfast:";
constexpr std::string_view mark_prefix = "holdfast:share:";

/// One bound on sessions: what it leaves for us, and what it allows at all.
struct Bound {
    std::int64_t allowed, others;
};

} // namespace

Share share_of(const Census& census, std::int64_t last_capacity) {
    std::set<std::string_view> ours; // the names of the processes' sessions
    Share share;
    for (const auto& sessions : census.sessions) {
        const std::string_view name = sessions.application;
        if (!name.starts_with(mark_prefix)) continue;
        share.processes += sessions.count;
        ours.insert(name.substr(mark_prefix.size()));
    }
    Bound server{census.max_connections - census.reserved, 0};
    Bound role{census.role_limit, 0}, database{census.database_limit, 0};
    std::int64_t held = 0;
    for (const auto& sessions : census.sessions) {
        const std::string_view name = sessions.application;
        const bool is_ours =
            name.starts_with(mark_prefix) ||
            (name.starts_with(process_prefix) && ours.contains(name.substr(process_prefix.size())));
        if (is_ours) {
            held += sessions.count;
            continue;
        }
        server.others += sessions.count;
        if (sessions.our_role) role.others += sessions.count;
        if (sessions.our_database) database.others += sessions.count;
    }
    std::int64_t allowed = server.allowed, left = server.allowed - server.others;
    for (const Bound& bound : {role, database}) {
        if (bound.allowed < 0) continue;
        allowed = std::min(allowed, bound.allowed);
        left = std::min(left, bound.allowed - bound.others);
    }
    const std::int64_t kept = std::min({held, last_capacity, allowed - share_headroom});
    share.capacity = std::max(left - share_headroom, kept);
    share.processes = std::max<std::int64_t>(share.processes, 1);
    share.connections = std::max<std::int64_t>(share.capacity, 0) / share.processes;
    return share;
}

namespace {

class ServerCensus final : public CensusTaker {
  public:
    ServerCensus(std::string process, Pool::Connect connect)
        : mark_(std::string(mark_prefix) + process), connect_(std::move(connect)) {
        limits_ = look_.add(own_statements::server_limits);
        sessions_ = look_.add(own_statements::sessions);
    }

    Task<Census> take(Deadline deadline) override;
    Task<void> close(Deadline deadline) override {
        auto connection = std::move(connection_);
        if (connection) CO_TRY_VOID(co_await connection->dispose(deadline));
        co_return Result<void>{};
    }

  private:
    Task<void> open(Deadline deadline);

    std::string mark_;
    Pool::Connect connect_;
    std::unique_ptr<Connection> connection_;
    Pipeline look_{Effect::Read};
    std::size_t limits_ = 0, sessions_ = 0;
};

Task<void> ServerCensus::open(Deadline deadline) {
    connection_.reset();
    CO_TRY(auto connection, co_await connect_(deadline));
    Pipeline mark{Effect::Read};
    mark.add(own_statements::set_application_name, mark_);
    CO_TRY_VOID(co_await connection->run(mark, deadline));
    connection_ = std::move(connection);
    co_return Result<void>{};
}

Task<Census> ServerCensus::take(Deadline deadline) {
    if (!connection_ || connection_->broken()) CO_TRY_VOID(co_await open(deadline));
    CO_TRY(auto results, co_await connection_->run(look_, deadline));
    Census census;
    CO_TRY_VOID(results[limits_].front().read(census.max_connections, census.reserved,
                                              census.role_limit, census.database_limit));
    for (Row row : results[sessions_]) {
        Census::Sessions& sessions = census.sessions.emplace_back();
        CO_TRY_VOID(row.read(sessions.application, sessions.our_role, sessions.our_database,
                             sessions.count));
    }
    co_return census;
}

} // namespace

std::unique_ptr<CensusTaker> census_of(std::string process, Pool::Connect connect) {
    return std::make_unique<ServerCensus>(std::move(process), std::move(connect));
}

ShareWatch::ShareWatch(Loop& loop, Registry& metrics, ShareOptions options,
                       std::unique_ptr<CensusTaker> census, AdaptiveLimits& limits, Pool& pool)
    : options_(options),
      census_(std::move(census)),
      limits_(limits),
      pool_(pool),
      processes_(metrics.gauge("holdfast_db_share_processes",
                               "Processes of ours that share the server's connections.")),
      capacity_(metrics.gauge("holdfast_db_share_capacity",
                              "Connections that the server has for all of ours together.")),
      connections_(metrics.gauge("holdfast_db_share_connections",
                                 "Connections that this process may have, its pool and others.")),
      failures_(
          metrics.counter("holdfast_db_share_failures_total",
                          "Times that the share could not be measured and stayed as it was.")),
      gate_(loop, "db.share") {}

void ShareWatch::start() {
    if (auto spawned = gate_.spawn(watch()); !spawned) BUG("the share is not watched");
}

Task<void> ShareWatch::stop(Deadline deadline) {
    gate_.cancel();
    CO_TRY_VOID(co_await gate_.close(deadline));
    co_return co_await census_->close(deadline);
}

Task<void> ShareWatch::watch() {
    for (;;) {
        auto census = co_await census_->take(Deadline::after(options_.patience));
        if (census) {
            failing_ = false;
            apply(share_of(*census, last_.capacity));
        } else if (census.error().code == "cancelled") {
            co_return Result<void>{};
        } else {
            failures_.add();
            if (!failing_) log::warn("share_not_measured", {{"error", to_string(census.error())}});
            failing_ = true;
        }
        auto slept = co_await net::sleep_for(options_.interval);
        if (!slept) co_return Result<void>{}; // stopping
    }
}

void ShareWatch::apply(const Share& share) {
    if (share == last_) return;
    const auto outside = static_cast<std::int64_t>(options_.outside_pool);
    log::write(share.connections > outside ? log::Level::Info : log::Level::Warn, "share_measured",
               {{"processes", share.processes},
                {"capacity", share.capacity},
                {"connections", share.connections},
                {"outside_pool", outside}});
    last_ = share;
    processes_.set(share.processes);
    capacity_.set(share.capacity);
    connections_.set(share.connections);
    const std::int64_t for_pool = std::max<std::int64_t>(share.connections - outside, 0);
    limits_.set_share(static_cast<std::size_t>(for_pool));
    pool_.limits_changed();
}

} // namespace holdfast::db
