#include "base/subprocess.h"

#include <fmt/format.h>

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast {
namespace {

constexpr std::string_view family_variable = "PROCESS_FAMILY";
/// Whose processes have nothing but their working directory to be known by.
constexpr std::string_view postgres_program = "postgres";
constexpr std::size_t captured_output_max = 1 << 20;
constexpr std::size_t error_tail_max = 2000;

/// What /proc/PID/stat says behind the parenthesized name: state is field 3.
struct Stat {
    char state = 'X';
    pid_t session = 0;
    std::uint64_t cpu_ticks = 0;
    std::uint64_t start_ticks = 0;
};

std::optional<Stat> read_stat(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream rest(text.substr(name_end + 1));
    Stat stat;
    std::string field;
    for (int number = 3; number <= 22 && rest >> field; ++number) {
        if (number == 3)
            stat.state = field[0];
        else if (number == 6)
            stat.session = static_cast<pid_t>(std::stol(field));
        else if (number == 14 || number == 15)
            stat.cpu_ticks += std::stoull(field);
        else if (number == 22)
            stat.start_ticks = std::stoull(field);
    }
    return stat;
}

template <class F> void for_each_process(F&& visit) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        if (name.empty() || !std::all_of(name.begin(), name.end(), ::isdigit)) continue;
        const pid_t pid = static_cast<pid_t>(std::stol(name));
        if (auto stat = read_stat(pid)) visit(pid, *stat);
    }
}

/// Everything the child needs, prepared before fork: between fork and exec only async-signal-safe
/// calls are allowed.
struct ChildPlan {
    std::vector<char*> argv, envp;
    std::vector<std::string> env_text;
    std::vector<gid_t> groups;
    int output = -1;
    int report = -1;  ///< written to when exec fails, closed by exec otherwise
    int program = -1; ///< the program, opened while we still may walk to it
};

[[noreturn]] void become(const SpawnOptions& options, const ChildPlan& plan) {
    auto give_up = [&] {
        const int error = errno;
        [[maybe_unused]] auto written = ::write(plan.report, &error, sizeof error);
        ::_exit(127);
    };
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int s : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD}) ::signal(s, SIG_DFL);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, 0);
    if (plan.output >= 0) {
        ::dup2(plan.output, 1);
        ::dup2(plan.output, 2);
    }
    if (options.user) {
        if (::setgroups(plan.groups.size(), plan.groups.data()) != 0) give_up();
        if (::setgid(options.user->gid) != 0 || ::setuid(options.user->uid) != 0) give_up();
    }
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!options.working_directory.empty() && ::chdir(options.working_directory.c_str()) != 0)
        give_up();
    // plan.report is close-on-exec like everything above 2 becomes here
    ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
    // A program under /root can't be reached by path as somebody else, but it may be run.
    if (errno == EACCES)
        ::syscall(SYS_execveat, plan.program, "", plan.argv.data(), plan.envp.data(),
                  AT_EMPTY_PATH);
    give_up();
    ::_exit(127);
}

