#include "drill/shopper.h"

#include "base/form.h"
#include "base/id.h"
#include "base/json.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {

constexpr std::string_view path = "/v1/payment_intents";
constexpr std::size_t trouble_bytes_max = 160;

/// "503 service_unavailable: ..." for people.
std::string described(const net::HttpResponse& response) {
    std::string text = fmt::format("{} {}", response.status, response.body);
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    if (text.size() > trouble_bytes_max) text.resize(trouble_bytes_max);
    return text;
}

std::string field_of(const net::HttpResponse& response, std::string_view field) {
    auto json = parse_json(response.body);
    if (!json) return {};
    auto text = json_text(*json, field);
    return text ? std::move(*text) : std::string{};
}

void conclude(Purchase& purchase, Verdict verdict) {
    purchase.told = verdict.told;
    purchase.trouble = std::move(verdict.trouble);
    purchase.turned_away = verdict.turned_away;
    purchase.ended = MonotonicClock::now();
}

bool is_final(Told told) {
    return told == Told::Succeeded || told == Told::Accepted || told == Told::Declined;
}

} // namespace

bool turned_away(const net::HttpResponse& answer) {
    return answer.status == 503 && !answer.headers.get("Retry-After").empty() &&
           answer.headers.get("Stripe-Should-Retry") == "true";
}

Verdict told_by(const Result<net::HttpResponse>& answer, bool card_declines) {
    if (!answer) return {Told::Failed, to_string(answer.error())};
    if (answer->status == 402 && card_declines) return {Told::Declined, {}};
    if (answer->status / 100 != 2) return {Told::Failed, described(*answer), turned_away(*answer)};
    const std::string status = field_of(*answer, "status");
    if (status == "succeeded") return {Told::Succeeded, {}};
    if (status == "processing" || status == "requires_capture") return {Told::Accepted, {}};
    return {Told::Failed, described(*answer)};
}

std::string Shopper::new_key() const { return Uuid::time_ordered(env_).base62(); }

Call Shopper::confirmation(const Purchase& purchase) const {
    return {.target = fmt::format("{}/{}/confirm", path, purchase.payment), .key = new_key()};
}

Task<bool> Shopper::create(Purchase& purchase, int lane) {
    FormWriter form;
    form.add("amount", purchase.amount_minor)
        .add("currency", "usd")
        .add("payment_method", purchase.card_declines ? "pm_card_chargeDeclined" : "pm_card_visa")
        .add("metadata[purchase_id]", purchase.id);
    Call call{.target = std::string(path), .key = new_key(), .body = form.str()};
    auto created = co_await request(std::move(call), lane);
    if (created && created->status / 100 == 2) purchase.payment = field_of(*created, "id");
    if (!purchase.payment.empty()) co_return true;
    conclude(purchase, {Told::Failed,
                        "create: " + (created ? described(*created) : to_string(created.error())),
                        created && turned_away(*created)});
    co_return false;
}

/// The second of two requests that are under way at the same time.
struct Shopper::Other {
    explicit Other(net::Loop& loop) : done(loop, net::Event::Reset::Manual) {}
    net::Event done;
    std::optional<Answer> answer;
};

Task<void> Shopper::send_other(Call call, int lane, std::shared_ptr<Other> other) {
    other->answer.emplace(co_await request(std::move(call), lane));
    other->done.set();
    co_return Result<void>{};
}

/// `first` goes at once; `second` when `after` has passed or the first is answered.
Task<void> Shopper::confirm_twice(Purchase& purchase, Call first, Call second, Duration after,
                                  int lane) {
    auto other = std::make_shared<Other>(loop_);
    CO_TRY_VOID(gate_.spawn(send_other(std::move(first), lane, other)));
    if (after > Duration{0}) CO_TRY_VOID(co_await other->done.wait(Deadline::after(after)));
    auto answer = co_await request(std::move(second), lane + 1);
    const Duration longest = policy_.timeout * (policy_.retries_max + 2);
    CO_TRY_VOID(co_await other->done.wait(Deadline::after(longest)));
    Verdict verdict = told_by(*other->answer, purchase.card_declines);
    if (!is_final(verdict.told)) {
        Verdict also = told_by(answer, purchase.card_declines);
        if (is_final(also.told)) verdict = std::move(also);
    }
    conclude(purchase, std::move(verdict));
    // One of the two may have been told that the other did it.
    const bool refused = answer && answer->status == 400;
    if (purchase.told == Told::Failed && refused) CO_TRY_VOID(co_await look_up(purchase, lane));
    co_return Result<void>{};
}

Task<void> Shopper::look_up(Purchase& purchase, int lane) {
    Call call{.method = "GET", .target = fmt::format("{}/{}", path, purchase.payment)};
    auto found = co_await request(std::move(call), lane);
    Verdict verdict = told_by(found, purchase.card_declines);
    if (is_final(verdict.told)) conclude(purchase, std::move(verdict));
    co_return Result<void>{};
}

Task<void> Shopper::abandon(Purchase& purchase, int lane) {
    const auto span = static_cast<std::uint64_t>(gone_after_max.count());
    const Duration stays{static_cast<Duration::rep>(env_.random_below(span))};
    auto answer = co_await way_.send(confirmation(purchase), lane, Deadline::after(stays));
    if (answer)
        conclude(purchase, told_by(answer, purchase.card_declines));
    else
        conclude(purchase, {Told::Abandoned, {}});
    co_return Result<void>{};
}

Task<void> Shopper::poll_then_retry(Purchase& purchase, int lane) {
    const Call confirm = confirmation(purchase);
    auto answer = co_await way_.send(confirm, lane, Deadline::after(poll_after));
    Verdict verdict = told_by(answer, purchase.card_declines);
    if (is_final(verdict.told)) co_return conclude(purchase, std::move(verdict)), Result<void>{};
    for (int i = 0; i < polls_max; ++i) {
        CO_TRY_VOID(co_await net::sleep_for(poll_pause));
        CO_TRY_VOID(co_await look_up(purchase, lane));
        if (is_final(purchase.told)) co_return Result<void>{};
    }
    auto retried = co_await request(confirm, lane);
    conclude(purchase, told_by(retried, purchase.card_declines));
    co_return Result<void>{};
}

Task<void> Shopper::buy(Purchase& purchase, int server) {
    CO_TRY(const bool created, co_await create(purchase, server));
    if (!created) co_return Result<void>{};
    const int lane = server + 1; // the payer's browser has a connection of its own
    switch (purchase.manner) {
        case Manner::Abandon: co_return co_await abandon(purchase, lane);
        case Manner::PollThenRetry: co_return co_await poll_then_retry(purchase, lane);
        case Manner::ConfirmAgain:
            co_return co_await confirm_twice(purchase, confirmation(purchase),
                                             confirmation(purchase), second_after, lane);
        case Manner::TwoInstances: {
            const Call call = confirmation(purchase);
            co_return co_await confirm_twice(purchase, call, call, Duration{0}, lane);
        }
        case Manner::Sdk: break;
    }
    auto answer = co_await request(confirmation(purchase), lane);
    conclude(purchase, told_by(answer, purchase.card_declines));
    co_return Result<void>{};
}

} // namespace holdfast::drill
