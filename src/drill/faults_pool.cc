// A change of the pools' settings at run time, by the command that an operator would use; and whom
// a process refuses that has too much to do.

#include "drill/faults.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace holdfast::drill::faults {

namespace {

constexpr Duration command_patience = std::chrono::minutes{3};
constexpr Duration look_again = std::chrono::milliseconds{200};
constexpr std::int64_t far_too_small = 2; ///< the least that db.pool_max may be
constexpr std::string_view sample = "holdfast_db_pool_setting{process=\"";
constexpr std::string_view maximum = "bound=\"max\"} ";

/// db.pool_max as each process says that it holds in it.
Task<std::map<std::string, std::int64_t>> pools(Stage& stage) {
    CO_TRY(const std::string text, co_await metrics_page(stage));
    std::map<std::string, std::int64_t> found;
    std::string_view page = text;
    for (auto at = page.find(sample); at != page.npos; at = page.find(sample)) {
        page.remove_prefix(at + sample.size());
        const std::string_view line = page.substr(0, page.find('\n'));
        const auto value = line.find(maximum);
        if (value == line.npos) continue;
        std::int64_t& max = found[std::string(line.substr(0, line.find('"')))];
        std::from_chars(line.data() + value + maximum.size(), line.data() + line.size(), max);
    }
    co_return found;
}

Task<void> set_pool(Stage& stage) {
    auto said = co_await run_command(
        stage,
        {"pool", "set", "--min", "1", "--max", std::to_string(far_too_small), "--observe", "10"},
        command_patience);
    stage.said_of_pool = said ? std::move(*said) : to_string(said.error());
    std::ranges::replace(stage.said_of_pool, '\n', ';');
    stage.pool_changes = false;
    co_return Result<void>{};
}

} // namespace

/// By what the processes count: nobody who paid, or was on the way to it.
Task<std::string> only_visitors_refused(Stage& stage) {
    if (stage.ordinary) co_return std::string("nobody there refuses anybody");
    CO_TRY(const std::string page, co_await metrics_page(stage));
    const auto refused = [&page](std::string_view urgency) {
        return sum_of(page, "holdfast_requests_refused_total", urgency);
    };
    const double paying = refused(R"(urgency="payment")");
    const double on_the_way = refused(R"(urgency="checkout")");
    const double looking = refused(R"(urgency="browse")");
    if (paying + on_the_way > 0)
        co_return fail(
            missed(fmt::format("refused: {} who paid, {} on the way to it, {} who looked", paying,
                               on_the_way, looking)));
    co_return fmt::format("{} of those who only looked were refused, and nobody else", looking);
}

Task<std::string> shrink_pool(Stage& stage) {
    if (stage.ordinary)
        co_return std::string("a pool of one from the start: nothing would have held it back");
    stage.pool_changes = true;
    CO_TRY_VOID(stage.acts.spawn(set_pool(stage)));
    std::set<std::string> seen;
    std::size_t& at_once = stage.shrunk_at_once;
    while (stage.pool_changes) {
        CO_TRY_VOID(co_await net::sleep_for(look_again));
        const auto now = co_await pools(stage);
        if (!now) continue;
        std::size_t small = 0;
        for (const auto& [process, max] : *now)
            if (max == far_too_small) ++small, seen.insert(process);
        at_once = std::max(at_once, small);
    }
    if (at_once == 0) co_return fail(missed("no process tried it: " + stage.said_of_pool));
    co_return fmt::format("{} at the same time ran with db.pool_max {}: {}",
                          at_once == 1 ? "one process" : fmt::format("{} processes", at_once),
                          far_too_small, fmt::join(seen, ", "));
}

Task<std::string> pool_as_before(Stage& stage) {
    if (stage.ordinary) co_return std::string("there is nobody who would");
    CO_TRY(const auto now, co_await pools(stage));
    for (const auto& [process, max] : now)
        if (max == far_too_small)
            co_return fail(missed(
                fmt::format("{} runs with db.pool_max {}: {}", process, max, stage.said_of_pool)));
    if (stage.shrunk_at_once > 1)
        co_return fail(missed(fmt::format("{} processes tried it", stage.shrunk_at_once)));
    const auto because = stage.said_of_pool.find("rolled back: ");
    if (now.empty() || because == std::string::npos)
        co_return fail(missed("it was not taken back: " + stage.said_of_pool));
    co_return stage.said_of_pool.substr(because);
}

Task<std::string> visitors_leave(Stage& stage) {
    stage.load->end_visits();
    co_return std::string("visitors stay away");
}

} // namespace holdfast::drill::faults
