#pragma once

// client_network: who a limit per client address counts as one.
//
// An IPv4 address; of an IPv6 address its /64, which is what a provider hands to one customer: by
// whole addresses anybody would have 2^64 of them. Behind a proxy every client has the proxy's.

#include <string>
#include <string_view>

namespace holdfast::net {

/// Of a numeric address as in HttpRequest::peer; what is none is its own network.
std::string client_network(std::string_view address);

} // namespace holdfast::net
