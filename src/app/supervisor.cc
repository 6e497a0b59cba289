#include "app/supervisor.h"

#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace holdfast::app {
namespace {

constexpr Duration turn = std::chrono::milliseconds{100};
constexpr Duration turn_while_ending = std::chrono::milliseconds{10};
constexpr Duration leftover_patience = std::chrono::seconds{5};

Error io_error(std::string_view what, const std::string& path) {
    return {.kind = ErrorClass::Io,
            .code = "supervisor_io",
            .message = fmt::format("can't {} {}: {}", what, path, std::strerror(errno))};
}

} // namespace

Result<std::vector<RecordedService>> recorded_services(const std::string& data_directory) {
    const std::string path = data_directory + "/supervisor.json";
    if (::access(path.c_str(), F_OK) != 0) return std::vector<RecordedService>{};
    TRY(std::string text, read_file(path));
    TRY(auto state, parse_json(text));
    std::vector<RecordedService> recorded;
    const auto* services = state.is_array() ? &state.get_array() : nullptr;
    if (!services) return recorded;
    for (const auto& entry : *services) {
        TRY(std::string name, json_text(entry, "name"));
        TRY(std::string family, json_text(entry, "family"));
        TRY(std::int64_t pid, json_integer(entry, "pid"));
        TRY(std::int64_t start, json_integer(entry, "start_ticks"));
        TRY(std::int64_t signal, json_integer(entry, "stop_signal"));
        recorded.push_back({std::move(name),
                            std::move(family),
                            {static_cast<pid_t>(pid), static_cast<std::uint64_t>(start)},
                            static_cast<int>(signal)});
    }
    return recorded;
}

Result<ProcessName> supervisor_of(const std::string& data_directory) {
    const auto text = read_file(data_directory + "/supervisor.lock");
    pid_t pid = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), pid);
    if (pid > 0)
        if (const auto process = process_named(pid)) return *process;
    return fail(ErrorClass::NotFound, "platform_not_running",
                fmt::format("no `holdfast up` runs on {}; start it, or name another --data",
                            data_directory));
}

Supervisor::Supervisor(Env& env, net::Loop& loop, std::string data_directory, int lock)
    : env_(env),
      loop_(loop),
      data_directory_(std::move(data_directory)),
      lock_(lock),
      signals_(loop, SIGCHLD, SIGTERM, SIGINT) {}

Supervisor::~Supervisor() { ::close(lock_); }

Result<std::unique_ptr<Supervisor>> Supervisor::create(Env& env, net::Loop& loop,
                                                       std::string data_directory) {
    const std::string path = data_directory + "/supervisor.lock";
    const int lock = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lock < 0) return fail(io_error("open", path));
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        char pid[32] = {};
        [[maybe_unused]] const auto got = ::pread(lock, pid, sizeof pid - 1, 0);
        ::close(lock);
        return fail(ErrorClass::Conflict, "already_running",
                    fmt::format("another `holdfast up` (pid {}) runs on {}; stop it first, or use "
                                "another --data",
                                pid, data_directory));
    }
    const std::string pid = std::to_string(env.pid());
    if (::ftruncate(lock, 0) != 0 ||
        ::pwrite(lock, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        ::close(lock);
        return fail(io_error("write", path));
    }
    auto supervisor =
        std::unique_ptr<Supervisor>(new Supervisor(env, loop, std::move(data_directory), lock));
    TRY_VOID(supervisor->end_leftovers());
    supervisor->listen();
    return supervisor;
}

/// Every signal ends the turn of the loop.
void Supervisor::listen() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) return;
        if (signal != SIGCHLD) asked_to_stop_ = true;
        loop_.stop();
        listen();
    });
}

Result<void> Supervisor::end_leftovers() {
    TRY(auto leftovers, recorded_services(data_directory_));
    std::reverse(leftovers.begin(), leftovers.end());
    // What was started and not yet written down is known by its family alone. Two servers on one
    // data directory would be the end of it.
    leftovers.push_back({.name = "unrecorded", .family = data_directory_, .stop_signal = SIGKILL});
    for (RecordedService& leftover : leftovers) {
        if (family_members(leftover.process, leftover.family) == 0) continue;
        log::warn("leftover_process_ended",
                  {{"service", leftover.name}, {"pid", leftover.process.pid}});
        Running running{.service = {.name = leftover.name, .family = leftover.family},
                        .process = leftover.process};
        end(running, leftover.stop_signal, leftover_patience);
    }
    return write_state();
}

