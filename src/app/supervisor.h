#pragma once

// Supervisor: keeps a set of services running, each a process in a session of its own.
//
// A service that ends is started again, after a pause that doubles from 100 ms to 5 s and is
// forgotten after a minute of health. Before a restart everything of the old process is killed
// until nothing is left, its session and its family: a PostgreSQL backend may outlive its
// postmaster, and two servers on one data directory would be the end of it. Nobody waits for that:
// it is looked at every few milliseconds, and what does not go away (a process that the kernel
// holds on a dead disk) leaves its service ended, neither started again nor reported as gone.
//
// What runs is written to DATA/supervisor.json (pid and start time of each, fsynced), so that the
// next supervisor finds what a killed one left: it ends those processes in order and starts anew,
// under the lock that says that it is the only one (DATA/supervisor.lock). Until then they go on
// serving. What was started but not yet written down is known by its family, which begins with
// the data directory's path: `DATA//name`.
//
// stop() ends services in the reverse order of their start, each with its own signal and
// patience; who does not go is killed. One thread; watch() runs the loop, so that coroutines of the
// same process (app/cluster_keeper.h) go on meanwhile; all else blocks it.

#include "base/env.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "net/task.h"

#include <boost/asio/signal_set.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::app {

struct Service {
    std::string name;
    std::string family; ///< of its processes (base/subprocess.h), DATA//name
    std::function<Result<ProcessName>()> start;
    int stop_signal = 0;
    Duration stop_patience{};
    /// Nothing of it lives any more; what is decided here holds before it is started again. May be
    /// empty. Not called by stop().
    std::function<void()> ended;
};

/// As a supervisor wrote it down.
struct RecordedService {
    std::string name;
    std::string family;
    ProcessName process{};
    int stop_signal = 0;
};
/// What DATA/supervisor.json says; nothing when there is none.
Result<std::vector<RecordedService>> recorded_services(const std::string& data_directory);
/// Who runs a data directory now. Error NotFound "platform_not_running".
Result<ProcessName> supervisor_of(const std::string& data_directory);

class Supervisor {
  public:
    static constexpr Duration restart_pause_min = std::chrono::milliseconds{100};
    static constexpr Duration restart_pause_max = std::chrono::seconds{5};
    static constexpr Duration healthy_after = std::chrono::minutes{1};
    static constexpr Duration kill_patience = std::chrono::seconds{10};

    /// Takes the lock and ends what an earlier supervisor left.
    /// Errors: Conflict "already_running" names the pid that holds the lock.
    static Result<std::unique_ptr<Supervisor>> create(Env& env, net::Loop& loop,
                                                      std::string data_directory);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor();

    Result<void> start(Service service);
    /// True while the service's process lives.
    bool running(const std::string& name) const;
    /// Begins to kill a service and all it started; it is started again like one that ended.
    void kill(const std::string& name);

    /// Starts again what ended, until SIGTERM or SIGINT arrives or `until_done` says true.
    void watch(const std::function<bool()>& until_done);
    /// A signal to end has arrived.
    bool asked_to_stop() const { return asked_to_stop_; }

    void stop();

  private:
    struct Running {
        Service service;
        std::optional<ProcessName> process; ///< until nothing of it is left
        bool ending = false;                ///< it is being killed
        MonoTime overdue_at{};              ///< by when it should be gone
        MonoTime started{};
        MonoTime restart_at{};
        Duration pause = restart_pause_min;
    };
    Supervisor(Env& env, net::Loop& loop, std::string data_directory, int lock);
    Result<void> end_leftovers();
    Result<void> write_state() const;
    void end(Running& running, int signal, Duration patience) const;
    void begin_end(Running& running) const;
    void note_exits();
    void note_if_gone(Running& running);
    bool anything_ending() const;
    void listen();
    void restart_due();

    Env& env_;
    net::Loop& loop_;
    std::string data_directory_;
    int lock_;
    boost::asio::signal_set signals_;
    bool asked_to_stop_ = false;
    std::vector<Running> services_;
};

} // namespace holdfast::app
