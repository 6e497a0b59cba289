#pragma once

// gather(): fills the doctor's Facts from the live servers, the database URL and this machine.
//
//   Plan plan = ...;                                  // from the configuration
//   CO_TRY(Facts facts, co_await gather(loop, offload, {.plan = plan, .servers = {options}},
//                                       deadline));
//   auto findings = examine(facts);
//
// Each server is looked at by itself, over a session as the processes have theirs, so that
// what is measured is what they get: their time limits, their role, what they may see. What only
// members of pg_monitor may see is asked for as `monitor` when the URL's own role is none. Sessions
// are watched for `watching`, `samples` times, to see how many are busy on average.
//
// A server that does not answer, or that breaks off, is a fact (Server::unreachable), not an Error;
// each has server_patience. Reads only. Thread: that of the Loop; what blocks goes through Offload.

#include "base/offload.h"
#include "db/pool.h"
#include "guard/doctor_facts.h"
#include "guard/doctor_machine.h"

namespace holdfast::guard {

/// Somebody who may see more than the URL's role.
struct MonitorLogin {
    std::string user;
    std::string passfile;
};

struct GatherOptions {
    Plan plan;                               ///< what does not come from the URL or the pool
    std::vector<db::ConnectOptions> servers; ///< one for each host of the URL; none: not asked
    db::PoolOptions pool;                    ///< how the processes use them
    std::optional<MonitorLogin> monitor;
    std::string data_directory; ///< of the platform; empty: none on this machine
    std::optional<CommandLogPlan> command_logs;
    std::optional<int> database_cores; ///< when the servers are elsewhere
    /// Patroni's configuration file, or host:port of its REST API; empty: what /etc/patroni has.
    std::string patroni;
    std::string root = "/"; ///< of this machine's files
    Duration server_patience = std::chrono::seconds{5};
    Duration watching = std::chrono::milliseconds{400};
    int samples = 8; ///< 0: who is there is not looked at
};

net::Task<Facts> gather(net::Loop& loop, Offload& offload, GatherOptions options,
                        net::Deadline deadline);

} // namespace holdfast::guard
