// StandIn: what it knows of payments that are not drained yet, its own and those of other
// processes.

#include "core/snapshot.h"
#include "processor/stand_in_step.h"

#include <utility>

namespace holdfast::processor {

namespace {

/// So long an answer waits until the peers know of it.
constexpr Duration telling_patience = std::chrono::milliseconds{100};

template <class T> Here<T> known(const T* row, bool current) {
    return row != nullptr ? Here<T>({.row = *row, .current = current}) : std::nullopt;
}

Outcome replayed(const core::ReplayRecord& told) {
    return {.answer = told.answer, .replayed = true, .original_request = told.request_id};
}

} // namespace

std::optional<Outcome> StandIn::answered(const core::Command& command) const {
    auto held = payments_.find(payment_key(command));
    if (held == payments_.end()) return std::nullopt;
    const auto& replays = held->second->rows.replays;
    auto told = replays.find({command.account, command.request.replay_key});
    if (told == replays.end() || told->second.fingerprint != command.request.fingerprint)
        return std::nullopt;
    return replayed(told->second);
}

Here<core::PaymentIntent> StandIn::find(Id<core::Account> account,
                                        Id<core::PaymentIntent> id) const {
    const core::RowKey key{account, id.uuid()};
    if (auto held = payments_.find(key); held != payments_.end())
        if (const auto* row = held->second->rows.payment_intents.find(key))
            return KnownHere{.row = *row, .current = true};
    if (const MarkBook::Held* other = marked(key))
        return KnownHere{.row = other->payment, .current = marks_.book->speaks(*other)};
    return known(recent_.payments.find(key), away());
}

Here<core::PaymentMethod> StandIn::find(Id<core::Account> account,
                                        Id<core::PaymentMethod> id) const {
    const core::RowKey key{account, id.uuid()};
    const core::PaymentMethod* row = recent_.methods.find(key);
    if (row == nullptr && marks_.book != nullptr) row = marks_.book->method(key);
    return known(row, away());
}

Here<core::Charge> StandIn::find(Id<core::Account> account, Id<core::Charge> id) const {
    const core::RowKey key{account, id.uuid()};
    const core::Charge* row = recent_.charges.find(key);
    if (row == nullptr && marks_.book != nullptr) row = marks_.book->charge(key);
    return known(row, away());
}

Task<void> StandIn::wait_drained(core::Command command, Deadline deadline) {
    if (payments_.empty()) co_return Result<void>{};
    auto found = payments_.find(payment_key(command));
    if (found == payments_.end()) co_return Result<void>{};
    PaymentPtr payment = found->second;
    if (payment->not_before > env_.now()) co_return fail(payment->damage);
    CO_TRY(bool drained, co_await payment->drained.wait(deadline));
    if (!drained)
        co_return fail(
            stand_in_unable("This payment was accepted without the database and is being "
                            "settled; try again in a moment."));
    co_return Result<void>{};
}

// --- Of and for other processes ---------------------------------------------------------------

const MarkBook::Held* StandIn::marked(const core::RowKey& payment) const {
    return marks_.book != nullptr ? marks_.book->find(payment) : nullptr;
}

bool StandIn::held_elsewhere(const core::Command& command) const {
    const core::RowKey key = payment_key(command);
    const MarkBook::Held* other = marked(key);
    return other != nullptr && marks_.book->speaks(*other) && !payments_.contains(key);
}

Task<std::optional<Outcome>> StandIn::wait_released(core::Command command, Deadline deadline) {
    while (held_elsewhere(command)) {
        const MarkBook::Held& other = *marked(payment_key(command));
        auto told = other.answers.find(command.request.replay_key);
        if (told != other.answers.end() && told->second.fingerprint == command.request.fingerprint)
            co_return replayed(told->second);
        if (deadline.passed())
            co_return fail(stand_in_unable(
                "Another process has accepted this payment without the database and is "
                "settling it; try again in a moment."));
        CO_TRY_VOID(co_await marks_.book->changed(deadline.capped(MarkBook::silence_max)));
    }
    co_return std::optional<Outcome>{};
}

Task<Outcome> StandIn::pass_on(core::Command command, Deadline deadline) {
    CHECK(marks_.teller != nullptr);
    co_return co_await marks_.teller->pass_on(std::move(command), deadline);
}

void StandIn::decided_here(const core::RowKey& payment) {
    if (const MarkBook::Held* other = marked(payment); other && !marks_.book->speaks(*other))
        marks_.book->overrule(payment);
}

void StandIn::changed(const core::RowKey& payment) {
    if (marks_.teller != nullptr) marks_.teller->changed(payment);
}

Task<void> StandIn::told(core::RowKey payment) {
    if (marks_.teller == nullptr) co_return Result<void>{};
    co_return co_await marks_.teller->told(payment, telling_patience);
}

std::vector<core::RowKey> StandIn::held() const {
    std::vector<core::RowKey> keys;
    keys.reserve(payments_.size());
    for (const auto& [key, payment] : payments_) keys.push_back(key);
    return keys;
}

Mark StandIn::mark_of(const core::RowKey& payment) const {
    Mark mark{.payment = payment, .held = false, .objects = {}, .answers = {}};
    auto held = payments_.find(payment);
    if (held == payments_.end()) return mark;
    const core::UnitOfWork& rows = held->second->rows;
    const core::PaymentIntent* row = rows.payment_intents.find(payment);
    if (row == nullptr) return mark; // not on disk yet
    mark.held = true;
    mark.objects.push_back(core::snapshot(*row));
    if (const auto* method = rows.payment_methods.find(row->account, row->payment_method))
        mark.objects.push_back(core::snapshot(*method));
    if (const auto* charge = rows.charges.find(row->account, row->latest_charge))
        mark.objects.push_back(core::snapshot(*charge));
    for (const auto& [key, answer] : rows.replays) mark.answers.push_back(answer);
    return mark;
}

} // namespace holdfast::processor
