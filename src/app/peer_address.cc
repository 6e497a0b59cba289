#include "app/peer_address.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace holdfast::app {
namespace {

Result<PeerAddress> peer_address(const std::string& text, const std::string& own_host) {
    const std::size_t equals = text.find('=');
    const std::size_t colon = text.rfind(':');
    const bool elsewhere = colon != std::string::npos && colon > equals;
    PeerAddress address{.name = text.substr(0, equals),
                        .host = elsewhere ? text.substr(equals + 1, colon - equals - 1) : own_host};
    const std::string port =
        equals == std::string::npos ? "" : text.substr(elsewhere ? colon + 1 : equals + 1);
    const char* end = port.data() + port.size();
    const bool numeric = std::from_chars(port.data(), end, address.port).ptr == end;
    if (address.name.empty() || address.host.empty() || !numeric || address.port == 0)
        return fail(ErrorClass::Invalid, "peer_invalid",
                    fmt::format("--peer takes name=port or name=host:port, not {}", text));
    return address;
}

} // namespace

Result<std::vector<PeerAddress>> peer_addresses(const std::vector<std::string>& texts,
                                                const std::string& own_host) {
    std::vector<PeerAddress> addresses;
    for (const std::string& text : texts) {
        TRY(PeerAddress address, peer_address(text, own_host));
        addresses.push_back(std::move(address));
    }
    return addresses;
}

} // namespace holdfast::app
