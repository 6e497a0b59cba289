#include "base/result.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include <execinfo.h>
#include <unistd.h>

namespace holdfast {

namespace {

std::atomic<std::uint64_t> bug_count{0};
std::atomic<void (*)(std::string_view)> before_abort{nullptr};
std::atomic<void (*)(std::string_view)> on_bug{nullptr};

} // namespace

std::string_view to_string(ErrorClass kind) {
    switch (kind) {
        case ErrorClass::Invalid: return "invalid";
        case ErrorClass::Auth: return "auth";
        case ErrorClass::Forbidden: return "forbidden";
        case ErrorClass::NotFound: return "not_found";
        case ErrorClass::Conflict: return "conflict";
        case ErrorClass::Declined: return "declined";
        case ErrorClass::Overload: return "overload";
        case ErrorClass::Deadline: return "deadline";
        case ErrorClass::Unavailable: return "unavailable";
        case ErrorClass::Unknown: return "unknown";
        case ErrorClass::Io: return "io";
        case ErrorClass::Bug: return "bug";
    }
    return "bug";
}

std::string to_string(const Error& error) {
    std::string text(to_string(error.kind));
    text += ": ";
    if (!error.code.empty() && error.code != to_string(error.kind)) text += error.code + ": ";
    text += error.message;
    if (!error.sqlstate.empty()) text += " (sqlstate " + error.sqlstate + ")";
    if (!error.param.empty()) text += " (param " + error.param + ")";
    return text;
}

std::uint64_t bugs_found() { return bug_count.load(std::memory_order_relaxed); }

void set_failure_hooks(FailureHooks hooks) {
    before_abort.store(hooks.before_abort);
    on_bug.store(hooks.on_bug);
}

namespace detail {

void check_failed(const char* expression, const char* file, int line, std::string_view note) {
    // A check that fails inside the hook or the formatting below must not come back here.
    static std::atomic<bool> failing{false};
    if (failing.exchange(true)) std::abort();

    std::string what = fmt::format("CHECK failed: {} at {}:{}", expression, file, line);
    if (!note.empty()) what.append(": ").append(note);
    std::fprintf(stderr, "%s\n", what.c_str());
    std::fflush(stderr);

    constexpr int max_frames = 64;
    void* frames[max_frames];
    backtrace_symbols_fd(frames, backtrace(frames, max_frames), STDERR_FILENO);

    if (auto hook = before_abort.load()) hook(what);
    std::abort();
}

void bug_found(const char* file, int line, std::string_view note) {
    bug_count.fetch_add(1, std::memory_order_relaxed);
    const std::string what = fmt::format("{}:{}: {}", file, line, note);
    if (auto hook = on_bug.load())
        hook(what);
    else
        std::fprintf(stderr, "BUG at %s\n", what.c_str());
}

} // namespace detail
} // namespace holdfast
