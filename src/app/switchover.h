#pragma once

// `holdfast switchover`: the standby of the embedded pair becomes the primary, on purpose, before
// its machine or its server is worked on; no request fails by it.
//
// It is asked for with a file, DATA/switchover, which the keeper (cluster_keeper.h) looks for many
// times a second: who may write there may ask. The keeper removes the file when it begins, or puts
// the reason into it why nothing was done.

#include "base/result.h"

#include <string>
#include <string_view>

namespace holdfast::app {

/// Returns when the new primary takes commits and the old one follows it. Errors: NotFound
/// "pair_missing"; Conflict "switchover_refused", and nothing has changed; Deadline
/// "switchover_unanswered", "switchover_slow".
Result<void> switchover(const std::string& data);

/// Whether one is asked for and not answered.
bool switchover_asked(const std::string& path);
/// `against`: why nothing is done; empty: it is.
Result<void> answer_switchover(const std::string& path, std::string_view against);

} // namespace holdfast::app
