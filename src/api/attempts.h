#pragma once

// attempt_of(): what the attempt log keeps of a request that wanted to pay.
//
// Of one that was answered the payment tells. Of one that was not, however early it was turned
// away, what can be told without asking anybody: the account behind its key if that is known here,
// the payment that it names or would have created, and the amount that it gives.

#include "api/attempt_log.h"
#include "api/call.h"
#include "api/routes.h"
#include "net/http_server.h"

namespace holdfast::api {

AttemptOutcome attempt_outcome(const Result<Reply>& result);

/// `match.route` stands in: it creates or confirms a payment.
Attempt attempt_of(const net::HttpRequest& request, const Match& match, const Result<Reply>& result,
                   const Services& services);

} // namespace holdfast::api
