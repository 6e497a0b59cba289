#pragma once

// RateLimits: how often one key may ask, and how often one address may come with a wrong one.
//
// A key has a bucket per urgency (api/admission.h): who reads too much can still take payments.
// Live and test keys have rates of their own. An address (net/client_network.h) loses a token with
// each request whose key is missing, wrong or expired; without tokens it is refused before its key
// is looked up, unless that key is known to be good: behind a proxy or an office's NAT one bad
// neighbour shuts nobody out.
//
// Refusals are Error Overload "rate_limit": 429, not stored under an idempotency key. Limits hold
// for this process; the tables keep the `entries_max` used last. On the loop. Metrics:
// holdfast_requests_refused_total{reason}, holdfast_rate_limit_entries{table}.
// Source: Stripe, "Scaling your API with rate limiters".

#include "api/admission.h"
#include "base/token_bucket.h"

#include <array>
#include <string>
#include <string_view>

namespace holdfast::api {

struct RateLimitOptions {
    int live_per_second = 10'000; ///< of one key, each urgency; a burst is a second's worth
    int test_per_second = 5'000;
    int wrong_keys_per_second = 10; ///< of one address; a burst is ten seconds' worth
    std::size_t entries_max = 10'000;
};

class RateLimits {
  public:
    RateLimits(const RateLimitOptions& options, Registry& registry);

    /// A good key asks.
    Result<void> take(std::string_view key_hash, bool livemode, Urgency urgency, MonoTime now);
    /// Whether somebody at that address may try a key that is not known.
    Result<void> may_try(std::string_view network, Urgency urgency, MonoTime now);
    /// The key was wrong.
    void note_wrong_key(std::string_view network, MonoTime now);

  private:
    Rate live_, test_, wrong_;
    RateTable keys_, networks_;
    std::array<Counter*, urgencies> key_refused_, address_refused_;
    Gauge *key_entries_, *address_entries_;
};

} // namespace holdfast::api
