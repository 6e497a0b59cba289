#include "base/log.h"

#include "base/env.h"
#include "base/flight_recorder.h"
#include "base/json_writer.h"
#include "base/log_ring.h"
#include "base/thread.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

namespace holdfast::log {

namespace {

constexpr std::size_t batch_bytes = 64 << 10;
constexpr int crash_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warn", "error"};

// --- Rendering --------------------------------------------------------------------------------

void append_time(std::string& out, WallTime when) {
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(when - day);
    fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                   static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                   static_cast<unsigned>(date.day()), clock.hours().count(),
                   clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

/// False when the text was cut.
bool append_text(std::string& out, std::string_view text) {
    if (text.size() <= text_bytes_max && valid_text(text)) {
        append_json_text(out, text);
        return true;
    }
    if (valid_text(text)) {
        append_json_text(out, truncate_text(text, text_bytes_max));
        return false;
    }
    std::string readable; // whatever it is, the log stays JSON and shows which bytes there were
    const std::string_view kept = text.substr(0, text_bytes_max);
    for (const char c : kept) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F)
            readable += c;
        else
            fmt::format_to(std::back_inserter(readable), "\\x{:02x}", byte);
    }
    append_json_text(out, readable);
    return kept.size() == text.size();
}

bool append_value(std::string& out, const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Text: return append_text(out, value.text());
        case Value::Kind::Signed:
            fmt::format_to(std::back_inserter(out), "{}",
                           static_cast<std::int64_t>(value.number()));
            return true;
        case Value::Kind::Unsigned:
            fmt::format_to(std::back_inserter(out), "{}", value.number());
            return true;
        case Value::Kind::Truth: out += value.number() != 0 ? "true" : "false"; return true;
        case Value::Kind::Id:
            out += '"';
            out += value.text();
            value.id().append_base62(out);
            out += '"';
            return true;
    }
    return true;
}

std::string render(Level level, std::string_view event, Fields fields) {
    static constexpr std::string_view truncated_mark = R"(,"truncated":true})";
    std::string line;
    line.reserve(256);
    line += R"({"time":")";
    append_time(line, Env::current().wall());
    line.append(R"(","level":")").append(to_string(level)).append(R"(","event":)");
    bool whole = append_text(line, event);
    for (const Field& field : fields) {
        const std::size_t before = line.size();
        line += ',';
        append_json_text(line, field.name);
        line += ':';
        whole &= append_value(line, field.value);
        if (line.size() + truncated_mark.size() > line_bytes_max) {
            line.resize(before);
            whole = false;
            break;
        }
    }
    line += whole ? "}" : truncated_mark;
    return line;
}

// --- The one log of this process --------------------------------------------------------------

/// Lives until the process ends: threads may log while static objects are being destroyed.
struct Logger {
    FlightRecorder recorder{recorded_events};
    LogRing ring{ring_lines};
    std::atomic<Level> level{Level::Info};
    std::atomic<bool> running{false};
    std::atomic<std::uint64_t> handled{0}; ///< lines taken from the ring and written, or lost
    std::atomic<std::uint64_t> dropped{0};
    std::atomic<int> asleep{0}; ///< the writer waits here
    std::atomic<bool> ending{false}, reopen_wanted{false};
    std::string file, crash_file;
    int descriptor = STDERR_FILENO;
    std::thread writer;

    Result<void> open();
    void close();
    void wake();
    void run();
    std::size_t collect(std::string& batch, std::string& line);
    bool put(std::string_view text) const;
};

Logger& logger() {
    static auto* const the_one = new Logger;
    return *the_one;
}

Result<void> Logger::open() {
    if (file.empty()) return {};
    const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (opened < 0) {
        return fail(ErrorClass::Io, "log_file",
                    fmt::format("Can't open the log file {}: {}.", file, std::strerror(errno)));
    }
    close();
    descriptor = opened;
    return {};
}

void Logger::close() {
    if (descriptor != STDERR_FILENO) ::close(descriptor);
    descriptor = STDERR_FILENO;
}

void Logger::wake() {
    // Pairs with the fence in run(): either we see it asleep, or it sees our line.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep.load(std::memory_order_relaxed) == 0) return;
    asleep.store(0);
    asleep.notify_one();
}

