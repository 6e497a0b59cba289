#include "processor/batch.h"

#include <algorithm>
#include <unordered_set>

namespace holdfast::processor {

namespace {

using KeySet = std::unordered_set<LockKey, LockKeyHash>;

KeySet held_rows(const std::vector<core::RowRef>& busy) {
    KeySet keys;
    for (const core::RowRef& row : busy) keys.insert({LockKey::Space::Row, row.kind, row.key});
    return keys;
}

bool touches(const Ticket& ticket, const KeySet& keys) {
    return !keys.empty() && std::ranges::any_of(ticket.places, [&](const Place& place) {
        return keys.contains(place.key);
    });
}

void add_keys(const Ticket& ticket, KeySet& keys) {
    for (const Place& place : ticket.places) keys.insert(place.key);
}

bool has_changes(const core::UnitOfWork& work) {
    return work.customers.dirty() || work.payment_methods.dirty() || work.tokens.dirty() ||
           work.payment_intents.dirty() || work.charges.dirty() || work.refunds.dirty() ||
           work.operations.dirty() || !work.events.empty() || !work.transactions.empty() ||
           !work.new_replays.empty();
}

Result<core::Verdict> decide_one(const core::Command& command, store::Batch& loaded, WallTime now,
                                 const Rules& rules) {
    const core::Account* account = rules.account(command.account);
    if (account == nullptr) {
        return fail(ErrorClass::NotFound, "account_unknown",
                    "No such account: " + command.account.str());
    }
    bool takeover = std::holds_alternative<core::ClaimOperation>(command.body);
    core::DecideContext context{.now = takeover ? loaded.database_now : now,
                                .account = *account,
                                .identity = rules.identity,
                                .owner = rules.instance,
                                .operation_valid_until = loaded.database_now + rules.operation_ttl};
    return core::decide(command, loaded.work, context);
}

} // namespace

Decided decide_batch(std::span<Ticket* const> batch, store::Batch& loaded, WallTime now,
                     const Rules& rules) {
    Decided result;
    KeySet held = held_rows(loaded.busy);
    KeySet behind;
    MonoTime clock = MonotonicClock::now();
    result.members.reserve(batch.size());
    for (Ticket* ticket : batch) {
        if (ticket->released || ticket->deadline.when() <= clock) {
            result.gone.push_back(ticket);
            continue;
        }
        bool is_held = touches(*ticket, held);
        if (is_held || touches(*ticket, behind)) {
            (is_held ? result.held : result.behind).push_back(ticket);
            add_keys(*ticket, behind);
            continue;
        }
        ticket->answer = decide_one(ticket->command, loaded, now, rules);
        ticket->state = Ticket::State::Deciding;
        if (ticket->answer->has_value()) {
            const bool replayed = (*ticket->answer)->replayed;
            result.applied += !replayed;
            result.repeats |= replayed;
        }
        result.members.push_back(ticket);
    }
    result.changes = has_changes(loaded.work);
    return result;
}

} // namespace holdfast::processor
