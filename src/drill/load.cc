#include "drill/load.h"

#include "base/id.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <cmath>

namespace holdfast::drill {

using net::Task;

namespace {

constexpr std::int64_t amount_min_minor = 100, amount_spread_minor = 9'900;
constexpr Duration page_timeout = std::chrono::seconds{10};
/// Shares of the manners, in percent; the rest are SDKs.
constexpr std::uint64_t odd_share = 5;

/// Exponential.
Duration gap(std::mt19937_64& random, double rate) {
    const double uniform = (static_cast<double>(random() >> 11) + 1) / 9007199254740993.0;
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(-std::log(uniform) / rate));
}

} // namespace

Manner manner_of(std::uint64_t percent) {
    if (percent < odd_share) return Manner::ConfirmAgain;
    if (percent < 2 * odd_share) return Manner::TwoInstances;
    if (percent < 3 * odd_share) return Manner::Abandon;
    if (percent < 4 * odd_share) return Manner::PollThenRetry;
    return Manner::Sdk;
}

Load::Load(net::Loop& loop, Env& env, Way& way, LoadOptions options)
    : env_(env),
      way_(way),
      options_(options),
      random_(options.seed),
      random_visit_(options.seed),
      arriving_(loop, "arrivals"),
      looking_(loop, "visitors"),
      buying_(loop, "purchases"),
      second_requests_(loop, "second_requests"),
      shopper_(loop, env, way, second_requests_) {}

Result<void> Load::start() {
    if (options_.rate > 0) TRY_VOID(arriving_.spawn(arrivals()));
    if (options_.visitors > 0) TRY_VOID(arriving_.spawn(visits()));
    for (int i = 0; i < options_.shoppers; ++i) TRY_VOID(arriving_.spawn(shop(i % lanes)));
    return {};
}

Task<void> Load::stop(net::Deadline deadline) {
    stopping_ = true;
    CO_TRY_VOID(co_await arriving_.close(deadline));
    CO_TRY_VOID(co_await looking_.close(deadline));
    CO_TRY_VOID(co_await buying_.close(deadline));
    co_return co_await second_requests_.close(deadline);
}

void Load::cancel() {
    stopping_ = true;
    for (net::Gate* gate : {&arriving_, &looking_, &buying_, &second_requests_}) gate->cancel();
}

Purchase& Load::next_purchase(MonoTime intended) {
    Purchase& purchase = purchases_.emplace_back();
    purchase.id = Uuid::time_ordered(env_).base62();
    purchase.manner = manner_of(random_() % 100);
    purchase.card_declines = random_() % 100 < declined_percent;
    purchase.amount_minor =
        amount_min_minor + static_cast<std::int64_t>(random_() % amount_spread_minor);
    purchase.intended = intended;
    ++counts_.offered;
    return purchase;
}

Task<void> Load::arrivals() {
    MonoTime next = MonotonicClock::now();
    while (!stopping_) {
        next += gap(random_, options_.rate);
        if (next > MonotonicClock::now())
            if (auto slept = co_await net::sleep_until(next); !slept) break;
        if (stopping_) break;
        Purchase& purchase = next_purchase(next);
        if (counts_.under_way() > under_way_max) {
            purchase.told = Told::Failed;
            purchase.trouble = "drill_overrun: too many purchases under way";
            purchase.ended = MonotonicClock::now();
            ++counts_.told, ++counts_.failed;
            continue;
        }
        CO_TRY_VOID(buying_.spawn(buy(purchase, static_cast<int>(random_() % lanes))));
    }
    co_return Result<void>{};
}

Task<void> Load::shop(int lane) {
    while (!stopping_) CO_TRY_VOID(co_await buy(next_purchase(MonotonicClock::now()), lane));
    co_return Result<void>{};
}

Task<void> Load::buy(Purchase& purchase, int lane) {
    auto bought = co_await shopper_.buy(purchase, lane);
    if (purchase.told == Told::Nothing) {
        purchase.told = Told::Failed;
        purchase.trouble = bought ? "no answer" : to_string(bought.error());
        purchase.ended = MonotonicClock::now();
    }
    ++counts_.told;
    if (purchase.told == Told::Failed) ++counts_.failed;
    co_return Result<void>{};
}

Task<void> Load::visits() {
    MonoTime next = MonotonicClock::now();
    for (int visitor = 0; !stopping_ && !visits_end_; ++visitor) {
        next += gap(random_visit_, options_.visitors);
        if (next > MonotonicClock::now())
            if (auto slept = co_await net::sleep_until(next); !slept) break;
        if (stopping_) break;
        if (looking_.running() < visitors_max)
            CO_TRY_VOID(looking_.spawn(visit(visitor)));
        else
            ++counts_.browsed, ++counts_.browse_refused;
    }
    co_return Result<void>{};
}

/// A list of payments or of charges, then the newest charge in it.
Task<void> Load::visit(int visitor) {
    const int lane = visitor % lanes;
    const bool charges = visitor / lanes % 2 == 0;
    CO_TRY(const std::string list,
           co_await look(charges ? "/v1/charges?limit=10" : "/v1/payment_intents?limit=10", lane));
    const std::size_t begin = list.find("\"ch_");
    if (begin == list.npos) co_return Result<void>{};
    const std::string charge = list.substr(begin + 1, list.find('"', begin + 1) - begin - 1);
    CO_TRY_VOID(co_await look("/v1/charges/" + charge, lane));
    co_return Result<void>{};
}

/// Empty when it was refused.
Task<std::string> Load::look(std::string target, int lane) {
    Call call{.method = "GET", .target = std::move(target)};
    auto answer = co_await way_.send(std::move(call), lane, net::Deadline::after(page_timeout));
    ++counts_.browsed;
    if (answer && answer->status == 200) co_return std::move(answer->body);
    ++counts_.browse_refused;
    co_return std::string{};
}

} // namespace holdfast::drill
