#pragma once

// start_check: the doctor's rules, asked by who is about to take payments (guard/doctor_rules.h).
//
// `up` and `serve` ask twice: before they touch anything, by what is configured and by this
// machine; and once the servers answer, before the first payment. A rule that is refused at start
// and fails ends the start with what was measured, what is safe and how to override it by name;
// nothing else does, least of all a server that is away. Without sessions of others, which come and
// go. What `doctor.allow` names is logged at each start.
//
// Takes some milliseconds for each server that answers, and start_server_patience for one that does
// not; in all start_patience. Processes of `up` don't ask: it has asked for all of them, and one
// that is started again after a crash should not be kept from it.
//
// Error Conflict "start_refused".

#include "base/config.h"
#include "base/offload.h"
#include "guard/doctor_gather.h"

#include <optional>
#include <string>

namespace holdfast::app {

inline constexpr Duration start_server_patience = std::chrono::seconds{1};
inline constexpr Duration start_patience = std::chrono::seconds{4};

struct StartPlan {
    int instances = 1;
    std::string data;         ///< of `up`; empty: none
    std::string database_url; ///< empty: nobody answers yet
    std::optional<guard::CommandLogPlan> command_logs;
};

/// Of the one process that has that directory.
guard::CommandLogPlan command_log_of_one(std::string directory);
/// Of all instances of `up` on that data.
guard::CommandLogPlan command_logs_of_all(const std::string& data);

net::Task<void> check_start(net::Loop& loop, Offload& offload, const Config& config,
                            StartPlan plan);

} // namespace holdfast::app
