#include "processor/resolver.h"

#include "base/log.h"
#include "net/timer.h"

namespace holdfast::processor {

namespace {
constexpr Duration query_timeout = std::chrono::seconds{5};
} // namespace

Resolver::Resolver(net::Loop& loop, Env& env, store::Store& store, Processor& processor,
                   ResolverOptions options)
    : env_(env), store_(store), processor_(processor), options_(options),
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
    int room = options_.at_once_max - resolving_;
    if (room <= 0) co_return Result<void>{};
    CO_TRY(auto stale, co_await store_.stale_operations(processor_.database_now(), room,
                                                        Deadline::after(query_timeout)));
    if (stale_gauge_ != nullptr) stale_gauge_->set(static_cast<std::int64_t>(stale.size()));
    for (core::Operation& operation : stale) {
        ++resolving_;
        auto spawned = gate_.spawn(resolve(std::move(operation)));
        if (spawned) continue;
        --resolving_;
        co_return fail(std::move(spawned).error());
    }
    co_return Result<void>{};
}

Task<void> Resolver::resolve(core::Operation operation) {
    Id<core::Operation> id = operation.id;
    Result<bool> settled = co_await processor_.take_over(std::move(operation));
    --resolving_;
    if (settled && *settled) log::info("operation_resolved", {{"operation", id}});
    if (!settled && settled.error().code != "cancelled") {
        log::warn("operation_not_resolved",
                  {{"operation", id}, {"error", to_string(settled.error())}});
    }
    co_return Result<void>{};
}

} // namespace holdfast::processor
