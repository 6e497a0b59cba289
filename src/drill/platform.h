#pragma once

// Platform: the whole of Holdfast that a drill hits: `holdfast up` of this same program, as a
// process of its own in a temporary directory, found through its ready file as by anybody else.
//
// Some of its directories may lie on a disk of limited size (limited_disk.h). Its databases may be
// those of Patroni (patroni_cluster.h), of which `up` is told by --database-url.
//
// Nothing here asks a process of the platform how it is: services are found in the supervisor's
// state file, roles in cluster.json, and whether something is gone in /proc.
//
//   CO_TRY(auto platform, co_await Platform::start({.instances = 2, .data = {}}));
//   TRY(Service primary, platform->database(Role::Primary));
//   ...
//   platform->end();    // kills whatever is left of it and removes the directory
//
// end() is called by the destructor as well, blocks for at most end_patience, and works by process
// families (base/subprocess.h), so that nothing stays behind a killed supervisor or postmaster
// either. Nothing is kept: the money was play money.
//
// The directory is made in TMPDIR, or in /tmp when that is not set or too long for the sockets in
// it.
//
// Limits: start_patience. Thread: that of the loop.

#include "base/subprocess.h"
#include "drill/limited_disk.h"
#include "drill/patroni_cluster.h"
#include "drill/service.h"
#include "net/task.h"

#include <string>
#include <vector>

namespace holdfast::drill {

/// A disk of its own for some directories of DATA.
struct DiskPlan {
    std::uint64_t bytes = 0;
    std::vector<std::string> holds;
};

struct PlatformOptions {
    int instances = 2;
    Engine engine = Engine::Embedded;
    std::optional<DiskPlan> disk;
    std::vector<std::string> settings; ///< more arguments of `up`
};

/// The ready file of `holdfast up`.
struct Ready {
    std::string api_base, secret_key;
    std::string database_url, standby_url; ///< as superuser
    std::string acquirer_url, acquirer_admin_token;
    std::string metrics_url;
};

class Platform {
  public:
    static constexpr Duration start_patience = std::chrono::minutes{3};
    static constexpr Duration end_patience = std::chrono::seconds{10};

    static net::Task<std::unique_ptr<Platform>> start(PlatformOptions options);
    ~Platform() { end(); }
    Platform(const Platform&) = delete;
    Platform& operator=(const Platform&) = delete;

    const Ready& ready() const { return ready_; }
    const std::string& data() const { return data_; }
    /// That of PlatformOptions; null without.
    LimitedDisk* disk() { return disk_.get(); }

    /// As the supervisor wrote them down.
    Result<std::vector<Service>> services() const;
    /// Error NotFound "service_missing".
    Result<Service> service(std::string_view name) const;
    /// The database node that has this role by decision.
    Result<Service> database(Role role) const;
    /// All nodes that run.
    std::vector<Service> databases() const;
    /// As superuser, of that node.
    Result<std::string> url(Role role) const;
    const ProcessName& supervisor() const { return supervisor_; }
    /// The standby has every acknowledged commit, and commits wait for it.
    bool in_sync() const;
    PatroniCluster* patroni() { return patroni_.get(); }
    /// Makes the standby the primary, on purpose: the program and its arguments.
    Result<std::vector<std::string>> switchover_command() const;

    /// `holdfast up` again, on the same data and port, after its supervisor was killed.
    net::Task<void> start_supervisor();
    std::string log_of(std::string_view service) const;
    /// Runs a holdfast command on this data: the program and its arguments.
    std::vector<std::string> command(std::vector<std::string> words) const;

    void end();

  private:
    Platform(PlatformOptions options, std::string directory);
    net::Task<void> start_patroni();
    Result<void> lay_out_disk(const DiskPlan& plan);
    Result<void> spawn_supervisor(const std::string& port);
    net::Task<void> wait_ready();
    int kill_all() const;
    Result<Ready> read_ready() const;

    PlatformOptions options_;
    std::string directory_, data_, ready_file_;
    std::unique_ptr<LimitedDisk> disk_;
    std::unique_ptr<PatroniCluster> patroni_;
    ProcessName supervisor_;
    Ready ready_;
};

} // namespace holdfast::drill
