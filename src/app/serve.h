#pragma once

// serve: one process of the platform.
//
//   --role=pay         payment-api on --port (shared by all pay processes through SO_REUSEPORT),
//                      with a transaction-processor and a resolver inside
//   --role=background  folds balances, expires replay records, resolves what others left, and
//                      shows the metrics of every process on one page
//
// Each has an admin port: /livez, /readyz, /metrics; /marks and /commands for the others (peers.h).
// SIGTERM drains: not ready at once, running requests end, then the processor's lanes close.

#include "app/settings.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::app {

struct ServeOptions {
    SettingsInput settings;
    std::string role = "pay";
    std::string name = "pay";
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
    std::uint16_t admin_port = 0;
    std::string database_url;
    std::string acquirer_url;
    std::string acquirer_secret_file;
    std::string id_secret_file;
    std::string directory_copy;         ///< directory; empty: a start needs the database
    std::string pool_settings;          ///< file that it follows (pool_settings.h); empty: none
    std::string attempt_log;            ///< directory; empty: none is kept
    std::vector<std::string> left_logs; ///< command logs of processes that are not started any more
    std::string command_log;            ///< directory; empty: no stand-in processing
    std::vector<std::string> peers;     ///< admin ports of others that take payments (peers.h)
    bool checked = false;               ///< `up` has asked the doctor for all it starts
};

Result<void> serve(const ServeOptions& options);

} // namespace holdfast::app
