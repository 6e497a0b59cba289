#include "app/pool_follower.h"

#include "base/log.h"
#include "net/offload_await.h"
#include "net/timer.h"

namespace holdfast::app {
namespace {

constexpr Duration look_patience = std::chrono::seconds{2};

Gauge& setting(Registry& metrics, const char* bound) {
    return metrics.gauge(
        "holdfast_db_pool_setting",
        "db.pool_min and db.pool_max as they hold now, changed at run time or not.",
        {{"bound", bound}});
}

} // namespace

db::PoolBounds bounds_of(const PoolSize& size) {
    return {.lower = static_cast<std::size_t>(size.min),
            .upper = static_cast<std::size_t>(size.max)};
}

PoolFollower::PoolFollower(Offload& offload, net::Loop& loop, Registry& metrics,
                           FollowerOptions options)
    : offload_(offload),
      options_(std::move(options)),
      seen_{.settings = {.configured = options_.configured}},
      min_(setting(metrics, "min")),
      max_(setting(metrics, "max")),
      trial_(metrics.gauge("holdfast_db_pool_trial",
                           "1 while this process tries out other pool settings.")),
      gate_(loop, "pool_follower") {}

Result<PoolFollower::Seen> PoolFollower::look(const std::string& path) {
    Seen seen;
    TRY(seen.settings, load_pool_settings(path));
    if (seen.settings.trial) seen.conductor_lives = is_alive(seen.settings.trial->conductor);
    return seen;
}

PoolSize PoolFollower::begin() {
    note(options_.path.empty() ? seen_ : look(options_.path));
    return in_force_;
}

void PoolFollower::start(Database& database) {
    database_ = &database;
    if (options_.path.empty()) return;
    if (auto spawned = gate_.spawn(follow()); !spawned) BUG("the pool's settings are not followed");
}

net::Task<void> PoolFollower::stop(net::Deadline deadline) {
    gate_.cancel();
    return gate_.close(deadline);
}

net::Task<void> PoolFollower::follow() {
    while (true) {
        auto slept = co_await net::sleep_for(interval);
        if (!slept) co_return Result<void>{}; // stopping
        auto seen = co_await net::offloaded(
            offload_, [path = options_.path] { return look(path); },
            net::Deadline::after(look_patience));
        if (!seen && seen.error().code == "cancelled") co_return Result<void>{};
        note(std::move(seen));
    }
}

void PoolFollower::note(Result<Seen> seen) {
    const MonoTime now = MonotonicClock::now();
    if (!seen && readable_)
        log::error("pool_settings_not_read", {{"error", to_string(seen.error())}});
    readable_ = seen.has_value();
    if (seen) {
        if (seen->settings.trial != seen_.settings.trial) trial_since_ = now;
        seen_ = std::move(*seen);
    }
    const PoolSettings& settings = seen_.settings;
    const TrialFacts facts{.conductor_lives = readable_ && seen_.conductor_lives,
                           .in_time = settings.trial && now - trial_since_ < settings.trial->lasts};
    const bool trying = on_trial(settings, options_.self, facts);
    const PoolSize size = size_in_force(settings, options_.self, facts);
    trial_.set(trying ? 1 : 0);
    if (size == in_force_) return;
    in_force_ = size;
    min_.set(size.min);
    max_.set(size.max);
    log::info("pool_settings", {{"min", size.min}, {"max", size.max}, {"trial", trying}});
    if (database_) database_->set_pool(bounds_of(size));
}

} // namespace holdfast::app
