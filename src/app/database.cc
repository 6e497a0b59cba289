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
                                                   std::string name, std::size_t connections_max) {
    TRY(auto options, db::ConnectOptions::parse(SecretString(url)));
    options.role = std::move(name);
    if (options.value("user") != app_role)
        options.set("options", fmt::format("{} {}", options.value("options"), become_app_role));
    log::info("database", {{"url", options.redacted()}});
    db::FixedLimits limits;
    limits.connections = connections_max;
    return std::unique_ptr<Database>(
        new Database(loop, registry, limits, db::servers_of(loop, offload, options)));
}

Database::Database(net::Loop& loop, Registry& registry, db::FixedLimits limits,
                   std::vector<std::unique_ptr<db::Server>> servers)
    : limits_(limits),
      topology_(loop, registry, std::move(servers), {}),
      pool_(loop, registry, {}, limits_, topology_.connector()),
      store_(pool_, topology_.connector()) {
    topology_.start();
}

net::Task<void> Database::close(net::Deadline deadline) {
    CO_TRY_VOID(co_await pool_.close(deadline));
    co_return co_await topology_.stop(deadline);
}

} // namespace holdfast::app
