#pragma once

// ClusterKeeper: keeps the embedded pair in order while `holdfast up` runs: takes over when the
// primary is lost, gives the standby up when it stays away, and takes it back.
//
// It looks at both nodes all the time, each over a connection of its own with a hard deadline, and
// at what the standby has received; next_move() (failover.h) decides. What it decides is durable
// before it is done, so a keeper that starts on the state of a killed one goes on where that was:
// a node that is the primary by decision and still in recovery is promoted.
//
//   Promote         the supervisor has ended every process of the old primary, by itself or because
//                   we ask (kill_node), before the new one is stored and promoted
//   Degrade         promotable=false is stored, then commits stop waiting for the standby
//   Resynchronize   commits wait for the standby, it has all that was committed before that began,
//                   then promotable=true is stored
//
// A node that is started as a standby makes itself one first (node.h).
//
// Runs on the supervisor's loop; ended() and started() are called by the supervisor on the same
// thread. Every statement has a deadline; what fails is tried again at the next turn.

#include "app/failover.h"
#include "base/metrics.h"
#include "base/offload.h"
#include "db/topology.h"
#include "net/gate.h"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace holdfast::app {

struct KeeperOptions {
    std::string state_path;
    std::optional<UserIdentity> state_owner; ///< nodes read it
    FailoverLimits limits;
    /// Ends every process of a node; ended() is called before it returns.
    std::function<void(db::Node)> kill_node;
};

class ClusterKeeper {
  public:
    static Result<std::unique_ptr<ClusterKeeper>> create(net::Loop& loop, Offload& offload,
                                                         const db::EmbeddedCluster& cluster,
                                                         KeeperOptions options);

    const PairState& state() const { return state_; }
    db::Node primary() const { return state_.primary; }
    db::Node standby() const { return db::other(state_.primary); }

    /// From the first start on, before the keeper itself is started.
    void started(db::Node node) { at(node).runs = true; }
    /// Nothing of a node lives any more. What was decided about it holds when this returns.
    void ended(db::Node node);

    void start();
    net::Task<void> stop(net::Deadline deadline);

  private:
    static constexpr Duration statement_timeout = std::chrono::seconds{2};
    struct Watched {
        std::unique_ptr<db::Server> server;
        bool runs = false;
        std::optional<db::Sighting> last;
        MonoTime answered{};
    };
    ClusterKeeper(net::Loop& loop, Offload& offload, const db::EmbeddedCluster& cluster,
                  KeeperOptions options, PairState state);

    net::Task<void> watch(db::Node node);
    net::Task<void> keep();
    net::Task<void> turn();
    net::Task<void> look_at_standby();
    net::Task<void> finish_promotion();
    net::Task<void> degrade();
    net::Task<void> resynchronize();
    net::Task<void> checkpoint();
    net::Task<void> tell_primary(std::string sql);
    net::Task<std::string> ask_primary(std::string sql, Duration timeout = statement_timeout);
    net::Task<std::vector<db::QueryResult>> run_on_primary(std::string sql, net::Deadline deadline);
    void promote();
    Result<void> decide(PairState state);
    PairFacts facts() const;
    Watched& at(db::Node node) { return watched_[static_cast<std::size_t>(node)]; }
    const Watched& at(db::Node node) const { return watched_[static_cast<std::size_t>(node)]; }

    net::Loop& loop_;
    Offload& offload_;
    const db::EmbeddedCluster& cluster_;
    KeeperOptions options_;
    PairState state_;
    std::array<Watched, 2> watched_;
    std::unique_ptr<db::Connection> primary_; ///< to the node that is the primary, for statements
    db::Node connected_to_ = db::Node::A;
    bool caught_up_ = false;
    MonoTime streamed_{}; ///< when the standby was last seen to stream
    net::Gate gate_;
};

} // namespace holdfast::app
