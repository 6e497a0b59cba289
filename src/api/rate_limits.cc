#include "api/rate_limits.h"

namespace holdfast::api {
namespace {

constexpr int wrong_key_burst_s = 10;

Rate rate_of(int per_second, int burst_s = 1) {
    return {.per_second = static_cast<double>(per_second),
            .burst = static_cast<double>(per_second) * burst_s};
}

Error rate_limited(std::string_view whose) {
    return {.kind = ErrorClass::Overload,
            .code = "rate_limit",
            .message = "Request rate limit exceeded: too many requests " + std::string(whose) +
                       ". Slow down and retry with the same idempotency key.",
            .retryable = true};
}

} // namespace

RateLimits::RateLimits(const RateLimitOptions& options, Registry& registry)
    : live_(rate_of(options.live_per_second)),
      test_(rate_of(options.test_per_second)),
      wrong_(rate_of(options.wrong_keys_per_second, wrong_key_burst_s)),
      keys_(options.entries_max),
      networks_(options.entries_max) {
    for (std::size_t i = 0; i < urgencies; ++i) {
        const std::string urgency(to_string(static_cast<Urgency>(i)));
        auto refused = [&](std::string reason) {
            return &registry.counter("holdfast_requests_refused_total",
                                     "Requests refused before anything was done.",
                                     {{"urgency", urgency}, {"reason", std::move(reason)}});
        };
        key_refused_[i] = refused("rate_limit_key");
        address_refused_[i] = refused("rate_limit_address");
    }
    auto entries = [&](std::string table) {
        return &registry.gauge("holdfast_rate_limit_entries",
                               "Keys or addresses whose rate is being watched.",
                               {{"table", std::move(table)}});
    };
    key_entries_ = entries("keys");
    address_entries_ = entries("addresses");
}

Result<void> RateLimits::take(std::string_view key_hash, bool livemode, Urgency urgency,
                              MonoTime now) {
    std::string key(key_hash);
    key += static_cast<char>(urgency);
    const auto wait = keys_.take(key, livemode ? live_ : test_, now);
    key_entries_->set(static_cast<std::int64_t>(keys_.size()));
    if (!wait) return {};
    key_refused_[static_cast<std::size_t>(urgency)]->add();
    return fail(rate_limited("with this key"));
}

Result<void> RateLimits::may_try(std::string_view network, Urgency urgency, MonoTime now) {
    if (!networks_.peek(network, now)) return {};
    address_refused_[static_cast<std::size_t>(urgency)]->add();
    return fail(rate_limited("without a valid key from this address"));
}

void RateLimits::note_wrong_key(std::string_view network, MonoTime now) {
    (void)networks_.take(network, wrong_, now);
    address_entries_->set(static_cast<std::int64_t>(networks_.size()));
}

} // namespace holdfast::api
