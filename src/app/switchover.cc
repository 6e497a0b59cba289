#include "app/switchover.h"

#include "app/admin.h"
#include "app/commands.h"
#include "app/failover.h"
#include "app/up.h"
#include "base/env.h"
#include "base/files.h"

#include <fmt/format.h>

#include <cstdio>
#include <functional>

#include <unistd.h>

namespace holdfast::app {
namespace {

constexpr std::string_view asked = "asked\n";
constexpr std::string_view refused = "refused: ";
constexpr Duration poll = std::chrono::milliseconds{10};
/// For the keeper: it looks at the pair, and writes a checkpoint first.
constexpr Duration answer_patience = std::chrono::minutes{2};
constexpr Duration promotion_patience = std::chrono::seconds{30};
constexpr Duration follow_patience = std::chrono::minutes{10};
constexpr Duration write_timeout = std::chrono::seconds{1};

std::int64_t ms_between(MonoTime from, MonoTime to) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

bool wait_until(const std::function<bool()>& holds, Duration patience) {
    const MonoTime until = MonotonicClock::now() + patience;
    while (!holds()) {
        if (MonotonicClock::now() >= until) return false;
        block_thread(poll);
    }
    return true;
}

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// Until the keeper has begun.
Result<void> ask(const std::string& path) {
    if (switchover_asked(path))
        return fail(ErrorClass::Conflict, "switchover_refused",
                    "somebody else has asked for a switchover just now; nothing was done");
    TRY_VOID(write_file_durably(path, asked, 0640));
    if (!wait_until([&path] { return !switchover_asked(path); }, answer_patience)) {
        TRY_VOID(remove_file_durably(path));
        return fail(ErrorClass::Deadline, "switchover_unanswered",
                    "nobody answers; is `holdfast up` running on this data? Nothing was done");
    }
    if (!is_there(path)) return {};
    TRY(const std::string answer, read_file(path));
    TRY_VOID(remove_file_durably(path));
    return fail(ErrorClass::Conflict, "switchover_refused",
                fmt::format("nothing was done: {}", answer.substr(refused.size())));
}

bool takes_commits(const std::string& url) {
    return with_store(
               url, "switchover",
               [](store::Store& store) { return store.ping(net::Deadline::after(write_timeout)); })
        .has_value();
}

} // namespace

bool switchover_asked(const std::string& path) {
    if (!is_there(path)) return false;
    const auto text = read_file(path);
    return text && *text == asked;
}

Result<void> answer_switchover(const std::string& path, std::string_view against) {
    if (against.empty()) return remove_file_durably(path);
    return write_file_durably(path, fmt::format("{}{}", refused, against), 0640);
}

Result<void> switchover(const std::string& data) {
    const std::string directory = data_directory_or_default(data);
    const std::string state_path = directory + "/cluster.json";
    if (!is_there(state_path))
        return fail(ErrorClass::NotFound, "pair_missing",
                    fmt::format("there is no database pair of ours in {}; where Patroni runs the "
                                "servers, use `patronictl switchover`",
                                directory));
    TRY(const PairState before, load_pair_state(state_path));
    TRY(const Target target, resolved({.data = directory}));
    if (!takes_commits(target.database_url))
        return fail(ErrorClass::Unavailable, "switchover_refused",
                    "the primary does not answer; nothing was done");
    TRY_VOID(ask(directory + "/switchover"));
    const MonoTime begun = MonotonicClock::now();

    PairState now = before;
    const auto look = [&] {
        if (auto state = load_pair_state(state_path)) now = *state;
    };
    const auto switched = [&] {
        look();
        return now.epoch > before.epoch && takes_commits(target.database_url);
    };
    if (!wait_until(switched, promotion_patience))
        return fail(ErrorClass::Deadline, "switchover_slow",
                    fmt::format("node {} does not take commits yet; see {}/log",
                                db::name_of(now.primary), directory));
    fmt::print("node {} is the primary; it took commits {} ms after {} was ended\n",
               db::name_of(now.primary), ms_between(begun, MonotonicClock::now()),
               db::name_of(db::other(now.primary)));
    std::fflush(stdout);
    const auto follows = [&] {
        look();
        return now.promotable;
    };
    if (!wait_until(follows, follow_patience))
        return fail(ErrorClass::Deadline, "switchover_slow",
                    fmt::format("node {} does not follow yet; see {}/log",
                                db::name_of(db::other(now.primary)), directory));
    fmt::print("node {} follows it, in sync, after {} ms\n", db::name_of(db::other(now.primary)),
               ms_between(begun, MonotonicClock::now()));
    return {};
}

} // namespace holdfast::app