Result<pid_t> fork_and_exec(const SpawnOptions& options, int output) {
    ChildPlan plan;
    plan.output = output;
    for (const std::string& arg : options.argv) plan.argv.push_back(const_cast<char*>(arg.c_str()));
    plan.argv.push_back(nullptr);
    const std::string path = environment_variable("PATH");
    plan.env_text.push_back("PATH=" + (path.empty() ? "/usr/local/bin:/usr/bin:/bin" : path));
    plan.env_text.push_back("LC_ALL=C.UTF-8");
    plan.env_text.push_back("TZ=UTC");
    for (const char* inherited : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"})
        if (std::string v = environment_variable(inherited); !v.empty())
            plan.env_text.push_back(std::string(inherited) + "=" + v);
    if (!options.family.empty())
        plan.env_text.push_back(fmt::format("{}={}", family_variable, options.family));
    for (const auto& [key, value] : options.environment) plan.env_text.push_back(key + "=" + value);
    for (std::string& text : plan.env_text) plan.envp.push_back(text.data());
    plan.envp.push_back(nullptr);
    if (options.user) {
        int count = 64;
        plan.groups.resize(static_cast<std::size_t>(count));
        ::getgrouplist(options.user->name.c_str(), options.user->gid, plan.groups.data(), &count);
        plan.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    }

    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC) != 0)
        return fail(ErrorClass::Io, "spawn_failed", std::strerror(errno));
    plan.report = report[1];
    plan.program = ::open(options.argv[0].c_str(), O_PATH | O_CLOEXEC);
    const pid_t pid = ::fork();
    if (pid == 0) become(options, plan);
    ::close(report[1]);
    if (plan.program >= 0) ::close(plan.program);
    if (pid < 0) {
        ::close(report[0]);
        return fail(ErrorClass::Io, "spawn_failed", std::strerror(errno));
    }
    int error = 0;
    const auto got = ::read(report[0], &error, sizeof error);
    ::close(report[0]);
    if (got == static_cast<ssize_t>(sizeof error)) {
        ::waitpid(pid, nullptr, 0);
        return fail(ErrorClass::Io, "spawn_failed",
                    fmt::format("can't run {}: {}", options.argv[0], std::strerror(error)));
    }
    return pid;
}

int decoded(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

} // namespace

Result<std::optional<UserIdentity>> unprivileged_user(const std::vector<std::string>& candidates) {
    if (::geteuid() != 0) return std::optional<UserIdentity>{};
    for (const std::string& name : candidates)
        if (const passwd* entry = ::getpwnam(name.c_str()); entry && entry->pw_uid != 0)
            return std::optional(UserIdentity{entry->pw_uid, entry->pw_gid, name});
    return fail(ErrorClass::Io, "no_unprivileged_user",
                fmt::format("servers are not run as root; create one of these users: {}",
                            fmt::join(candidates, ", ")));
}

bool can_reach(const UserIdentity& user, const std::string& path) {
    for (std::filesystem::path at = path; at.has_relative_path();) {
        at = at.parent_path();
        struct stat status{};
        if (::stat(at.c_str(), &status) != 0) return false;
        const mode_t needed = status.st_uid == user.uid   ? S_IXUSR
                              : status.st_gid == user.gid ? S_IXGRP
                                                          : S_IXOTH;
        if (!(status.st_mode & needed)) return false;
    }
    return true;
}

Result<void> give_to(const std::optional<UserIdentity>& user, const std::string& path) {
    if (user && ::lchown(path.c_str(), user->uid, user->gid) != 0)
        return fail(ErrorClass::Io, "chown_failed",
                    fmt::format("can't give {} to {}: {}", path, user->name, std::strerror(errno)));
    return {};
}

std::optional<ProcessName> process_named(pid_t pid) {
    auto stat = read_stat(pid);
    if (!stat || stat->state == 'Z' || stat->state == 'X') return std::nullopt;
    return ProcessName{pid, stat->start_ticks};
}

bool is_alive(const ProcessName& process) {
    auto now = process_named(process.pid);
    return now && *now == process;
}

std::optional<Duration> cpu_time_of(const ProcessName& process) {
    auto stat = read_stat(process.pid);
    if (!stat || stat->start_ticks != process.start_ticks) return std::nullopt;
    const auto ticks_per_s = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return Duration{static_cast<std::int64_t>(stat->cpu_ticks * 1'000'000 / ticks_per_s)};
}

Result<ProcessName> spawn(const SpawnOptions& options) {
    CHECK(!options.argv.empty());
    int output = -1;
    if (!options.log_path.empty()) {
        output = ::open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (output < 0)
            return fail(ErrorClass::Io, "spawn_failed",
                        fmt::format("can't write {}: {}", options.log_path, std::strerror(errno)));
    }
    auto pid = fork_and_exec(options, output);
    if (output >= 0) ::close(output);
    if (!pid) return fail(std::move(pid).error());
    auto stat = read_stat(*pid);
    return ProcessName{*pid, stat ? stat->start_ticks : 0};
}

