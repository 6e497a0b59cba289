#include "processor/resolver.h"

#include "base/damage.h"
#include "base/log.h"
#include "net/timer.h"

namespace holdfast::processor {

namespace {
constexpr Duration query_timeout = std::chrono::seconds{5};
constexpr Duration idle_wait = std::chrono::minutes{1};
/// Between two pages of a round, for claims to become durable and leave the list.
constexpr Duration page_pause = std::chrono::milliseconds{50};
} // namespace

Resolver::Resolver(net::Loop& loop, Env& env, store::Store& store, Processor& processor,
                   ResolverOptions options)
    : env_(env),
      store_(store),
      processor_(processor),
      options_(options),
      ended_(loop, net::Event::Reset::Auto),
      gate_(loop, "resolver") {
    if (options_.metrics == nullptr) return;
    stale_gauge_ = &options_.metrics->gauge(
        "holdfast_resolver_stale_operations",
        "Operations past their valid_until that the last round found, at most its limit.");
}

void Resolver::start() {
    if (auto started = gate_.spawn(run()); !started) BUG("resolver started after its stop");
}

Task<void> Resolver::stop(Deadline deadline) {
    gate_.cancel();
    return gate_.close(deadline);
}

/// Half to one and a half intervals, so that instances started together don't stay together.
Duration Resolver::pause() {
    auto interval = static_cast<std::uint64_t>(options_.interval.count());
    return Duration{static_cast<std::int64_t>(interval / 2 + env_.random_below(interval + 1))};
}

Task<void> Resolver::run() {
    for (;;) {
        CO_TRY_VOID(co_await net::sleep_for(pause()));
        Result<void> done = co_await round();
        if (done) continue;
        if (done.error().code == "cancelled") co_return done;
        log::warn("resolver_round_failed", {{"error", to_string(done.error())}});
    }
}

Task<void> Resolver::round() {
    const auto half = static_cast<std::size_t>(options_.at_once_max) / 2;
    std::uint64_t settled_before = settled_;
    CO_TRY(bool more, co_await page());
    while (more) {
        while (resolving_.size() > half) {
            CO_TRY_VOID(co_await ended_.wait(Deadline::after(idle_wait)));
        }
        CO_TRY_VOID(co_await net::sleep_for(page_pause));
        if (settled_ == std::exchange(settled_before, settled_)) break;
        CO_TRY(more, co_await page());
    }
    co_return Result<void>{};
}

/// Begins to resolve what there is room for; answers whether there is more.
Task<bool> Resolver::page() {
    std::erase_if(damaged_, [now = env_.now()](const auto& one) { return one.second <= now; });
    // What is being resolved may still be listed, until its claim is durable.
    const auto limit = options_.at_once_max + static_cast<int>(resolving_.size() + damaged_.size());
    const auto room = static_cast<std::size_t>(options_.at_once_max) - resolving_.size();
    CO_TRY(auto stale, co_await store_.stale_operations(processor_.stale_before(), limit,
                                                        Deadline::after(query_timeout)));
    if (stale_gauge_ != nullptr) stale_gauge_->set(static_cast<std::int64_t>(stale.size()));
    std::size_t begun = 0;
    for (core::Operation& operation : stale) {
        if (begun == room) co_return true;
        const Id<core::Operation> id = operation.id;
        if (damaged_.contains(id) || !resolving_.insert(id).second) continue;
        ++begun;
        auto spawned = gate_.spawn(resolve(std::move(operation)));
        if (spawned) continue;
        resolving_.erase(id);
        co_return fail(std::move(spawned).error());
    }
    co_return stale.size() == static_cast<std::size_t>(limit);
}

void Resolver::set_aside(Id<core::Operation> id) {
    if (damaged_.size() < damaged_max) damaged_.emplace(id, env_.now() + damaged_pause);
}

Task<void> Resolver::resolve(core::Operation operation) {
    Id<core::Operation> id = operation.id;
    Result<bool> settled = co_await processor_.take_over(std::move(operation));
    resolving_.erase(id);
    ended_.set();
    if (settled && *settled) {
        ++settled_;
        log::info("operation_resolved", {{"operation", id}});
    }
    if (!settled && is_damage(settled.error())) set_aside(id);
    if (!settled && settled.error().code != "cancelled") {
        log::warn("operation_not_resolved",
                  {{"operation", id}, {"error", to_string(settled.error())}});
    }
    co_return Result<void>{};
}

} // namespace holdfast::processor
