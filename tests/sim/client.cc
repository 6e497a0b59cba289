#include "client.h"

#include "core/names.h"
#include "core/snapshot.h"
#include "gateway/cards.h"

#include <fmt/format.h>

namespace holdfast::sim {

using core::PaymentIntentStatus;
using processor::Outcome;

namespace {

constexpr int sends_max = 12;

/// May the same request, sent again, be answered otherwise? As Stripe's SDKs decide it: 409, 429
/// and 5xx are retried.
bool passes(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Unknown:
        case ErrorClass::Unavailable:
        case ErrorClass::Deadline:
        case ErrorClass::Overload: return true;
        case ErrorClass::Conflict: return error.retryable;
        default: return false;
    }
}

/// Refusals that a request of this client can earn by its own doing.
bool is_deserved(const Error& error) {
    return error.code == "payment_intent_unexpected_state" || error.code == "amount_too_large" ||
           error.code == "charge_already_refunded";
}

/// What an answer says, as far as every answer under its key must say it.
std::string gist(const Outcome& outcome) {
    const core::Snapshot& object = outcome.answer.object;
    std::string text(core::to_string(object.kind));
    if (auto payment = core::restore<core::PaymentIntent>(object)) text = payment->id.str();
    if (auto customer = core::restore<core::Customer>(object)) text = customer->id.str();
    if (auto refund = core::restore<core::Refund>(object)) {
        text = fmt::format("{} {}", refund->id.str(), core::to_string(refund->status));
    }
    if (outcome.answer.declined) text += " declined " + outcome.answer.declined->charge.str();
    return text;
}

} // namespace

void Client::complain(std::string text) {
    if (complaint_.empty()) complaint_ = fmt::format("{}: {}", name_, text);
}

void Client::note(const std::string& text) {
    if (wire_.note) wire_.note(name_ + ": " + text);
}

core::RequestContext Client::new_key() {
    core::RequestContext request;
    request.idempotency_key = fmt::format("{}-{}", key_prefix_, ++keys_);
    request.replay_key = wire_.identity.replay_key(wire_.account, "sim", request.idempotency_key);
    request.fingerprint = static_cast<std::uint64_t>(keys_);
    request.request_id = Uuid::time_ordered(wire_.env);
    return request;
}

core::Command Client::with(core::RequestContext request, core::CommandBody body) {
    return {wire_.account, std::move(request), wire_.env.wall(), std::move(body)};
}

core::PaymentMethodChoice Client::card(const core::RequestContext& request, Card card) {
    const char* name = card == Card::Declined      ? "pm_card_chargeDeclined"
                       : card == Card::RefundFails ? "pm_card_refundFail"
                                                   : "pm_card_visa";
    auto vaulted = gateway::built_in_card(name);
    CHECK(vaulted.has_value());
    core::PaymentMethod method;
    method.id = wire_.identity.created_by<core::PaymentMethod>(wire_.account, request.replay_key);
    method.account = wire_.account;
    method.card = vaulted->card;
    method.vault_token = vaulted->vault_token;
    core::PaymentMethodChoice choice;
    choice.id = method.id;
    choice.create = std::move(method);
    return choice;
}

Client::Card Client::any_card() {
    if (dice_.chance(15)) return Card::Declined;
    return dice_.chance(10) ? Card::RefundFails : Card::Good;
}

