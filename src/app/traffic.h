#pragma once

// traffic_by_process(): what a metrics page (metrics_page.h) says about the processes that take
// payments, as a canary compares it (canary.h).
//
//   TRY(auto seen, traffic_by_process(page));
//   seen["pay-1"].traffic.answers
//
// Reads what MetricsPage writes: one sample a line, name{labels} value. Counters count from the
// start of a process; `started` tells two processes of one name apart. Error Invalid
// "metrics_page_invalid".

#include "app/canary.h"
#include "app/pool_settings.h"
#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace holdfast::app {

struct ProcessSeen {
    Traffic traffic; ///< since it started
    PoolSize size;   ///< that holds in it
    bool on_trial = false;
    double started = 0; ///< seconds since 1970
};

/// Of those that answered; what runs in the background included.
Result<std::map<std::string, ProcessSeen>> traffic_by_process(std::string_view page);

} // namespace holdfast::app
