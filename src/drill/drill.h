#pragma once

// Drill: runs one scenario from an empty directory to a verdict.
//
//   start the platform, wait until its pair is in sync, begin the load, play the steps, let go of
//   all that they hold, end the load, wait until the witnesses agree (settle_patience), judge
//
// It runs as an outsider: the platform is a process of its own (platform.h), and what is compared
// in the end comes from three witnesses (witnesses.h). A fault that can't be proven makes the
// drill invalid; what the platform does under it makes it pass or fail. SIGINT and SIGTERM end it
// early, and everything it started with it.
//
// With Engine::Patroni the databases are those of patroni_cluster.h. How long a failover takes is
// decided by Patroni then and not by us, so neither a standstill nor a payment in stand-in counts
// against the platform; how long Patroni had no primary is said beside it.
//
// Errors: the platform does not start; a witness can't be heard; "drill_interrupted";
// "drill_embedded_only".

#include "base/result.h"
#include "drill/figures.h"
#include "drill/service.h"

#include <string>

namespace holdfast::drill {

struct DrillOptions {
    std::string name;
    Engine engine = Engine::Embedded;
    bool unprotected = false;
    bool quick = false;
    bool json = false;
    double rate = 0; ///< purchases a second; 0: rate_usual, or rate_quick with `quick`
    std::uint64_t seed = 1;
};

inline constexpr double rate_usual = 200, rate_quick = 50;
inline constexpr double rate_max = 10'000;
inline constexpr Duration settle_patience = std::chrono::minutes{1};

/// Prints the names, each with its sentence.
void list_drills(bool json);

/// Runs and prints it. The outcome is in the report; an Error says why there is none.
Result<Outcome> run_drill(const DrillOptions& options);

} // namespace holdfast::drill
