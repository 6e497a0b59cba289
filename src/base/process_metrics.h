#pragma once

// What every process shows about itself: Prometheus' standard process_* families, and what base
// counts (bugs survived, log lines dropped). Read when the page is rendered.
//
// Source of the names: prometheus.io/docs/instrumenting/writing_clientlibs (process metrics).

#include "base/metrics.h"

namespace holdfast {

/// Once per Registry, early: it takes now as the time the process started.
void observe_process(Registry& registry);

} // namespace holdfast