namespace {

bool carries(pid_t pid, std::string_view family) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
    const std::string wanted = fmt::format("{}={}", family_variable, family);
    for (std::string variable; std::getline(file, variable, '\0');)
        if (variable == wanted || variable.starts_with(wanted + "//")) return true;
    return false;
}

/// Of a server whose directory the family names, or one in it.
bool works_in(pid_t pid, const std::filesystem::path& directory) {
    namespace fs = std::filesystem;
    const fs::path process = fs::path("/proc") / std::to_string(pid);
    std::error_code error;
    // " (deleted)" is behind the name of a program that was upgraded meanwhile.
    const std::string program = fs::read_symlink(process / "exe", error).filename();
    if (error || program.substr(0, program.find(' ')) != postgres_program) return false;
    const fs::path working = fs::read_symlink(process / "cwd", error);
    if (error) return false;
    return std::mismatch(directory.begin(), directory.end(), working.begin(), working.end())
               .first == directory.end();
}

/// A session keeps its leader's pid as its number, and that pid is not reused while the session has
/// members.
template <class F>
void for_each_member(const ProcessName& leader, std::string_view family, F&& visit) {
    const std::filesystem::path directory =
        std::filesystem::path(family).lexically_normal(); // "a//b" is a/b
    for_each_process([&](pid_t pid, const Stat& stat) {
        if (stat.state == 'Z' || stat.state == 'X') return;
        const bool in_session =
            leader.pid != 0 && stat.session == leader.pid && stat.start_ticks >= leader.start_ticks;
        if (in_session || (!family.empty() && (works_in(pid, directory) || carries(pid, family))))
            visit(pid);
    });
}

} // namespace

int signal_family(const ProcessName& leader, std::string_view family, int signal) {
    int count = 0;
    for_each_member(leader, family, [&](pid_t pid) {
        ::kill(pid, signal);
        ++count;
    });
    return count;
}

int family_members(const ProcessName& leader, std::string_view family) {
    int count = 0;
    for_each_member(leader, family, [&](pid_t) { ++count; });
    return count;
}

std::optional<Exit> reap_child() {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return std::nullopt;
    return Exit{pid, decoded(status)};
}

Result<std::string> run(const SpawnOptions& options, Duration timeout) {
    CHECK(!options.argv.empty());
    std::array<int, 2> output{};
    if (::pipe2(output.data(), O_CLOEXEC) != 0)
        return fail(ErrorClass::Io, "spawn_failed", std::strerror(errno));
    auto pid = fork_and_exec(options, output[1]);
    ::close(output[1]);
    if (!pid) {
        ::close(output[0]);
        return fail(std::move(pid).error());
    }
    const auto until = Env::current().now() + timeout;
    std::string text;
    std::array<char, 4096> chunk;
    bool timed_out = false;
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - Env::current().now());
        pollfd waiting{.fd = output[0], .events = POLLIN, .revents = 0};
        const int ready =
            ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            timed_out = true;
            break;
        }
        const auto got = ::read(output[0], chunk.data(), chunk.size());
        if (got <= 0) break;
        if (text.size() < captured_output_max)
            text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    ::close(output[0]);
    if (timed_out)
        if (auto name = process_named(*pid)) signal_family(*name, options.family, SIGKILL);
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (timed_out)
        return fail(ErrorClass::Deadline, "command_timeout",
                    fmt::format("{} did not end in {} s", options.argv[0],
                                std::chrono::duration_cast<std::chrono::seconds>(timeout).count()));
    if (decoded(status) != 0) {
        const std::size_t from = text.size() > error_tail_max ? text.size() - error_tail_max : 0;
        return fail(ErrorClass::Io, "command_failed",
                    fmt::format("{} exited with {}: {}", options.argv[0], decoded(status),
                                text.substr(from)));
    }
    return text;
}

} // namespace holdfast
