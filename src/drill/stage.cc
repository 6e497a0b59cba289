#include "drill/stage.h"

#include "base/files.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {
constexpr Duration connect_patience = std::chrono::seconds{5};
constexpr Duration look_again = std::chrono::milliseconds{2};
constexpr std::size_t output_bytes_max = 4 << 20;
} // namespace

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
    const std::string output = stage.platform.data() + "/../command.out";
    std::error_code ignored;
    std::filesystem::remove(output, ignored);
    CO_TRY(const ProcessName process,
           spawn({.argv = stage.platform.command(std::move(words)), .log_path = output}));
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
