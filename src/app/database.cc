#include "app/database.h"

#include "base/log.h"

#include <fmt/format.h>

namespace holdfast::app {
namespace {

constexpr std::string_view app_role = "holdfast_app";
/// What schema/0001_roles.sql sets for that role, which only applies to who logs in as it.
constexpr std::string_view become_app_role =
    "-c role=holdfast_app -c plan_cache_mode=force_generic_plan -c enable_hashjoin=off "
    "-c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off "
    "-c max_parallel_workers_per_gather=0 -c default_transaction_isolation=read\\ committed";

} // namespace

Result<std::unique_ptr<Database>> Database::create(net::Loop& loop, Offload& offload,
                                                   Registry& registry, const std::string& url,
                                                   DatabaseOptions options) {
    TRY(auto connect, db::ConnectOptions::parse(SecretString(url)));
    connect.role = options.name;
    if (connect.value("user") != app_role)
        connect.set("options", fmt::format("{} {}", connect.value("options"), become_app_role));
    log::info("database", {{"url", connect.redacted()}});
    return std::unique_ptr<Database>(
        new Database(loop, registry, options, db::servers_of(loop, offload, connect)));
}

Database::Database(net::Loop& loop, Registry& registry, const DatabaseOptions& options,
                   std::vector<std::unique_ptr<db::Server>> servers)
    : limits_({.lower = options.pool.lower, .upper = options.pool.upper}),
      topology_(loop, registry, std::move(servers), {}),
      pool_(loop, registry, {}, limits_, topology_.connector()),
      damage_(loop, registry, topology_.connector()),
      store_(pool_, topology_.connector()),
      standby_pool_(loop, registry, {.name = "standby"}, standby_limits_,
                    topology_.standby_connector()),
      shown_(loop, registry, {.topology = topology_, .primary = pool_, .standby = standby_pool_},
             store_.acknowledged()) {
    standby_limits_.connections = standby_connections;
    topology_.on_damage([this](const Error& error) { damage_.note(error); });
    topology_.start();
    damage_.start();
    if (!options.outside_pool) {
        limits_.set_share(options.pool.upper);
        return;
    }
    share_.emplace(loop, registry,
                   db::ShareOptions{.outside_pool = *options.outside_pool + own_connections},
                   db::census_of(options.name, topology_.connector()), limits_, pool_);
    share_->start();
}

void Database::set_pool(db::PoolBounds bounds) {
    limits_.set_bounds(bounds);
    pool_.limits_changed();
}

net::Task<void> Database::close(net::Deadline deadline) {
    if (share_) CO_TRY_VOID(co_await share_->stop(deadline));
    CO_TRY_VOID(co_await damage_.stop(deadline));
    CO_TRY_VOID(co_await shown_.stop(deadline));
    CO_TRY_VOID(co_await standby_pool_.close(deadline));
    CO_TRY_VOID(co_await pool_.close(deadline));
    co_return co_await topology_.stop(deadline);
}

} // namespace holdfast::app
