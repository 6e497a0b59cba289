#pragma once

// Host names to addresses, before libpq sees them: it would resolve them itself, blocking the loop.
//
// A name with several addresses becomes as many hosts, in the resolver's order; libpq tries them in
// turn. `host` keeps the name (certificates and password files go by it), `hostaddr` gets the
// address. Unix sockets, addresses and options that bring a hostaddr are left alone. Names of a
// list that don't resolve are left out; Error "host_not_found" (Unavailable, retryable) when none
// does.

#include "base/offload.h"
#include "db/connect_options.h"
#include "net/deadline.h"
#include "net/task.h"

#include <functional>
#include <string>
#include <vector>

namespace holdfast::db {

/// Addresses of a name, as text; empty when there are none.
using Lookup = std::function<std::vector<std::string>(const std::string& name)>;

/// getaddrinfo; blocks.
std::vector<std::string> look_up(const std::string& name);

bool needs_lookup(const ConnectOptions& options);

/// The decisions, with the lookup given. Called on a thread of Offload.
Result<ConnectOptions> with_addresses(ConnectOptions options, const Lookup& lookup);

net::Task<ConnectOptions> resolved(Offload& offload, ConnectOptions options,
                                   net::Deadline deadline);

} // namespace holdfast::db
