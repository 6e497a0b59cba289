#include "floor_witness.h"

#include "core/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace holdfast::sim {

std::optional<core::Operation> FloorWitness::unauthorized(const processor::LoggedStep& step) const {
    if (step.outcome || step.rows.operation.empty()) return std::nullopt;
    auto operation = core::decode_operation(step.rows.operation);
    CHECK(operation.has_value());
    if (acquirer_.may_know(operation->id)) return std::nullopt;
    return std::move(*operation);
}

std::map<FloorWitness::StepOf, core::Operation> FloorWitness::unauthorized() const {
    std::map<StepOf, core::Operation> open;
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
        const auto log = nodes_[n]->read_log();
        if (!log) continue; // the verdict reads it again in the end
        for (const auto& [number, step] : *log)
            if (auto operation = unauthorized(step))
                open.insert({{static_cast<int>(n), number}, std::move(*operation)});
    }
    return open;
}

void FloorWitness::hear(int node, const processor::Outcome& outcome) {
    const auto payment = core::restore<core::PaymentIntent>(outcome.answer.object);
    if (!outcome.pending || !payment) return;
    auto open = unauthorized();
    for (const auto& [step, operation] : open)
        if (step.first == node && operation.payment_intent == payment->id)
            seen_ += accepted_.insert(step).second ? 1 : 0;
    std::erase_if(accepted_, [&](const StepOf& step) { return !open.contains(step); });
    std::erase_if(open, [&](const auto& entry) { return !accepted_.contains(entry.first); });
    add_up(open);
}

void FloorWitness::add_up(const std::map<StepOf, core::Operation>& accepted) {
    using OfAccount = std::pair<Id<core::Account>, core::Currency>;
    std::map<OfAccount, std::int64_t> totals;
    std::map<std::pair<OfAccount, std::string>, std::int64_t> cards;
    for (const auto& [_, operation] : accepted) {
        const auto& [minor, currency] = operation.amount;
        const auto account = std::ranges::find(accounts_, operation.account, &core::Account::id);
        const auto limit =
            std::ranges::find(account->floor_limits, currency, &core::FloorLimit::currency);
        if (limit == account->floor_limits.end()) {
            findings_.push_back(operation.payment_intent.str() + " was accepted without a limit");
            continue;
        }
        const OfAccount key{account->id, currency};
        compare("a payment", minor, limit->payment_minor);
        compare("a card", cards[{key, operation.card.fingerprint}] += minor, limit->card_minor);
        compare("an account", totals[key] += minor, limit->total_minor);
    }
}

void FloorWitness::compare(const std::string& what, std::int64_t open_minor,
                           std::int64_t limit_minor) {
    if (open_minor <= limit_minor) return;
    findings_.push_back(fmt::format("{} has {} open without the issuer's word, of at most {}", what,
                                    open_minor, limit_minor));
}

} // namespace holdfast::sim
