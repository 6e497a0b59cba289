#pragma once

// acquirer: the simulated card acquirer as a process (gateway/acquirer_server.h).

#include "base/result.h"

#include <cstdint>
#include <string>

namespace holdfast::app {

struct AcquirerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
    std::string books;
    std::string secret_file;
    std::string admin_token_file;
};

/// Runs until SIGTERM or SIGINT.
Result<void> acquirer(const AcquirerOptions& options);

} // namespace holdfast::app
