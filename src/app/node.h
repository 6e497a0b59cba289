#pragma once

// node: one PostgreSQL node of the embedded pair, as a process of the supervisor.
//
// `holdfast node --data DIR --node a` reads which node is the primary (failover.h), makes this one
// a standby if it is not and not one already (a base backup, or pg_rewind when it was the primary:
// minutes, perhaps), and becomes the PostgreSQL server: the same process, so that it is the server
// that the supervisor watches and signals. It ends with an error when that can't be done, to be
// started again.

#include "base/result.h"

#include <string>

namespace holdfast::app {

struct NodeOptions {
    std::string data;
    std::string node; ///< a or b
};

/// Returns only with an Error.
Result<void> run_node(const NodeOptions& options);

} // namespace holdfast::app
