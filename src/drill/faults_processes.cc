// Faults that hit processes: killed, frozen, started again.

#include "drill/faults.h"
#include "drill/sql.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace holdfast::drill::faults {

namespace {

constexpr Duration gone_patience = std::chrono::seconds{1};
constexpr Duration said_patience = std::chrono::seconds{10};
constexpr Duration silence = std::chrono::milliseconds{500};
constexpr Duration sync_patience = std::chrono::minutes{1};

std::int64_t ms_since(MonoTime when) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(MonotonicClock::now() - when)
        .count();
}

Task<std::string> kill_process(std::string name, ProcessName process) {
    if (!is_alive(process))
        co_return fail(ErrorClass::NotFound, "fault_missed", name + " was gone before");
    const MonoTime struck = MonotonicClock::now();
    ::kill(process.pid, SIGKILL);
    const auto gone = [process] {
        while (reap_child()) {
        }
        return !is_alive(process);
    };
    CO_TRY_VOID(co_await until(name + " lives on", gone, gone_patience));
    co_return fmt::format("{} (pid {}) is gone after {} ms", name, process.pid, ms_since(struck));
}

/// From the state on, of /proc/PID/stat.
std::string stat_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t end = text.rfind(')');
    return end == std::string::npos || end + 2 >= text.size() ? "X 0" : text.substr(end + 2);
}

char state_of(pid_t pid) { return stat_of(pid).front(); }

pid_t parent_of(pid_t pid) {
    const std::string stat = stat_of(pid);
    pid_t parent = 0;
    std::from_chars(stat.data() + 2, stat.data() + stat.size(), parent);
    return parent;
}

/// The process of a standby that takes what its primary sends, while there is one.
std::optional<ProcessName> receiver_of(const Service& standby) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        pid_t pid = 0;
        const std::string name = entry.path().filename();
        const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (bad != std::errc{} || parent_of(pid) != standby.process.pid) continue;
        std::ifstream file(entry.path() / "cmdline", std::ios::binary);
        std::string title;
        std::getline(file, title, '\0');
        if (title.contains("walreceiver")) return process_named(pid);
    }
    return std::nullopt;
}

/// A session that was answered before, and is not now.
Task<void> must_be_silent(db::Connection& session) {
    auto answer = co_await ask(session, sql::answer_at_all, silence);
    if (answer) co_return fail(ErrorClass::Bug, "fault_missed", "the frozen server still answers");
    co_return Result<void>{};
}

Task<std::string> kill_database(Stage& stage, Role role) {
    CO_TRY(const Service server, stage.platform.database(role));
    co_return co_await kill_process(server.name, server.process);
}

/// `so`: what that means.
Task<std::string> freeze_database(Stage& stage, Role role, std::string_view so) {
    CO_TRY(const Service service, stage.platform.database(role));
    CO_TRY(std::string url, stage.platform.url(role));
    CO_TRY(auto session, co_await connect_as_outsider(stage, std::move(url)));
    CO_TRY_VOID(co_await ask(*session, sql::answer_at_all, silence));
    stage.frozen.push_back(service);
    signal_family(service.process, service.family, SIGSTOP);
    const auto stopped = [pid = service.process.pid] { return state_of(pid) == 'T'; };
    CO_TRY_VOID(co_await until(service.name + " does not stop", stopped, gone_patience));
    CO_TRY_VOID(co_await must_be_silent(*session));
    co_return fmt::format("{} is stopped with all its processes{}", service.name, so);
}

} // namespace

Task<std::string> kill_primary(Stage& stage) { return kill_database(stage, Role::Primary); }

Task<std::string> kill_standby(Stage& stage) { return kill_database(stage, Role::Standby); }

Task<std::string> switch_over(Stage& stage) {
    CO_TRY(const Service before, stage.platform.database(Role::Primary));
    CO_TRY(auto command, stage.platform.switchover_command());
    CO_TRY(std::string said, co_await run_program(stage, std::move(command), sync_patience));
    std::ranges::replace(said, '\n', ';');
    Service after = before;
    const auto changed = [&] {
        if (auto now = stage.platform.database(Role::Primary)) after = std::move(*now);
        return after.name != before.name;
    };
    CO_TRY_VOID(co_await until("the roles are as before: " + said, changed, gone_patience));
    co_return fmt::format("{} was the primary and {} is: {}", before.name, after.name, said);
}

