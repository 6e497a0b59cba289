#include "net/client_network.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>

namespace holdfast::net {

std::string client_network(std::string_view address) {
    boost::system::error_code ec;
    const auto parsed = boost::asio::ip::make_address(std::string(address), ec);
    if (ec || parsed.is_v4()) return std::string(address);
    auto bytes = parsed.to_v6().to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return boost::asio::ip::make_address_v6(bytes).to_string() + "/64";
}

} // namespace holdfast::net
