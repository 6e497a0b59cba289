#pragma once

// PeerAddress: another `serve` process that takes payments, by its admin port.

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::app {

struct PeerAddress {
    std::string name;
    std::string host;
    std::uint16_t port = 0;
    bool operator==(const PeerAddress&) const = default;
};

/// Each is name=port, then of a process at `own_host`, or name=host:port. Error "peer_invalid".
Result<std::vector<PeerAddress>> peer_addresses(const std::vector<std::string>& texts,
                                                const std::string& own_host);

} // namespace holdfast::app