Task<std::string> kill_serve(Stage& stage) {
    CO_TRY(const Service serve, stage.platform.service("pay-1"));
    co_return co_await kill_process(serve.name, serve.process);
}

Task<std::string> kill_supervisor(Stage& stage) {
    co_return co_await kill_process("the supervisor", stage.platform.supervisor());
}

Task<std::string> start_supervisor(Stage& stage) {
    const MonoTime begun = MonotonicClock::now();
    CO_TRY_VOID(co_await stage.platform.start_supervisor());
    co_return fmt::format("it serves again {} ms after its start", ms_since(begun));
}

Task<std::string> freeze_primary(Stage& stage) {
    return freeze_database(stage, Role::Primary, " and answers nobody");
}

Task<std::string> freeze_standby(Stage& stage) {
    return freeze_database(stage, Role::Standby, " and answers nobody");
}

/// The primary last: nobody may take over meanwhile.
Task<std::string> freeze_databases(Stage& stage) {
    CO_TRY(const Service primary, stage.platform.database(Role::Primary));
    CO_TRY_VOID(co_await freeze_standby(stage));
    for (const Service& other : stage.platform.databases()) {
        if (other.name == primary.name || other.name == stage.frozen.front().name) continue;
        stage.frozen.push_back(other);
        signal_family(other.process, other.family, SIGSTOP);
    }
    CO_TRY_VOID(co_await freeze_primary(stage));
    co_return fmt::format("{} servers are stopped and answer nobody", stage.frozen.size());
}

/// What it was sent stays where it is, and it tells nobody how far it has got.
Task<std::string> cut_link(Stage& stage) {
    CO_TRY(const Service primary, stage.platform.database(Role::Primary));
    CO_TRY(const Service standby, stage.platform.database(Role::Standby));
    stage.primary_before = primary.name;
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    std::optional<ProcessName> receiver;
    const auto receives = [&] { return (receiver = receiver_of(standby)).has_value(); };
    CO_TRY_VOID(co_await until(standby.name + " receives nothing", receives, sync_patience));
    const std::string name =
        fmt::format("the receiver of {} (pid {})", standby.name, receiver->pid);
    stage.frozen.push_back({.name = name, .family = {}, .process = *receiver});
    ::kill(receiver->pid, SIGSTOP);
    const auto stopped = [pid = receiver->pid] { return state_of(pid) == 'T'; };
    CO_TRY_VOID(co_await until(name + " does not stop", stopped, gone_patience));
    std::vector<std::string> acknowledged;
    for (int i = 0; i < 2; ++i) {
        CO_TRY_VOID(co_await net::sleep_for(silence));
        CO_TRY(auto rows, co_await ask(*session, sql::acknowledged_by_standby, said_patience));
        CO_TRY(acknowledged.emplace_back(), rows.front().get<std::string>(0));
    }
    if (acknowledged.front() != acknowledged.back())
        co_return fail(missed("the standby still says how far it has got"));
    co_return fmt::format("{} is stopped; the primary has heard of {} and of nothing since", name,
                          acknowledged.back());
}

/// It goes on from wherever it was, or finds that its server is gone.
Task<std::string> mend_link(Stage& stage) {
    CO_TRY_VOID(co_await thaw(stage));
    co_return std::string("the standby receives again");
}

Task<std::string> thaw(Stage& stage) {
    int went_on = 0;
    for (const Service& service : stage.frozen) {
        went_on += is_alive(service.process) ? 1 : 0;
        signal_family(service.process, service.family, SIGCONT);
    }
    const std::size_t count = stage.frozen.size();
    stage.frozen.clear();
    co_return fmt::format("{} of {} frozen servers were still there and go on", went_on, count);
}

Task<std::string> in_sync_again(Stage& stage) {
    const MonoTime begun = MonotonicClock::now();
    const auto in_sync = [&platform = stage.platform] { return platform.in_sync(); };
    CO_TRY_VOID(co_await until("the pair is not in sync", in_sync, sync_patience));
    co_return fmt::format("primary and standby are in sync ({} ms)", ms_since(begun));
}

} // namespace holdfast::drill::faults
