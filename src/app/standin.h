#pragma once

// `holdfast standin`: what the command logs on this machine hold that the database does not have
// yet (processor/logged_steps.h). Without a database and without a running platform, and beside
// one: logs are read, never taken.
//
//   status   per log: who has it open, what is in it by state and currency, how old; and whether
//            the platform, if it runs, is in stand-in now
//   export   a line of JSON per step, for a reconciliation with the acquirer by hand:
//            {"log","step","time_us","account","payment","amount","currency","state","reference",
//             "request"}; no card, token or secret is in it
//   drain    waits until all logs are settled, or says what is in the way
//
// Errors: NotFound "standin_missing", there are no logs; Io "standin_unreadable", some can't be
// read, and the others were shown; Deadline "standin_not_drained".

#include "base/result.h"

#include <cstdint>
#include <string>

namespace holdfast::app {

struct StandInQuery {
    std::string data;             ///< empty: as `up` has it
    bool json = false;            ///< of status and drain
    std::int64_t timeout_s = 600; ///< of drain
};

Result<void> standin_status(const StandInQuery& query);
Result<void> standin_export(const StandInQuery& query);
Result<void> standin_drain(const StandInQuery& query);

} // namespace holdfast::app
