#pragma once

// What the two loads of `bench payments` share: the window in which payments count, and the report.
//
// A load warms up, prints "measuring", counts for the length of the window, prints "measured", lets
// what is under way end, and prints its report as one line of JSON. Whoever started it samples the
// CPU time of the processes at those two lines. A payment counts when it ends inside the window.
// The first failed payment fails the load.

#include "base/env.h"
#include "base/result.h"
#include "net/task.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::bench {

struct Window {
    Duration warm_up = std::chrono::seconds{1};
    Duration length = std::chrono::seconds{4};
};

/// One load under way.
struct Tally {
    bool measuring = false;
    bool stopping = false;
    std::uint64_t paid = 0;
    std::vector<Duration> latencies; ///< only kept when wanted
    std::optional<Error> failure;

    void fail_with(Error error) {
        if (!failure) failure = std::move(error);
        stopping = true;
    }
};

/// Lets the window pass, with its two lines on stdout.
net::Task<void> measure(Tally* tally, Window window);
/// The report, or the failure. Quantiles when latencies were kept.
Result<std::string> report(Tally tally, Window window);

struct ProcessorLoad {
    std::string database_url, id_secret_file;
    int in_flight = 1024;
    int lanes = 2;
    int batch_commands_max = 512;
    Window window;
};
/// Closed loop on processor::Processor with an acquirer in this process that approves at once.
Result<std::string> run(const ProcessorLoad& load);

struct HttpLoad {
    std::string api_base, secret_key, payment_method;
    int connections = 256;
    double rate = 0; ///< payments/s, open loop (Poisson); 0: closed loop, one per connection
    Window window;
};
/// POST /v1/payment_intents with confirm=true over keep-alive connections.
Result<std::string> run(const HttpLoad& load);

} // namespace holdfast::bench
