#pragma once

// Node: one instance of `serve` that can be killed between any two steps and started again.
//
// It has a loop, a wall clock, a disk with its command log, a breaker before the acquirer, a
// processor, a resolver and a folder of its own. kill() destroys every coroutine in it at once;
// what it had sent to the acquirer arrives all the same, what it had not committed is gone, its
// locks are free. The disk stays: all that was written to it, or with the power gone what was
// synced and some of the rest. A request is served in the node's loop; the exchange tells the
// client the answer, or that the connection broke.
//
// The Journal is the real one, on a MemoryDisk; a job on it takes time, and a process that is
// killed meanwhile has not done it. A node can take over the disk of another one that is gone for
// good; it reads it at its next start. What stand-in has accepted it tells the others, over the
// same network as clients.

#include "dice.h"

#include "base/journal_memory.h"
#include "base/offload.h"
#include "base/skewed_env.h"
#include "core/identity.h"
#include "gateway/breaking_connector.h"
#include "gateway/connector.h"
#include "net/sim_loop.h"
#include "net/timer.h"
#include "processor/folder.h"
#include "processor/mark_teller.h"
#include "processor/processor.h"
#include "processor/resolver.h"
#include "store/model_store.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace holdfast::sim {

using net::Deadline;
using net::Task;

/// One request over one connection.
struct Exchange {
    explicit Exchange(net::Loop& client_loop) : ended(client_loop, net::Event::Reset::Manual) {}
    std::optional<Result<processor::Outcome>> answer; ///< empty at the end: the connection broke
    net::Event ended;
};

/// A message of one node to another, as far as the network carries it.
using Carry = std::function<Task<processor::MarkBook::Hearing>(int to, std::string sealed)>;
using Pass = std::function<Task<processor::Outcome>(int to, core::Command, Deadline)>;

/// What all nodes share.
struct Platform {
    net::SimLoop& loop;
    Env& env;
    store::ModelStore& store;
    gateway::Connector& acquirer;
    const core::Identity& identity;
    const std::vector<core::Account>& accounts;
    processor::Options options;
    processor::FolderOptions folding;
    bool stands_in = true; ///< with command logs
    int nodes = 1;
    Carry carry;
    Pass pass;
    /// Hears what an instance is about to answer, which may get lost.
    std::function<void(int node, const processor::Outcome&)> answering;
};

class Node {
  public:
    Node(int number, Platform platform, Duration skew, Duration disk_latency_max);
    ~Node() { kill(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    void start();
    /// An orderly end, as SIGTERM: what was accepted is finished. Then kill() clears up.
    void begin_drain();
    bool drained() const { return drained_; }
    void kill();
    /// After kill(): what was not synced may be lost.
    void lose_power() { disk_.crash(platform_.env); }
    bool up() const { return processor_ != nullptr; }
    bool running() const { return process_ != nullptr; }
    void set_skew(Duration skew) { env_.set_skew(skew); }

    MemoryDisk& disk() { return disk_; }
    /// From the next start on.
    void take_over(MemoryDisk& left) { left_.push_back(&left); }
    /// Writes to its disk since the beginning.
    int disk_jobs() const { return disk_jobs_; }
    bool has_to_drain() const { return up() && processor_->payments_to_drain() > 0; }
    /// What a page would show without the database.
    processor::Here<core::PaymentIntent> find_here(Id<core::Account> account,
                                                   Id<core::PaymentIntent> payment) const {
        return up() ? processor_->find_here(account, payment) : std::nullopt;
    }
    /// Has it taken that payment without the database, which does not have it yet?
    bool holds(Id<core::Account> account, Id<core::PaymentIntent> payment);
    /// Steps in its log that nobody has settled; it must not run.
    Result<std::size_t> left_in_log();
    /// What its log says just now, whether it runs or not.
    Result<std::map<processor::StepNumber, processor::LoggedStep>> read_log();

    /// Hears from another node what that one holds.
    Result<processor::MarkBook::Hearing> hear(std::string_view sealed);
    /// Has it been told of a payment that another one holds?
    bool told_of(Id<core::Account> account, Id<core::PaymentIntent> payment) const {
        return marks_ && marks_->book.find({account, payment.uuid()}) != nullptr;
    }
    /// Serves a request of a client, or of another node for its own; false when nobody listens.
    enum class Of : std::uint8_t { Client, Node };
    bool serve(core::Command command, Duration patience, std::shared_ptr<Exchange> exchange,
               Of of = Of::Client);

  private:
    /// What others hold and are told.
    struct Marks {
        Marks(Node& node, net::Loop& loop);
        processor::MarkBook book;
        processor::MarkCipher cipher;
        processor::MarkTeller teller;
    };
    std::vector<processor::Peer> peers();

    Task<void> bring_up();
    Task<void> drain();
    Task<void> end_orderly();
    Task<void> do_disk_job(Offload::Job job);
    Result<processor::CommandLogs> open_logs();
    Result<std::unique_ptr<processor::CommandLog>> open_log(MemoryDisk& disk, net::Loop& loop);
    const core::Account* account(Id<core::Account> id) const;
    Task<void> handle(core::Command command, Deadline deadline, std::shared_ptr<Exchange> exchange,
                      Of of);

    int number_;
    Platform platform_;
    SkewedEnv env_;
    Duration disk_latency_max_;
    MemoryDisk disk_;
    std::vector<MemoryDisk*> left_;
    Offload offload_;
    int disk_jobs_ = 0;
    std::unique_ptr<net::SimProcess> process_;
    std::unique_ptr<net::Gate> requests_, lifecycle_;
    bool drained_ = false;
    std::optional<gateway::BreakingConnector> connector_;
    std::optional<Marks> marks_;
    std::unique_ptr<processor::Processor> processor_;
    std::unique_ptr<processor::Resolver> resolver_;
    std::unique_ptr<processor::Folder> folder_;
};

} // namespace holdfast::sim
