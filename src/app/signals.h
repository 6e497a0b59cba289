#pragma once

// until_asked_to_stop(loop): runs the loop until SIGTERM or SIGINT, for processes of the platform.

#include "net/task.h"

namespace holdfast::app {

/// The loop can be used again afterwards, to drain.
void until_asked_to_stop(net::Loop& loop);

} // namespace holdfast::app
