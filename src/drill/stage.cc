#include "drill/stage.h"

#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {
constexpr Duration connect_patience = std::chrono::seconds{5};
constexpr Duration look_again = std::chrono::milliseconds{2};
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

} // namespace holdfast::drill
