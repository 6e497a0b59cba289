#include "load.h"

#include "base/id.h"
#include "net/block_on.h"
#include "net/gate.h"
#include "net/http_client.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <cmath>

namespace holdfast::bench {
namespace {

using net::Deadline;
using net::Task;

constexpr Duration patience = std::chrono::seconds{30};

class Buyers {
  public:
    Buyers(net::Loop& loop, Env& env, const HttpLoad& load, net::HttpUrl url)
        : env_(env),
          load_(load),
          url_(std::move(url)),
          body_("amount=1099&currency=usd&confirm=true&payment_method=" + load.payment_method),
          client_(loop, {.connections_per_host = static_cast<std::size_t>(load.connections),
                         .waiting_per_host = 100'000}),
          gate_(loop, "buyers") {}

    Result<void> start_closed_loop(Tally* tally);
    Task<void> open_loop(Tally* tally);
    Task<void> close() { return gate_.close(Deadline::after(patience)); }

  private:
    Task<void> pay(Tally* tally, MonoTime intended);
    Task<void> pay_on(Tally* tally);
    Duration pause();

    Env& env_;
    const HttpLoad& load_;
    net::HttpUrl url_;
    std::string body_;
    net::HttpClient client_;
    net::Gate gate_;
};

/// Exponential: arrivals of buyers who know nothing of each other.
Duration Buyers::pause() {
    const double uniform = (static_cast<double>(env_.random_u64() >> 11) + 1) / 9007199254740993.0;
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(-std::log(uniform) / load_.rate));
}

Task<void> Buyers::pay(Tally* tally, MonoTime intended) {
    net::HttpClientRequest request{.method = "POST",
                                   .host = url_.host,
                                   .port = url_.port,
                                   .target = "/v1/payment_intents",
                                   .body = body_};
    request.headers.add("Authorization", "Bearer " + load_.secret_key);
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.headers.add("Idempotency-Key", Uuid::time_ordered(env_).base62());
    auto response = co_await client_.request(std::move(request), Deadline::after(patience));
    if (!response) {
        tally->fail_with(std::move(response).error());
    } else if (response->status != 200 || !response->body.contains("\"succeeded\"")) {
        tally->fail_with({.kind = ErrorClass::Bug,
                          .code = "not_paid",
                          .message = fmt::format("{} {}", response->status, response->body)});
    } else if (tally->measuring) {
        ++tally->paid;
        tally->latencies.push_back(MonotonicClock::now() - intended);
    }
    co_return Result<void>{};
}

Task<void> Buyers::pay_on(Tally* tally) {
    while (!tally->stopping) CO_TRY_VOID(co_await pay(tally, MonotonicClock::now()));
    co_return Result<void>{};
}

Result<void> Buyers::start_closed_loop(Tally* tally) {
    for (int i = 0; i < load_.connections; ++i) TRY_VOID(gate_.spawn(pay_on(tally)));
    return {};
}

/// Sends when it is time, whatever is still unanswered; latency counts from then.
Task<void> Buyers::open_loop(Tally* tally) {
    MonoTime next = MonotonicClock::now();
    while (!tally->stopping) {
        next += pause();
        if (next > MonotonicClock::now()) CO_TRY_VOID(co_await net::sleep_until(next));
        CO_TRY_VOID(gate_.spawn(pay(tally, next)));
    }
    co_return Result<void>{};
}

} // namespace

Result<std::string> run(const HttpLoad& load) {
    static RealEnv env;
    TRY(net::HttpUrl url, net::parse_http_url(load.api_base));
    net::Loop loop{1};
    Buyers buyers(loop, env, load, std::move(url));
    Tally tally;
    net::Gate dispatcher(loop, "dispatcher");
    if (load.rate > 0)
        TRY_VOID(dispatcher.spawn(buyers.open_loop(&tally)));
    else
        TRY_VOID(buyers.start_closed_loop(&tally));
    TRY_VOID(net::block_on(loop, measure(&tally, load.window)));
    TRY_VOID(net::block_on(loop, dispatcher.close(Deadline::after(patience))));
    TRY_VOID(net::block_on(loop, buyers.close()));
    return report(std::move(tally), load.window);
}

} // namespace holdfast::bench
