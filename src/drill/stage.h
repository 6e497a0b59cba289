#pragma once

// Stage: what the acts of a scenario have to work with, and what they leave there for later acts.
//
// An act is one coroutine: it does something to the platform and *proves* that it took effect. It
// answers with the proof, a sentence for people, or with an Error: then the drill is invalid,
// whatever the payments did. What an act holds (locks, sessions, frozen processes) stays on the
// stage until another act or the end of the drill lets go of it.
//
// Thread: the loop's. `acts` is closed before the stage goes away.

#include "base/offload.h"
#include "db/connection.h"
#include "drill/load.h"
#include "drill/platform.h"
#include "drill/relay.h"
#include "drill/slow_clients.h"
#include "drill/sql.h"
#include "net/gate.h"
#include "net/http_client.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::drill {

/// A page that was damaged in its file, and how it was.
struct DamagedPage {
    std::string file;
    std::int64_t block = 0;
    std::string whole; ///< its bytes before
    std::string server;
    std::vector<std::string> purchases; ///< whose payments lie on it
};

/// What customers heard who kept asking for what lies on a damaged page.
struct Insistence {
    int told = 0; ///< as they should be
    int else_told = 0;
    std::string example;
    Duration longest{};
};

struct Stage {
    Stage(net::Loop& l, Env& e, Offload& o, Platform& p)
        : loop(l), env(e), offload(o), platform(p), http(l, {}), acts(l, "acts") {}

    net::Loop& loop;
    Env& env;
    Offload& offload;
    Platform& platform;
    net::HttpClient http;
    net::Gate acts; ///< what goes on beside the timeline
    /// Sessions of outsiders; a lock is held by one of them.
    std::vector<std::unique_ptr<db::Connection>> sessions;
    std::vector<Service> frozen;
    Load* load = nullptr;                       ///< once it has begun
    sql::TableFaults tables = sql::of_holdfast; ///< of the design that is under load
    std::vector<std::string> hogs;              ///< what failed among `acts`
    std::int64_t rewritten = 0;                 ///< rows, by a job
    int deadlocks = 0;
    bool job_runs = false;
    /// Customers beside the load (customers.h): the witnesses are asked about them too, but they
    /// are not among the purchases that count.
    std::deque<Purchase> customers;
    std::optional<DamagedPage> damaged;
    ProcessName instance; ///< one more that takes payments, started by the drill
    std::string instance_base;
    Insistence insistence;
    bool disk_is_full = false; ///< and kept so
    std::unique_ptr<SlowClients> slow_clients;
    std::unique_ptr<Relay> relay;
    std::string primary_before; ///< the service's name, before a cut
    bool ordinary = false;      ///< the load is on the ordinary design (ordinary.h)
    std::string said_of_pool{}; ///< by `holdfast pool set`, once it has ended
    bool pool_changes = false;
    std::size_t shrunk_at_once = 0; ///< most processes that ran with its settings at one time
};

using Act = net::Task<std::string> (*)(Stage& stage);

/// What an act fails with when its fault did not take effect.
inline Error missed(std::string message) {
    return {.kind = ErrorClass::Bug, .code = "fault_missed", .message = std::move(message)};
}

/// Asks over HTTP, at `url` and the path that `request` adds to it.
net::Task<net::HttpResponse> fetch(Stage& stage, std::string url, Duration patience,
                                   net::HttpClientRequest request = {.target = ""});
/// Of all processes of the platform.
net::Task<std::string> metrics_page(Stage& stage);
/// The sum of those samples of a metric that have this label.
double sum_of(std::string_view page, std::string_view metric, std::string_view label);

/// A session as superuser on whoever is the primary, without timeouts.
net::Task<std::unique_ptr<db::Connection>> connect_as_outsider(Stage& stage, std::string url);
net::Task<db::QueryResult> ask(db::Connection& connection, std::string sql, Duration timeout);

/// Waits until `condition` holds. Error Deadline "not_so_in_time" names `what`.
net::Task<void> until(std::string what, std::function<bool()> condition, Duration patience);

/// Puts a damaged page back as it was. Error: somebody else has written it meanwhile.
Result<void> mend(Stage& stage);

/// Runs a program to its end, or kills it after `patience`. Answers with what it printed, stderr
/// too: how it ended has to be seen by what it did.
net::Task<std::string> run_program(Stage& stage, std::vector<std::string> argv, Duration patience);
/// A holdfast command, on the platform's data.
net::Task<std::string> run_command(Stage& stage, std::vector<std::string> words, Duration patience);

} // namespace holdfast::drill
