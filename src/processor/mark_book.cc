#include "processor/mark_book.h"

#include "base/log.h"
#include "processor/logged_steps.h"

#include <utility>

namespace holdfast::processor {

MarkBook::MarkBook(net::Loop& loop, Env& env)
    : loop_(loop),
      env_(env),
      heard_(std::make_shared<net::Event>(loop, net::Event::Reset::Manual)) {}

MarkBook::Hearing MarkBook::hear(const MarkMessage& message) {
    if (processes_.size() >= processes_max && !processes_.contains(message.process))
        return Hearing::Refused;
    Process& process = processes_[message.process];
    const bool silent = env_.now() - process.heard > silence_max;
    if (message.life < process.life && !silent) return Hearing::Refused;
    const bool new_life = process.life != message.life;
    const bool follows = !new_life && message.number == process.number + 1;
    const bool begins = message.whole && (new_life || message.number > process.number);
    if (!follows && !begins) return Hearing::SendWhole;
    if (message.whole) forget_all_of(message.process);
    process = {.life = message.life, .number = message.number, .heard = env_.now()};
    for (const Mark& mark : message.marks) take(message.process, mark);
    const auto heard =
        std::exchange(heard_, std::make_shared<net::Event>(loop_, net::Event::Reset::Manual));
    heard->set();
    return Hearing::Taken;
}

void MarkBook::forget_all_of(const std::string& process) {
    std::erase_if(held_, [&](const auto& held) { return held.second.process == process; });
}

void MarkBook::take(const std::string& process, const Mark& mark) {
    auto known = held_.find(mark.payment);
    if (!mark.held) {
        if (known != held_.end() && known->second.process == process) held_.erase(known);
        overruled_.erase(mark.payment);
        return;
    }
    if (overruled_.contains(mark.payment)) return;
    auto rows = restored(mark.objects);
    const core::PaymentIntent* payment = rows ? rows->payment_intents.find(mark.payment) : nullptr;
    if (payment == nullptr) {
        log::error("mark_not_understood", {{"process", process}, {"payment", mark.payment.id}});
        return;
    }
    if (known == held_.end() && held_.size() >= marks_max) return;
    Held held{.process = process, .payment = *payment, .answers = {}};
    for (const core::ReplayRecord& told : mark.answers)
        held.answers.insert_or_assign(told.replay_key, told);
    held_.insert_or_assign(mark.payment, std::move(held));
    for_each_change(rows->payment_methods,
                    [&](const core::RowKey& key, const auto& row) { methods_.note(key, row); });
    for_each_change(rows->charges,
                    [&](const core::RowKey& key, const auto& row) { charges_.note(key, row); });
}

const MarkBook::Held* MarkBook::find(const core::RowKey& payment) const {
    auto held = held_.find(payment);
    return held == held_.end() ? nullptr : &held->second;
}

void MarkBook::overrule(const core::RowKey& payment) {
    if (held_.erase(payment) > 0 && overruled_.size() < marks_max) overruled_.insert(payment);
}

bool MarkBook::speaks(const Held& held) const {
    auto process = processes_.find(held.process);
    return process != processes_.end() && env_.now() - process->second.heard <= silence_max;
}

net::Task<void> MarkBook::changed(net::Deadline deadline) {
    const auto heard = heard_;
    CO_TRY([[maybe_unused]] bool set, co_await heard->wait(deadline));
    co_return Result<void>{};
}

} // namespace holdfast::processor
