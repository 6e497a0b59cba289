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

} // namespace

void Client::note(const std::string& text) {
    if (wire_.note) wire_.note(name_ + ": " + text);
}

core::RequestContext Client::new_key() {
    core::RequestContext request;
    request.idempotency_key = fmt::format("{}-{}", name_, ++keys_);
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
    body.confirm = dice_.chance(60);
    if (body.confirm || dice_.chance(50)) body.payment_method = card(request, any_card());
    auto created = co_await insist(with(std::move(request), std::move(body)));
    if (!created) co_return fail(std::move(created).error());
    if (*created) learn(purchase, **created);
    if (gives_up()) co_return Result<void>{};

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

Task<std::optional<Outcome>> Client::insist(core::Command command) {
    for (int i = 0; i < sends_max; ++i) {
        Result<Outcome> result = fail(ErrorClass::Bug, "unset", "");
        if (dice_.chance(10)) {
            CO_TRY(result, co_await send_twice(command));
        } else {
            int node = static_cast<int>(dice_.below(static_cast<std::uint64_t>(wire_.nodes)));
            CO_TRY_VOID(co_await send_into(command, node, result));
        }
        if (result && !result->pending) {
            same_object(command, *result);
            co_return std::move(*result);
        }
        if (!result && !passes(result.error())) co_return std::nullopt;
        if (gives_up()) {
            note("gives up");
            break;
        }
        CO_TRY_VOID(co_await net::sleep_for(pause(100 << std::min(i, 6))));
    }
    co_return std::nullopt;
}

Task<void> Client::send_into(core::Command command, int node, Result<Outcome>& result) {
    std::string what =
        fmt::format("{} {} at {}", command.request.idempotency_key, core::name_of(command), node);
    Duration patience =
        dice_.between(Duration{std::chrono::milliseconds{300}}, Duration{std::chrono::seconds{12}});
    result = co_await wire_.send(node, std::move(command), patience);
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
    CO_TRY_VOID(gate.spawn(send_into(command, 0, first)));
    CO_TRY_VOID(gate.spawn(send_into(command, wire_.nodes - 1, second)));
    CO_TRY_VOID(co_await gate.close(Deadline::after(std::chrono::minutes{1})));
    if (first && second && !first->pending && !second->pending) {
        same_object(command, *first);
        same_object(command, *second);
    }
    co_return first && !first->pending ? std::move(first) : std::move(second);
}

/// One key is one object, whichever instance answers, whenever.
void Client::same_object(const core::Command& command, const Outcome& outcome) {
    Uuid id;
    if (auto payment = core::restore<core::PaymentIntent>(outcome.answer.object)) {
        id = payment->id.uuid();
    } else if (auto refund = core::restore<core::Refund>(outcome.answer.object)) {
        id = refund->id.uuid();
    }
    auto [known, fresh] = objects_.emplace(command.request.idempotency_key, id);
    if (id.is_nil() || known->second != id) {
        complaint_ = "key " + command.request.idempotency_key + " was answered with two objects";
    }
}

void Client::learn(Purchase& purchase, const Outcome& outcome) {
    if (outcome.answer.declined) {
        purchase.told_declined.push_back(outcome.answer.declined->charge);
        return;
    }
    if (auto refund = core::restore<core::Refund>(outcome.answer.object)) {
        if (refund->status == core::RefundStatus::Succeeded) {
            purchase.told_refunded.push_back(refund->id);
        }
        return;
    }
    auto payment = core::restore<core::PaymentIntent>(outcome.answer.object);
    if (!payment) {
        complaint_ = "an answer without an object";
        return;
    }
    if (payment->status == PaymentIntentStatus::Succeeded) {
        purchase.told_received_minor = payment->amount_received_minor;
    }
    if (payment->status == PaymentIntentStatus::RequiresCapture) purchase.told_held = true;
    if (payment->status == PaymentIntentStatus::Canceled) purchase.told_canceled = true;
}

} // namespace holdfast::sim
