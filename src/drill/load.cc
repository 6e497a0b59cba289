#include "drill/load.h"

#include "base/id.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <cmath>

namespace holdfast::drill {

using net::Task;

namespace {

constexpr std::int64_t amount_min_minor = 100, amount_spread_minor = 9'900;
constexpr Duration browse_timeout = std::chrono::seconds{10};
constexpr Duration browse_pause = std::chrono::milliseconds{100}; ///< after being refused
/// Shares of the manners, in percent; the rest are SDKs.
constexpr std::uint64_t odd_share = 5;

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
      arriving_(loop, "arrivals"),
      buying_(loop, "purchases"),
      second_requests_(loop, "second_requests"),
      shopper_(loop, env, way, second_requests_) {}

Result<void> Load::start() {
    TRY_VOID(arriving_.spawn(arrivals()));
    for (int i = 0; i < options_.browsers; ++i) TRY_VOID(arriving_.spawn(browse(i % lanes)));
    return {};
}

Task<void> Load::stop(net::Deadline deadline) {
    stopping_ = true;
    CO_TRY_VOID(co_await arriving_.close(deadline));
    CO_TRY_VOID(co_await buying_.close(deadline));
    co_return co_await second_requests_.close(deadline);
}

void Load::cancel() {
    stopping_ = true;
    for (net::Gate* gate : {&arriving_, &buying_, &second_requests_}) gate->cancel();
}

Purchase Load::next_purchase(MonoTime intended) {
    Purchase purchase;
    purchase.id = Uuid::time_ordered(env_).base62();
    purchase.manner = manner_of(random_() % 100);
    purchase.card_declines = random_() % 100 < declined_percent;
    purchase.amount_minor =
        amount_min_minor + static_cast<std::int64_t>(random_() % amount_spread_minor);
    purchase.intended = intended;
    return purchase;
}

/// Exponential.
Duration Load::gap() {
    const double uniform = (static_cast<double>(random_() >> 11) + 1) / 9007199254740993.0;
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(-std::log(uniform) / options_.rate));
}

Task<void> Load::arrivals() {
    MonoTime next = MonotonicClock::now();
    while (!stopping_) {
        next += gap();
        if (next > MonotonicClock::now())
            if (auto slept = co_await net::sleep_until(next); !slept) break;
        if (stopping_) break;
        Purchase& purchase = purchases_.emplace_back(next_purchase(next));
        ++counts_.offered;
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

Task<void> Load::browse(int lane) {
    for (std::size_t turn = 0; !stopping_; ++turn) {
        Call call{.method = "GET", .target = "/v1/payment_intents?limit=10"};
        if (turn % 4 == 1) call.target = "/v1/charges?limit=10";
        if (turn % 4 >= 2 && !purchases_.empty()) {
            const Purchase& any = purchases_[random_() % purchases_.size()];
            if (!any.payment.empty()) call.target = "/v1/payment_intents/" + any.payment;
        }
        auto answer =
            co_await way_.send(std::move(call), lane, net::Deadline::after(browse_timeout));
        if (!answer && answer.error().code == "cancelled") break;
        ++counts_.browsed;
        if (answer && answer->status == 200) continue;
        ++counts_.browse_refused;
        if (auto slept = co_await net::sleep_for(browse_pause); !slept) break;
    }
    co_return Result<void>{};
}

} // namespace holdfast::drill
