#pragma once

// How an unmodified Stripe SDK sends a request: when it tries again, how long it waits before, and
// when it gives up. What it answers is what the merchant's code sees.
//
//   retried   no answer (closed, refused, timed out), 409, 5xx; what Stripe-Should-Retry says
//   counts
//             before the status, either way. 429 is not retried by itself. Retry-After is not
//             looked at. The first closed connection is retried even where no retries are left.
//   pause     0.5 s, doubling, at most 5 s, times a half to one by chance, at least 0.5 s
//   limits    2 retries, 80 s for each attempt
//
// Source: npm stripe 23.1.0, esm/RequestSender.js (_shouldRetry, _getSleepTimeInMS),
// esm/stripe.core.js (DEFAULT_TIMEOUT), esm/platform/PlatformFunctions.js.
//
// Way is how a request gets to the platform; tests give one that answers by itself.

#include "base/env.h"
#include "net/http_message.h"
#include "net/task.h"

#include <string>

namespace holdfast::drill {

struct Call {
    std::string method = "POST";
    std::string target;
    std::string key; ///< Idempotency-Key; empty for GET
    std::string body;
};

class Way {
  public:
    virtual ~Way() = default;
    /// One attempt. `lane`: calls of different lanes never share a connection.
    virtual net::Task<net::HttpResponse> send(Call call, int lane, net::Deadline deadline) = 0;
};

struct SdkPolicy {
    int retries_max = 2;
    Duration pause_min = std::chrono::milliseconds{500};
    Duration pause_max = std::chrono::seconds{5};
    Duration timeout = std::chrono::seconds{80};
};

/// Whether the SDK sends again what was answered so after that many retries.
bool should_retry(const Result<net::HttpResponse>& answer, int retries, const SdkPolicy& policy);

/// Before the retry of that number (1 is the first); `chance_ppm` below 1,000,000.
Duration pause_before(int retry, std::uint64_t chance_ppm, const SdkPolicy& policy);

/// The whole request with its retries.
net::Task<net::HttpResponse> sdk_request(Way& way, Env& env, Call call, int lane, SdkPolicy policy);

} // namespace holdfast::drill
