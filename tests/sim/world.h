#pragma once

// World: one simulated run, all of it from one seed: instances, database, acquirer, network and
// clients on one simulated clock, and what goes wrong with them.
//
// Faults, each with a strength drawn from the seed (none at all in every tenth run):
//   instances  killed between any two steps or right after a write to their disk, without power, or
//              drained; started again later, or much later, or never: then another one takes their
//              command log over. Wall clocks minutes off; cached answers that expire soon
//   disks      slow, full, failing to write or to sync: under the command logs, the real ones
//   database   slow, away or silent for seconds or minutes, read-only, rows locked by others;
//   commits
//              refused or stalled, answers of commits lost; the primary killed and the standby
//              promoted, with and without the link between them
//   acquirer   slow, unreachable, answers lost after booking, late booking, doubled, 5xx
//   network    requests and answers lost between client and instance
// When the clients have finished everything is healed; then all operations must be settled and all
// that was decided without the database be in it within the 60 s that are promised, and the verdict
// looks at the books. In every fifth run the instances have no command logs; half of the merchants
// accept payments under floor limits. In some runs all do, and database and acquirer go away
// together while the clients buy: then the sum of what all instances accept is looked at.

#include "client.h"
#include "floor_witness.h"
#include "node.h"
#include "witness.h"

#include "gateway/sim_acquirer.h"

#include <set>
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
    /// Payments that were accepted without the issuer's word.
    std::uint64_t unauthorized() const { return floor_witness_->accepted(); }

  private:
    enum class End : std::uint8_t { Kill, PowerCut, Drain, ForGood };
    struct Crash {
        std::uint64_t step = 0; ///< at this one, or
        int disk_jobs = 0;      ///< after so many of the node, when that is not 0
        int node = 0;
        End end = End::Kill;
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
    bool all_settled() const;
    bool settle();
    Task<void> drive(Client& client);
    Task<void> restart(int node);
    Task<void> make_trouble();
    Task<void> black_out();
    Task<void> trouble_the_acquirer(Duration length);
    Task<void> fail_over(Duration length);
    void trouble_a_disk();
    bool is_due(const Crash& crash) const;
    void crash(const Crash& crash);
    void bury(int node);
    void start(int node);
    void examine_logs(std::vector<std::string>& findings);
    Task<processor::Outcome> send(int node, core::Command command, Duration patience);
    Task<processor::MarkBook::Hearing> carry(int to, std::string sealed);
    Task<processor::Outcome> pass(int to, core::Command command, Deadline deadline);
    bool is_held_elsewhere(int node, Id<core::Account> account, Id<core::PaymentIntent> payment);
    Task<std::optional<core::PaymentIntent>> look(Id<core::Account> account,
                                                  Id<core::PaymentIntent> payment);
    void note(const std::string& text);

    bool verbose_;
    SimEnv env_;
    Dice dice_;
    bool calm_; ///< a run without faults
    bool answers_expire_;
    bool stands_in_;
    bool blacks_out_; ///< neither database nor acquirer are there while clients buy
    core::Identity identity_;
    std::vector<core::Account> accounts_; ///< whose clients use the same idempotency keys
    store::ModelStore store_;
    std::unique_ptr<net::SimLoop> loop_;
    std::unique_ptr<gateway::SimAcquirer> acquirer_;
    std::unique_ptr<Witness> witness_;
    std::unique_ptr<FloorWitness> floor_witness_;
    std::unique_ptr<net::Gate> gate_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<Crash> crashes_; ///< not yet
    int buried_ = -1;            ///< the node that does not come back
    int heir_ = -1;              ///< who has its disk
    std::set<int> broken_disks_;
    int clients_running_ = 0;
    bool healed_ = false;
    int lost_requests_percent_ = 0;
};

} // namespace holdfast::sim