Result<void> Supervisor::write_state() const {
    JsonWriter w;
    w.begin_array();
    for (const Running& running : services_) {
        if (!running.process) continue;
        w.begin_object();
        w.field("name", running.service.name);
        w.field("family", running.service.family);
        w.field("pid", running.process->pid);
        w.field("start_ticks", running.process->start_ticks);
        w.field("stop_signal", running.service.stop_signal);
        w.end_object();
    }
    w.end_array();
    return write_file_durably(data_directory_ + "/supervisor.json", std::move(w).take(), 0640);
}

void Supervisor::end(Running& running, int signal, Duration patience) const {
    if (!running.process) return;
    const std::string& family = running.service.family;
    // The leader knows how to end its own children; the session is for what it left.
    bool asked = signal != SIGKILL && !running.ending && is_alive(*running.process);
    if (asked) ::kill(running.process->pid, signal);
    MonoTime until = env_.now() + (asked ? patience : kill_patience);
    while ((asked ? family_members(*running.process, family)
                  : signal_family(*running.process, family, SIGKILL)) > 0) {
        while (reap_child()) {
        }
        if (env_.now() >= until) {
            if (!asked) {
                BUG("a killed service does not go away");
                return;
            }
            log::warn("service_killed", {{"service", running.service.name}});
            until = env_.now() + kill_patience;
            asked = false;
        }
        block_thread(std::chrono::milliseconds{5});
    }
    while (reap_child()) {
    }
    running.process.reset();
}

Result<void> Supervisor::start(Service service) {
    TRY(ProcessName process, service.start());
    log::info("service_started", {{"service", service.name}, {"pid", process.pid}});
    services_.push_back({.service = std::move(service), .process = process, .started = env_.now()});
    return write_state();
}

bool Supervisor::running(const std::string& name) const {
    return std::any_of(services_.begin(), services_.end(), [&](const Running& running) {
        return running.service.name == name && running.process && is_alive(*running.process);
    });
}

void Supervisor::note_exits() {
    while (reap_child()) {
    }
    for (Running& running : services_) {
        if (!running.process) continue;
        if (!running.ending && !is_alive(*running.process)) begin_end(running);
        if (running.ending) note_if_gone(running);
    }
}

void Supervisor::begin_end(Running& running) const {
    log::error("service_ended", {{"service", running.service.name}, {"pid", running.process->pid}});
    running.ending = true;
    running.overdue_at = env_.now() + kill_patience;
    signal_family(*running.process, running.service.family, SIGKILL);
}

void Supervisor::note_if_gone(Running& running) {
    if (signal_family(*running.process, running.service.family, SIGKILL) > 0) {
        if (env_.now() < running.overdue_at) return;
        BUG("a killed service does not go away");
        running.overdue_at = env_.now() + kill_patience;
        return;
    }
    while (reap_child()) {
    }
    if (env_.now() - running.started > healthy_after) running.pause = restart_pause_min;
    running.process.reset();
    running.ending = false;
    running.restart_at = env_.now() + running.pause;
    running.pause = std::min(running.pause * 2, restart_pause_max);
    if (running.service.ended) running.service.ended();
}

bool Supervisor::anything_ending() const {
    return std::ranges::any_of(services_, [](const Running& running) { return running.ending; });
}

void Supervisor::kill(const std::string& name) {
    for (Running& running : services_)
        if (running.service.name == name && running.process && !running.ending) begin_end(running);
}

void Supervisor::restart_due() {
    bool changed = false;
    for (Running& running : services_) {
        if (running.process || env_.now() < running.restart_at) continue;
        auto process = running.service.start();
        running.started = env_.now();
        changed = true;
        if (process) {
            running.process = *process;
            log::info("service_restarted",
                      {{"service", running.service.name}, {"pid", process->pid}});
        } else {
            log::error("service_start_failed",
                       {{"service", running.service.name}, {"error", to_string(process.error())}});
            running.restart_at = env_.now() + running.pause;
            running.pause = std::min(running.pause * 2, restart_pause_max);
        }
    }
    if (changed)
        if (auto written = write_state(); !written)
            log::error("supervisor_state_not_written", {{"error", to_string(written.error())}});
}

void Supervisor::watch(const std::function<bool()>& until_done) {
    while (!asked_to_stop_ && !until_done()) {
        loop_.restart();
        const Duration pause = anything_ending() ? turn_while_ending : turn;
        loop_.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(pause));
        if (asked_to_stop_) return;
        note_exits();
        restart_due();
    }
}

void Supervisor::stop() {
    for (auto it = services_.rbegin(); it != services_.rend(); ++it) {
        end(*it, it->service.stop_signal, it->service.stop_patience);
        log::info("service_stopped", {{"service", it->service.name}});
    }
    services_.clear();
    if (auto written = write_state(); !written)
        log::error("supervisor_state_not_written", {{"error", to_string(written.error())}});
}

} // namespace holdfast::app
