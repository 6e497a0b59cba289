#pragma once

// `holdfast pool show`, `holdfast pool set`: db.pool_min and db.pool_max of a running platform,
// changed without a restart, first in one process (the canary), then everywhere or nowhere.
//
//   the doctor looks at the new settings       what they break is refused, unless allowed by name
//   the time before is measured                `observe` long, longer where there is little traffic
//   the busiest process that takes payments tries them, and is compared (canary.h): each second for
//   damage, after `observe` for good
//   they are chosen for every process, also for those that start later; or the trial is taken back
//
// All of it is said, and done by the command itself through DATA/pool.json (pool_settings.h): what
// ends the command ends the trial. With `force` there is no canary.
//
// Limits: a time is extended to extended_times as long where there is too little traffic; then
// nothing has been tried, or it is taken back.

#include "base/env.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::app {

struct PoolChange {
    std::string data;
    std::string config_file; ///< of `up`, for the doctor
    std::optional<std::int64_t> min, max;
    std::vector<std::string> allow; ///< rules of the doctor
    std::int64_t observe_s = 30;
    bool force = false;
};

inline constexpr std::int64_t observe_min_s = 5, observe_max_s = 600;
inline constexpr int extended_times = 3;

/// Prints what is configured, chosen, and holds in each process.
Result<void> pool_show(const std::string& data);

/// Errors: Conflict "pool_change_rolled_back" says what was measured; "pool_change_refused" (by the
/// doctor), "pool_change_under_way" (somebody else's); Unavailable "pool_change_untried"; those of
/// check_pool(), load_pool_settings() and supervisor_of().
Result<void> pool_set(const PoolChange& change);

} // namespace holdfast::app