Task<void> Client::run() {
    for (int i = 0; i < purchases_ && complaint_.empty(); ++i) {
        CO_TRY_VOID(co_await net::sleep_for(pause(200)));
        auto purchase = std::make_unique<Purchase>();
        purchase->id = fmt::format("{}-{}", name_, i);
        purchase->amount_minor = dice_.between(100, 99'999);
        told_.push_back(std::move(purchase));
        CO_TRY_VOID(co_await this->purchase(*told_.back()));
    }
    co_return Result<void>{};
}

Task<void> Client::purchase(Purchase& purchase) {
    core::RequestContext request = new_key();
    core::CreatePaymentIntent body;
    core::PaymentIntent& payment = body.payment_intent;
    payment.id = wire_.identity.created_by<core::PaymentIntent>(wire_.account, request.replay_key);
    payment.account = wire_.account;
    payment.amount = {purchase.amount_minor, {}};
    payment.capture_method =
        dice_.chance(40) ? core::CaptureMethod::Manual : core::CaptureMethod::Automatic;
    payment.details.metadata["purchase_id"] = purchase.id;
    purchase.payment = payment.id;
    purchase.creation = request.replay_key;
    body.confirm = dice_.chance(60);
    if (body.confirm || dice_.chance(50)) body.payment_method = card(request, any_card());
    auto done = std::make_shared<bool>(false);
    net::Gate meddling(wire_.loop, name_);
    if (dice_.chance(20)) {
        CO_TRY_VOID(co_await have_customer());
        payment.customer = customer_;
        for (int i = 0; customer_ && i < 2; ++i) CO_TRY_VOID(meddling.spawn(meddle(done)));
    }
    auto created = co_await insist(with(std::move(request), std::move(body)));
    *done = true;
    CO_TRY_VOID(co_await meddling.close(Deadline::after(std::chrono::minutes{2})));
    if (!created) co_return fail(std::move(created).error());
    if (*created) learn(purchase, **created);
    if (gives_up()) co_return Result<void>{};
    if (*created && dice_.chance(25)) CO_TRY_VOID(co_await take_note(purchase));

    for (int i = 0; i < 3; ++i) {
        CO_TRY(auto seen, co_await wire_.look(purchase.payment));
        if (!seen) co_return Result<void>{};
        if (seen->status == PaymentIntentStatus::Processing) {
            CO_TRY_VOID(co_await net::sleep_for(pause(4'000)));
            // The impatient click again: a new key for the same payment.
            if (dice_.chance(50)) CO_TRY_VOID(co_await confirm_again(purchase));
            continue;
        }
        if (seen->status == PaymentIntentStatus::RequiresCapture ||
            seen->status == PaymentIntentStatus::Succeeded) {
            co_return co_await settle(purchase, *seen);
        }
        if (seen->status == PaymentIntentStatus::Canceled || gives_up()) break;
        CO_TRY_VOID(co_await confirm_again(purchase));
    }
    co_return Result<void>{};
}

Task<void> Client::have_customer() {
    if (customer_) co_return Result<void>{};
    core::RequestContext request = new_key();
    core::Customer customer;
    customer.id = wire_.identity.created_by<core::Customer>(wire_.account, request.replay_key);
    const Id<core::Customer> id = customer.id;
    CO_TRY(auto made,
           co_await insist(with(std::move(request), core::CreateCustomer{std::move(customer)})));
    if (made) customer_ = id;
    co_return Result<void>{};
}

Task<void> Client::meddle(std::shared_ptr<bool> done) {
    for (int i = 0; i < 4 && !*done; ++i) {
        core::UpdateCustomer update{.id = customer_};
        update.description = {true, fmt::format("{}", dice_.below(1'000))};
        CO_TRY_VOID(co_await insist(with(new_key(), std::move(update))));
    }
    co_return Result<void>{};
}

/// Numbers that rise: the last one that was acknowledged, or a later one, must be there in the end.
Task<void> Client::take_note(Purchase& purchase) {
    const auto count = static_cast<int>(dice_.between(1, 3));
    for (int number = 1; number <= count; ++number) {
        core::UpdatePaymentIntent update{.id = purchase.payment};
        update.metadata.set["note"] = std::to_string(number);
        CO_TRY(auto outcome, co_await insist(with(new_key(), std::move(update))));
        if (outcome) purchase.told_note = number;
    }
    co_return Result<void>{};
}

Task<void> Client::confirm_again(Purchase& purchase) {
    core::RequestContext request = new_key();
    core::ConfirmPaymentIntent body;
    body.id = purchase.payment;
    body.payment_method = card(request, any_card());
    CO_TRY(auto outcome, co_await insist(with(std::move(request), std::move(body))));
    if (outcome) learn(purchase, *outcome);
    co_return Result<void>{};
}

/// The money is held or taken: capture or cancel, then perhaps refund.
Task<void> Client::settle(Purchase& purchase, core::PaymentIntent payment) {
    if (payment.status == PaymentIntentStatus::RequiresCapture) {
        if (gives_up()) co_return Result<void>{};
        core::CommandBody body = core::CancelPaymentIntent{.id = payment.id};
        if (dice_.chance(75)) {
            core::CapturePaymentIntent capture;
            capture.id = payment.id;
            if (dice_.chance(40)) {
                capture.amount_to_capture_minor = dice_.between(1, payment.amount.minor);
            }
            body = std::move(capture);
        }
        CO_TRY(auto outcome, co_await insist(with(new_key(), std::move(body))));
        if (outcome) learn(purchase, *outcome);
    }
    while (dice_.chance(40)) CO_TRY_VOID(co_await refund(purchase));
    co_return Result<void>{};
}

Task<void> Client::refund(Purchase& purchase) {
    core::RequestContext request = new_key();
    core::CreateRefund body;
    body.id = wire_.identity.created_by<core::Refund>(wire_.account, request.replay_key);
    body.payment_intent = purchase.payment;
    if (dice_.chance(60)) body.amount_minor = dice_.between(1, purchase.amount_minor);
    CO_TRY(auto outcome, co_await insist(with(std::move(request), std::move(body))));
    if (outcome) learn(purchase, *outcome);
    co_return Result<void>{};
}

/// Has an answer shown that payment? A page is none: it may show what a primary has and its standby
/// has not, and when that primary is lost, nor has anybody.
bool Client::was_told_of(Id<core::PaymentIntent> payment) const {
    return std::ranges::any_of(told_, [payment](const auto& purchase) {
        return purchase->payment == payment && purchase->told_there;
    });
}

Task<std::optional<Outcome>> Client::insist(core::Command command) {
    bool shown = false;
    for (int i = 0; i < sends_max; ++i) {
        Result<Outcome> result = fail(ErrorClass::Bug, "unset", "");
        if (dice_.chance(10)) {
            CO_TRY(result, co_await send_twice(command));
        } else {
            int node = static_cast<int>(dice_.below(static_cast<std::uint64_t>(wire_.nodes)));
            CO_TRY_VOID(co_await send_into(command, node, result));
        }
        if (result && !result->pending) {
            same_answer(command, *result);
            // The state that another request has brought a payment to is no answer that is kept.
            const bool kept = !result->replayed || !result->original_request.is_nil();
            if (dice_.chance(15) && kept) CO_TRY_VOID(co_await ask_again(std::move(command)));
            co_return std::move(*result);
        }
        shown = shown || result.has_value();
        if (!result && !passes(result.error())) {
            const bool never_was = result.error().code == "resource_missing" && !shown &&
                                   !was_told_of(processor::payment_of(command));
            if (!never_was && !is_deserved(result.error())) {
                complain(fmt::format("{} was refused: {}", command.request.idempotency_key,
                                     to_string(result.error())));
            }
            co_return std::nullopt;
        }
        // Those who were told that nothing was done, and leave it at that, test those words.
        const bool told = told_not_done(command.request.replay_key);
        if (gives_up() || (told && dice_.chance(20))) {
            note("gives up");
            break;
        }
        CO_TRY_VOID(co_await net::sleep_for(pause(100 << std::min(i, 6))));
    }
    co_return std::nullopt;
}

/// What was answered is answered again, and never refused.
Task<void> Client::ask_again(core::Command command) {
    CO_TRY_VOID(co_await net::sleep_for(pause(2'000)));
    const auto node = static_cast<int>(dice_.below(static_cast<std::uint64_t>(wire_.nodes)));
    const std::string key = command.request.idempotency_key;
    const bool may_give_way =
        wire_.stands_in && std::holds_alternative<core::ConfirmPaymentIntent>(command.body);
    Result<Outcome> again = fail(ErrorClass::Bug, "unset", "");
    CO_TRY_VOID(co_await send_into(command, node, again));
    if (again && !again->pending) same_answer(command, *again);
    // What was decided without the database gives way to another attempt at the same payment.
    const bool gave_way =
        !again && may_give_way && again.error().code == "payment_intent_unexpected_state";
    if (!again && !passes(again.error()) && !wire_.answers_expire && !gave_way) {
        complain(
            fmt::format("{} was answered and then refused: {}", key, to_string(again.error())));
    }
    co_return Result<void>{};
}

Task<void> Client::send_into(core::Command command, int node, Result<Outcome>& result) {
    std::string what =
        fmt::format("{} {} at {}", command.request.idempotency_key, core::name_of(command), node);
    Duration patience =
        dice_.between(Duration{std::chrono::milliseconds{300}}, Duration{std::chrono::seconds{12}});
    const Uuid replay_key = command.request.replay_key;
    result = co_await wire_.send(node, std::move(command), patience);
    const bool certain = !result && result.error().kind != ErrorClass::Unknown &&
                         result.error().kind != ErrorClass::Conflict;
    (certain ? told_not_done_ : maybe_done_).insert(replay_key);
    if (!result)
        note(what + " -> " + to_string(result.error()));
    else if (result->pending)
        note(what + " -> pending");
    else if (result->answer.declined)
        note(what + " -> declined");
    else
        note(what + (result->replayed ? " -> replayed" : " -> done"));
    co_return Result<void>{};
}

/// The same request to two instances at the same time; either answer counts.
Task<Result<Outcome>> Client::send_twice(core::Command command) {
    Result<Outcome> first = fail(ErrorClass::Bug, "unset", "");
    Result<Outcome> second = first;
    net::Gate gate(wire_.loop, name_);
    const auto node = static_cast<int>(dice_.below(static_cast<std::uint64_t>(wire_.nodes)));
    CO_TRY_VOID(gate.spawn(send_into(command, node, first)));
    CO_TRY_VOID(gate.spawn(send_into(command, (node + 1) % wire_.nodes, second)));
    CO_TRY_VOID(co_await gate.close(Deadline::after(std::chrono::minutes{1})));
    if (first && second && !first->pending && !second->pending) {
        same_answer(command, *first);
        same_answer(command, *second);
    }
    co_return first && !first->pending ? std::move(first) : std::move(second);
}

/// One key is one object and one answer, whichever instance gives it, whenever.
void Client::same_answer(const core::Command& command, const Outcome& outcome) {
    const std::string& key = command.request.idempotency_key;
    const std::string now = gist(outcome);
    const std::string& before = answers_.try_emplace(key, now).first->second;
    const auto object = [](std::string_view answer) { return answer.substr(0, answer.find(' ')); };
    // An answer that has expired is decided anew, on the same object.
    // What was answered without the database gives way to what it has.
    const bool may_change = wire_.answers_expire || (wire_.stands_in && now.starts_with("pi_"));
    if (before == now || (may_change && object(before) == object(now))) return;
    complain(fmt::format("{} was answered '{}' and '{}'", key, before, now));
}

void Client::learn(Purchase& purchase, const Outcome& outcome) {
    if (auto refund = core::restore<core::Refund>(outcome.answer.object)) {
        if (refund->status == core::RefundStatus::Succeeded) {
            purchase.told_refunded.push_back(refund->id);
        }
        return;
    }
    auto payment = core::restore<core::PaymentIntent>(outcome.answer.object);
    if (!payment) {
        complain("an answer without an object");
        return;
    }
    if (outcome.answer.declined) {
        purchase.told_declined[outcome.answer.declined->charge] = payment->failed_attempts - 1;
        return;
    }
    purchase.told_there = true;
    if (payment->status == PaymentIntentStatus::Succeeded) {
        purchase.told_received_minor = payment->amount_received_minor;
    }
    if (payment->status == PaymentIntentStatus::RequiresCapture)
        purchase.told_held = payment->failed_attempts;
    if (payment->status == PaymentIntentStatus::Canceled) purchase.told_canceled = true;
}

} // namespace holdfast::sim