bool Logger::put(std::string_view text) const {
    while (!text.empty()) {
        const ssize_t n = ::write(descriptor, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::size_t Logger::collect(std::string& batch, std::string& line) {
    std::size_t lines = 0;
    for (; batch.size() < batch_bytes && ring.pop(line); ++lines) {
        batch += line;
        batch += '\n';
    }
    return lines;
}

void Logger::run() {
    std::string batch, line;
    std::uint64_t dropped_told = 0;
    for (;;) {
        if (reopen_wanted.exchange(false)) {
            if (auto opened = open(); !opened) error("log_reopen_failed", {{"file", file}});
        }
        batch.clear();
        std::size_t lines = collect(batch, line);
        if (lines == 0) {
            if (ending.load()) return;
            asleep.store(1);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            lines = collect(batch, line); // one may have come before we lay down
            if (lines == 0 && !ending.load() && !reopen_wanted.load()) asleep.wait(1);
            asleep.store(0);
            if (lines == 0) continue;
        }
        if (const std::uint64_t now = dropped.load(); now != dropped_told) {
            batch += render(Level::Warn, "log_lines_dropped", {{"lines", now - dropped_told}});
            batch += '\n';
            dropped_told = now;
        }
        if (!put(batch)) dropped.fetch_add(lines);
        handled.fetch_add(lines);
        handled.notify_all();
    }
}

// --- When the process breaks ------------------------------------------------------------------

/// Async-signal-safe: open, write, close.
void write_crash_file() {
    static std::atomic_flag written;
    if (written.test_and_set()) return;
    const Logger& log = logger();
    const char* path = log.crash_file.c_str();
    int descriptor = STDERR_FILENO;
    if (*path != '\0') descriptor = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (descriptor < 0) descriptor = STDERR_FILENO;
    log.recorder.write_to(descriptor);
    if (descriptor != STDERR_FILENO) ::close(descriptor);
}

void on_crash_signal(int number) {
    write_crash_file();
    std::signal(number, SIG_DFL);
    std::raise(number);
}

void before_abort(std::string_view what) {
    error("check_failed", {{"what", what}});
    // The writer gets a moment, but it may be the one that failed.
    constexpr int waits = 100;
    Logger& log = logger();
    for (int i = 0; i < waits && log.running && log.handled < log.ring.pushed(); ++i) usleep(1000);
    write_crash_file();
}

void install_crash_handlers() {
    for (const int number : crash_signals) {
        struct sigaction current{};
        sigaction(number, nullptr, &current);
        if (current.sa_handler != SIG_DFL) continue; // a sanitizer's, which says more than ours
        struct sigaction ours{};
        ours.sa_handler = on_crash_signal;
        sigaction(number, &ours, nullptr);
    }
}

void remove_crash_handlers() {
    for (const int number : crash_signals) {
        struct sigaction current{};
        sigaction(number, nullptr, &current);
        if (current.sa_handler == on_crash_signal) std::signal(number, SIG_DFL);
    }
}

} // namespace

std::string_view to_string(Level level) { return level_names.at(static_cast<std::size_t>(level)); }

std::optional<Level> parse_level(std::string_view text) {
    for (std::size_t i = 0; i < level_names.size(); ++i) {
        if (level_names[i] == text) return static_cast<Level>(i);
    }
    return std::nullopt;
}

void write(Level at, std::string_view event, Fields fields) {
    Logger& log = logger();
    std::string line = render(at, event, fields);
    log.recorder.add(line);
    if (at < log.level.load(std::memory_order_relaxed)) return;
    if (!log.running.load(std::memory_order_acquire) || Env::current().simulated()) return;
    if (log.ring.push(line))
        log.wake();
    else
        log.dropped.fetch_add(1, std::memory_order_relaxed);
}

Result<void> start(const Options& options) {
    Logger& log = logger();
    CHECK(!log.running);
    log.level = options.level;
    log.file = options.file;
    log.crash_file = options.crash_file;
    TRY_VOID(log.open());
    log.ending = false;
    log.writer = start_thread("log", [&log] { log.run(); });
    log.running = true;
    set_failure_hooks({.before_abort = before_abort,
                       .on_bug = [](std::string_view what) { error("bug", {{"what", what}}); }});
    if (options.handle_crashes) install_crash_handlers();
    return {};
}

void stop() {
    Logger& log = logger();
    if (!log.running.exchange(false)) return;
    set_failure_hooks({});
    remove_crash_handlers();
    log.ending = true;
    log.wake();
    log.writer.join();
    log.close();
    // Another thread may have been in the middle of write() when the writer took its last look.
    for (std::string line; log.ring.pop(line); log.handled.fetch_add(1)) log.dropped.fetch_add(1);
}

void flush() {
    Logger& log = logger();
    if (!log.running) return;
    const std::uint64_t goal = log.ring.pushed();
    for (std::uint64_t done = log.handled; done < goal; done = log.handled) log.handled.wait(done);
}

void reopen() {
    Logger& log = logger();
    log.reopen_wanted = true;
    log.wake();
}

void set_level(Level to) { logger().level = to; }

Level level() { return logger().level; }

std::uint64_t dropped_lines() { return logger().dropped; }

std::string recorded_json() { return logger().recorder.json(); }

} // namespace holdfast::log
