#include "drill/stage.h"

#include "base/files.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <filesystem>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {
constexpr Duration connect_patience = std::chrono::seconds{5};
constexpr Duration page_patience = std::chrono::seconds{5};
constexpr Duration look_again = std::chrono::milliseconds{2};
constexpr std::size_t output_bytes_max = 4 << 20;
} // namespace

Task<net::HttpResponse> fetch(Stage& stage, std::string url, Duration patience,
                              net::HttpClientRequest request) {
    CO_TRY(net::HttpUrl where, net::parse_http_url(url + request.target));
    request.host = std::move(where.host);
    request.port = where.port;
    request.target = std::move(where.target);
    request.safe_to_resend = request.method == "GET";
    co_return co_await stage.http.request(std::move(request), Deadline::after(patience));
}

Task<std::string> metrics_page(Stage& stage) {
    CO_TRY(auto answer, co_await fetch(stage, stage.platform.ready().metrics_url, page_patience));
    if (answer.status != 200)
        co_return fail(ErrorClass::Unavailable, "no_metrics",
                       fmt::format("the metrics page answers {}", answer.status));
    co_return std::move(answer.body);
}

double sum_of(std::string_view page, std::string_view metric, std::string_view label) {
    double sum = 0;
    for (std::string_view line; !page.empty();) {
        const std::size_t end = std::min(page.find('\n'), page.size());
        line = page.substr(0, end);
        page.remove_prefix(std::min(end + 1, page.size()));
        const std::size_t value = line.rfind(' ');
        if (!line.starts_with(metric) || value == line.npos || !line.contains(label)) continue;
        double sample = 0;
        std::from_chars(line.data() + value + 1, line.data() + line.size(), sample);
        sum += sample;
    }
    return sum;
}

Task<std::unique_ptr<db::Connection>> connect_as_outsider(Stage& stage, std::string url) {
    CO_TRY(auto options, db::ConnectOptions::parse(SecretString(std::move(url))));
    options.role = "drill";
    options.timeouts = {};
    options.idle_in_transaction_timeout = {};
    co_return co_await db::connect(stage.loop, stage.offload, std::move(options),
                                   Deadline::after(connect_patience));
}

Task<db::QueryResult> ask(db::Connection& connection, std::string sql, Duration timeout) {
    db::Pipeline pipeline;
    pipeline.add_sql(std::move(sql));
    CO_TRY(auto results, co_await connection.run(pipeline, Deadline::after(timeout)));
    co_return std::move(results.front());
}

Task<void> until(std::string what, std::function<bool()> condition, Duration patience) {
    const Deadline deadline = Deadline::after(patience);
    while (!condition()) {
        if (deadline.passed()) co_return fail(ErrorClass::Deadline, "not_so_in_time", what);
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    co_return Result<void>{};
}

Task<std::string> run_command(Stage& stage, std::vector<std::string> words, Duration patience) {
    return run_program(stage, stage.platform.command(std::move(words)), patience);
}

Task<std::string> run_program(Stage& stage, std::vector<std::string> argv, Duration patience) {
    const std::string output = stage.platform.data() + "/../command.out";
    std::error_code ignored;
    std::filesystem::remove(output, ignored);
    CO_TRY(const ProcessName process, spawn({.argv = std::move(argv), .log_path = output}));
    const auto ended = [process] {
        while (reap_child()) {
        }
        return !is_alive(process);
    };
    auto done = co_await until("the command does not end", ended, patience);
    if (!done) signal_family(process, {}, SIGKILL);
    CO_TRY_VOID(done);
    co_return read_file(output, output_bytes_max);
}

} // namespace holdfast::drill
