#pragma once

// PatroniCluster: the database servers of a drill with --engine patroni: three nodes of Patroni and
// etcd on this machine, configured by the templates of deploy/, as tests/support/patroni.mjs starts
// them. So it needs a source tree as the current directory, and Node (`./dev drill` brings it).
//
//   CO_TRY(auto cluster, co_await PatroniCluster::start(directory));
//   CO_TRY_VOID(gate.spawn(cluster->listen(http)));    // who is what, all the time
//   TRY(Service primary, cluster->database(Role::Primary));
//   cluster->end();                                    // also by the destructor
//
// Who is what the nodes' own REST interfaces say, asked ask_pause after the last answer; a node
// that does not answer is asked no longer than ask_patience. What was heard last holds until then.
//
// Nothing is kept: the program removes all of it when it is told to end.
//
// Limits: start_patience, end_patience. Thread: the loop's.

#include "base/subprocess.h"
#include "drill/service.h"
#include "net/http_client.h"
#include "net/task.h"

#include <memory>
#include <string>
#include <vector>

namespace holdfast::drill {

class PatroniCluster {
  public:
    static constexpr Duration start_patience = std::chrono::minutes{5};
    static constexpr Duration end_patience = std::chrono::seconds{20};
    static constexpr Duration ask_pause = std::chrono::milliseconds{100};
    static constexpr Duration ask_patience = std::chrono::seconds{1};

    /// `directory`: for its ready file and its log. Errors: "patroni_missing", "patroni_not_ready".
    static net::Task<std::unique_ptr<PatroniCluster>> start(std::string directory);
    ~PatroniCluster() { end(); }
    PatroniCluster(const PatroniCluster&) = delete;
    PatroniCluster& operator=(const PatroniCluster&) = delete;

    /// Of all nodes, with its password: the readers run as other users.
    Result<std::string> url(std::string_view role) const;

    /// Until stop_listening().
    net::Task<void> listen(net::HttpClient& http);
    void stop_listening() { listening_ = false; }

    /// By what was heard last; its synchronous standby. Error NotFound "service_missing".
    Result<Service> database(Role role) const;
    /// Of that node alone.
    Result<std::string> url(std::string_view role, Role node) const;
    std::vector<Service> databases() const;
    /// All on one timeline, one of them the leader and one its synchronous standby.
    bool whole() const { return whole_; }
    /// The longest time in which no leader was heard of whose server runs.
    Duration longest_without_primary() const { return longest_without_; }
    /// Of `patronictl`, that makes the synchronous standby the primary.
    Result<std::vector<std::string>> switchover_command() const;

    void end();

  private:
    struct Node {
        std::string name, data, config, rest_url;
        std::uint16_t port = 0;
    };
    explicit PatroniCluster(std::string directory) : directory_(std::move(directory)) {}
    Result<void> read_ready();
    void hear(std::string_view answer);
    Result<const Node*> node_of(Role role) const;
    Result<Service> service_of(const Node& node) const;

    std::string directory_, passfile_;
    ProcessName program_;
    std::vector<Node> nodes_;
    std::string leader_, standby_;
    bool whole_ = false, listening_ = true;
    MonoTime led_until_{};
    Duration longest_without_{};
};

} // namespace holdfast::drill
