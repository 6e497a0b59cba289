#pragma once

// World: one simulated run, all of it from one seed: instances, database, acquirer, network and
// clients on one simulated clock, and what goes wrong with them.
//
// Faults, each with a strength drawn from the seed (none at all in every tenth run):
//   instances  killed between any two steps, or drained; started again later; wall clocks minutes
//              off; cached answers that expire soon
//   database   slow, away for a while, commits refused or stalled, answers of commits lost
//   acquirer   slow, unreachable, answers lost after booking, late booking, doubled, 5xx
//   network    requests and answers lost between client and instance
// When the clients have finished everything is healed; then all operations must be settled within
// the 60 s that are promised, and the verdict looks at the books.

#include "client.h"
#include "node.h"

#include <string>
#include <vector>

namespace holdfast::sim {

class World {
  public:
    World(std::uint64_t seed, bool verbose);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// Runs it to its end; what is wrong, or nothing.
    std::vector<std::string> run();

    std::uint64_t steps() const { return loop_->steps(); }
    std::size_t purchases() const;

  private:
    struct Crash {
        std::uint64_t step;
        int node;
        bool orderly;
    };

    processor::Options processor_options();
    store::ModelFaults store_faults();
    gateway::SimAcquirerOptions acquirer_options();
    processor::FolderOptions folding();
    Duration any_skew();
    void plan_crashes();
    void make_nodes();
    void make_clients();
    void heal();

    bool clients_done() const { return clients_running_ == 0; }
    void crash_if_due();
    bool all_settled();
    Task<void> drive(Client& client);
    Task<void> restart(int node);
    Task<void> make_trouble();
    Task<processor::Outcome> send(int node, core::Command command, Duration patience);
    Task<std::optional<core::PaymentIntent>> look(Id<core::Account> account,
                                                  Id<core::PaymentIntent> payment);
    void note(const std::string& text);

    bool verbose_;
    SimEnv env_;
    Dice dice_;
    bool calm_; ///< a run without faults
    bool answers_expire_;
    core::Identity identity_;
    std::vector<core::Account> accounts_; ///< whose clients use the same idempotency keys
    store::ModelStore store_;
    std::unique_ptr<net::SimLoop> loop_;
    std::unique_ptr<gateway::SimAcquirer> acquirer_;
    std::unique_ptr<net::Gate> gate_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<Crash> crashes_; ///< soonest last
    int clients_running_ = 0;
    bool healed_ = false;
    int lost_requests_percent_ = 0;
};

} // namespace holdfast::sim
