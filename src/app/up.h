#pragma once

// up: the whole platform on one machine, supervised.
//
//   postgres-a, postgres-b               the embedded pair, unless --database-url names a server
//   acquirer                             the simulated card acquirer, with books of its own, unless
//                                        --acquirer-url names another one, which is to share the
//                                        secret in DATA/secrets/acquirer_secret
//   pay-1 ... pay-N                      holdfast serve --role=pay, all on one port
//   background                           holdfast serve --role=background, and the metrics of all
//
// The first start makes databases, secrets, and a test account with keys; the next ones take
// seconds. SIGTERM and ctrl-C drain and stop everything in order.
//
// --ready-file PATH is written (mode 0600: it holds keys) once everything serves:
//   {"api_base","secret_key","publishable_key","database_url","standby_url","acquirer_url",
//    "acquirer_admin_token","metrics_url"}

#include "app/settings.h"
#include "base/result.h"

#include <cstdint>
#include <string>

namespace holdfast::app {

struct UpOptions {
    SettingsInput settings;
    std::string data; ///< empty: /var/lib/holdfast for root, ~/.local/share/holdfast else
    std::string address = "127.0.0.1";
    std::uint16_t port = 8420;
    int instances = 1;
    bool fresh = false;
    std::string ready_file;
    std::string database_url; ///< empty: the embedded pair
    std::string acquirer_url; ///< empty: the simulated one
};

/// --data, or where it is when nobody says.
std::string data_directory_or_default(const std::string& data);

/// Runs until a signal ends it.
Result<void> up(const UpOptions& options);

} // namespace holdfast::app
