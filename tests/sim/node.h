#pragma once

// Node: one instance of `serve` that can be killed between any two steps and started again.
//
// It has a loop, a wall clock, a breaker before the acquirer, a processor, a resolver and a folder
// of its own. kill() destroys every coroutine in it at once; what it had sent to the acquirer
// arrives all the same, what it had not committed is gone, its locks are free. A request is served
// in the node's loop; the exchange tells the client the answer, or that the connection broke.

#include "dice.h"

#include "base/skewed_env.h"
#include "core/identity.h"
#include "gateway/breaking_connector.h"
#include "gateway/sim_acquirer.h"
#include "net/sim_loop.h"
#include "net/timer.h"
#include "processor/folder.h"
#include "processor/processor.h"
#include "processor/resolver.h"
#include "store/model_store.h"

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

/// What all nodes share.
struct Platform {
    net::SimLoop& loop;
    Env& env;
    store::ModelStore& store;
    gateway::SimAcquirer& acquirer;
    const core::Identity& identity;
    const std::vector<core::Account>& accounts;
    processor::Options options;
    processor::FolderOptions folding;
};

class Node {
  public:
    Node(Platform platform, Duration skew) : platform_(platform), env_(platform.env, skew) {}
    ~Node() { kill(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    void start();
    /// An orderly end, as SIGTERM: what was accepted is finished. Then kill() clears up.
    void begin_drain();
    bool drained() const { return drained_; }
    void kill();
    bool up() const { return processor_ != nullptr; }
    bool running() const { return process_ != nullptr; }
    void set_skew(Duration skew) { env_.set_skew(skew); }

    /// Serves a request; false when nobody listens.
    bool serve(core::Command command, Duration patience, std::shared_ptr<Exchange> exchange);

  private:
    Task<void> bring_up();
    Task<void> drain();
    const core::Account* account(Id<core::Account> id) const;
    Task<void> handle(core::Command command, Deadline deadline, std::shared_ptr<Exchange> exchange);

    Platform platform_;
    SkewedEnv env_;
    std::unique_ptr<net::SimProcess> process_;
    std::unique_ptr<net::Gate> requests_, lifecycle_;
    bool drained_ = false;
    std::optional<gateway::BreakingConnector> connector_;
    std::unique_ptr<processor::Processor> processor_;
    std::unique_ptr<processor::Resolver> resolver_;
    std::unique_ptr<processor::Folder> folder_;
};

} // namespace holdfast::sim
