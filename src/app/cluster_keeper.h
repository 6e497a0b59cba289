#pragma once

// ClusterKeeper: keeps the embedded pair in order while `holdfast up` runs: takes over when the
// primary is lost, gives the standby up when it stays away, and takes it back.
//
// Two coroutines look at the nodes all the time, each over a connection of its own with a hard
// deadline, and end a primary that is lost; a third asks the primary about the pair and carries out
// everything else. next_move() (failover.h) decides by what was seen last, never by what was done
// before: a move that failed half-way, or a keeper that starts on the state of a killed one, needs
// no care of its own. What is decided is durable before it is done:
//
//   Promote         the supervisor ends every process of the old primary, by itself or because
//                   we ask (kill_node); then the new one is stored, and promoted when it is next
//                   seen in recovery
//   Degrade         promotable=false is stored, then commits stop waiting for the standby
//   Resynchronize   commits wait for the standby, it has all that was committed before that began,
//                   then promotable=true is stored
//
// Who asks for a switchover (switchover.h) gets the same: the primary is killed when nothing speaks
// against it, right behind a checkpoint, so that it comes back soon.
//
// A node that is started as a standby makes itself one first (node.h).
//
// Runs on the supervisor's loop; ended() and started() are called by the supervisor on the same
// thread. Every statement has a deadline; what fails is tried again, no sooner than failure_pause.
// State and configuration are written by this thread (a few fsyncs at each change of roles): so a
// decision and what is done about it have nothing between them, and nobody is served by this loop.

#include "app/failover.h"
#include "base/offload.h"
#include "db/pair_view.h"
#include "db/topology.h"
#include "net/gate.h"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace holdfast::app {

struct KeeperOptions {
    PairState state; ///< as loaded, or that of a new pair; stored by create()
    std::string state_path;
    std::optional<UserIdentity> state_owner; ///< nodes read it
    std::string switchover_path;             ///< where one is asked for (switchover.h)
    FailoverLimits limits;
    /// Begins to end every process of a node; ended() is called when they are gone.
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
    void started(db::Node node);
    /// Nothing of a node lives any more. What was decided about it holds when this returns.
    void ended(db::Node node);

    void start();
    net::Task<void> stop(net::Deadline deadline);

  private:
    static constexpr Duration statement_timeout = std::chrono::seconds{2};
    struct Watched {
        std::unique_ptr<db::Server> server;
        bool runs = false;
        bool being_killed = false;
        bool answers_as_standby = false; ///< since it was started: when last asked
        Absence silent;
        Absence mute;
    };
    ClusterKeeper(net::Loop& loop, Offload& offload, const db::EmbeddedCluster& cluster,
                  KeeperOptions options);

    net::Task<void> watch(db::Node node);
    void end_lost_primary();
    void kill(db::Node node, std::string_view why);
    void promote();

    net::Task<void> keep();
    net::Task<void> turn();
    net::Task<void> carry_out(PairMove move);
    net::Task<void> ask_about_pair();
    net::Task<void> finish_promotion();
    net::Task<void> degrade();
    net::Task<void> resynchronize();
    net::Task<void> make_slot();
    net::Task<void> remake_standby();
    net::Task<void> switch_over();

    net::Task<void> apply(db::Commits commits);
    net::Task<void> checkpoint();
    net::Task<void> tell_primary(std::string sql);
    net::Task<std::string> ask_primary(std::string sql);
    net::Task<std::vector<db::QueryResult>> run_on_primary(std::string sql, net::Deadline deadline);
    Result<void> decide(PairState state);
    PairFacts facts() const;
    Watched& at(db::Node node) { return watched_[static_cast<std::size_t>(node)]; }
    const Watched& at(db::Node node) const { return watched_[static_cast<std::size_t>(node)]; }

    net::Loop& loop_;
    Offload& offload_;
    const db::EmbeddedCluster& cluster_;
    KeeperOptions options_;
    PairState state_;
    bool stored_ = false; ///< the file says what state_ is
    std::array<Watched, 2> watched_;
    std::unique_ptr<db::Connection> primary_; ///< to the node that is the primary, for statements
    db::Node connected_to_ = db::Node::A;
    std::optional<PrimarySays> says_;
    std::string last_message_; ///< of the standby
    Absence away_, useless_;   ///< of the standby
    net::Gate gate_;
};

} // namespace holdfast::app
