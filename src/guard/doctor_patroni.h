#pragma once

// What Patroni says about itself: its version, and what its nodes have agreed on.
//
//   CO_TRY_VOID(co_await ask_patroni(loop, offload, patroni, deadline));   // patroni.api is known
//
// Its configuration file shows how it reaches etcd, but not what the cluster runs with: that is in
// etcd, and any node tells it over REST, where reading needs no password. What it says about its
// version counts more than the program that is installed, which may have been upgraded since.
//
// A node that does not answer leaves `agreed` empty: facts_hidden says so. Thread: the Loop's.
//
// Sources: Patroni 3.0.2's docs/rest_api.rst, docs/dynamic_configuration.rst (names, defaults).

#include "base/offload.h"
#include "guard/doctor_facts.h"
#include "net/deadline.h"
#include "net/task.h"

namespace holdfast::guard {

/// Asks patroni.api and enters what it answers.
net::Task<void> ask_patroni(net::Loop& loop, Offload& offload, Patroni& patroni,
                            net::Deadline deadline);

/// The answer to GET /config; what it does not name has Patroni's default. Error: no JSON.
Result<Patroni::Agreed> parse_agreed(std::string_view config);

/// host:port, rather than the name of a file.
bool is_address(std::string_view text);

} // namespace holdfast::guard
