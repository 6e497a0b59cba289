#include "processor/floor_limits.h"

namespace holdfast::processor {

namespace {

Error beyond(std::string message) {
    return {.kind = ErrorClass::Unavailable,
            .code = "floor_limit",
            .message = std::move(message),
            .retryable = true};
}

/// Rounded down. Limits are at most amount_minor_max times a million: no overflow.
std::int64_t part_of(std::int64_t limit_minor, std::int32_t ppm) {
    return limit_minor / store::FloorShare::whole_ppm * ppm +
           limit_minor % store::FloorShare::whole_ppm * ppm / store::FloorShare::whole_ppm;
}

template <class Key>
void add_to(std::map<Key, std::int64_t>& sums, const Key& key, std::int64_t minor) {
    auto at = sums.try_emplace(key, 0).first;
    at->second += minor;
    CHECK(at->second >= 0);
    if (at->second == 0) sums.erase(at);
}

template <class Key> std::int64_t in(const std::map<Key, std::int64_t>& sums, const Key& key) {
    auto at = sums.find(key);
    return at == sums.end() ? 0 : at->second;
}

} // namespace

FloorLimits::OfCard FloorLimits::card_of(const core::Operation& operation) {
    const std::string& card =
        operation.card.fingerprint.empty() ? operation.vault_token : operation.card.fingerprint;
    return {{operation.account, operation.amount.currency}, card};
}

void FloorLimits::count(const OfCard& card, std::int64_t minor) {
    add_to(accounts_, card.first, minor);
    add_to(cards_, card, minor);
    open_ += minor > 0 ? 1 : -1;
}

Result<FloorLimits::Exposure> FloorLimits::accept(const core::Account& account,
                                                  const core::Operation& operation, MonoTime now) {
    const auto limit = std::ranges::find(account.floor_limits, operation.amount.currency,
                                         &core::FloorLimit::currency);
    if (limit == account.floor_limits.end())
        return fail(beyond("This account accepts no payments without the issuer's word."));
    const std::int64_t minor = operation.amount.minor;
    if (minor > limit->payment_minor)
        return fail(beyond("The amount is above the floor limit of a payment."));
    const std::int32_t ppm = share_ppm(now);
    const OfCard card = card_of(operation);
    if (in(cards_, card) + minor > part_of(limit->card_minor, ppm))
        return fail(beyond("The card's open payments are at their floor limit."));
    if (in(accounts_, card.first) + minor > part_of(limit->total_minor, ppm))
        return fail(beyond("The account's open payments are at their floor limit."));
    if (open_ >= unauthorized_max_)
        return fail(beyond("Too many payments wait for their issuer's word."));
    return note(operation);
}

} // namespace holdfast::processor
