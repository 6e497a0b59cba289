#pragma once

// Topology: watches every server of the database URL and opens connections to the proven primary.
//
// Each server is looked at over a connection of its own, all at the same time, each look with a
// hard deadline: a frozen server answers the TCP handshake and nothing else, and a client that goes
// through a list of hosts one after another never gets past it. What was seen goes into a
// ClusterView, which says who may be written. Servers are looked at every `interval`; every
// `interval_in_doubt` while no primary is reachable and for a while after suspect().
//
// connect() waits, within its deadline, until there is a primary, connects to it and checks on the
// new session that it takes writes. When another server becomes the primary every connection to
// the old one is severed: what waits for it ends at once, as if the network had broken, and is
// decided by the usual rules (connection.h). What the server says about its own end (57P01 to
// 57P03), a session that turns out to be read-only (25006) and lost connections (08xxx) call
// suspect() by themselves.
//
// A commit waits for a silent primary as long as its deadline allows: what became of it is known
// there. A read has no reason to: when nobody takes writes for `read_patience`, what only reads is
// severed (tests/chaos/database_gate.test.mjs).
//
// connect_standby() opens a session for reading with a server that follows; it is severed when that
// one is no standby any more. What a standby shows may be old: it is for display (store/
// shown_reads.h), never for a decision.
//
//   Topology topology(loop, registry, servers_of(loop, offload, options), {});
//   topology.start();
//   Pool pool(loop, registry, {}, limits, topology.connector());
//   ...
//   co_await topology.stop(deadline);        // after the pools are closed
//
// A URL with one host is a topology of one: the checks are the same.
//
// Thread: that of the Loop. Outlives the pools and connections that it opened. Metrics:
// holdfast_db_server_standing{server,standing}, holdfast_db_primary_changes_total,
// holdfast_db_probe_seconds.

#include "base/metrics.h"
#include "db/cluster_view.h"
#include "db/pool.h"
#include "net/gate.h"
#include "net/timer.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::db {

/// One server: how it is called, and how it is looked at and connected to.
class Server {
  public:
    virtual ~Server() = default;
    virtual std::string name() const = 0; ///< for logs and metrics; no secrets
    virtual Task<Sighting> look(Deadline deadline) = 0;
    /// A session that takes writes; an Error when this server doesn't.
    virtual Task<std::unique_ptr<Connection>> connect(Deadline deadline) = 0;
    /// A session that reads, whatever the server is.
    virtual Task<std::unique_ptr<Connection>> connect_to_read(Deadline deadline) = 0;
    /// Ends the connection for looking.
    virtual Task<void> close(Deadline deadline) = 0;
};

/// The servers that a URL names. `offload` outlives them.
std::vector<std::unique_ptr<Server>> servers_of(Loop& loop, Offload& offload,
                                                const ConnectOptions& options);

struct TopologyOptions {
    Duration interval = std::chrono::seconds{1};
    Duration interval_in_doubt = std::chrono::milliseconds{100};
    Duration look_timeout = std::chrono::milliseconds{500};
    Duration doubt = std::chrono::seconds{3}; ///< so long after suspect()
    /// So long what only reads waits for servers of which none takes writes.
    Duration read_patience = std::chrono::seconds{2};
};

class Topology {
  public:
    Topology(Loop& loop, Registry& metrics, std::vector<std::unique_ptr<Server>> servers,
             TopologyOptions options);
    ~Topology();

    void start();
    Task<void> stop(Deadline deadline);

    const ClusterView& view() const { return view_; }
    /// Somebody has met an error that could mean that the primary is gone: look now.
    void suspect();

    /// Who is told of damaged data (is_damage), which says nothing about the server as a whole.
    void on_damage(std::function<void(const Error&)> tell) { on_damage_ = std::move(tell); }

    /// Errors: Unavailable "no_primary" when there was none before the deadline; those of
    /// db::connect().
    Task<std::unique_ptr<Connection>> connect(Deadline deadline);
    Pool::Connect connector();
    /// Errors: Unavailable "no_standby", at once; those of db::connect().
    Task<std::unique_ptr<Connection>> connect_standby(Deadline deadline);
    Pool::Connect standby_connector();
    /// Somebody follows who answered lately.
    bool has_standby() const { return standby().has_value(); }

  private:
    class Tracked;
    struct Watched;

    Task<void> watch(std::size_t server);
    void note(std::size_t server, Result<Sighting> seen);
    void sever_wrong_ones();
    bool is_wrong(const Tracked& connection) const;
    bool in_doubt() const;
    std::optional<std::size_t> standby() const;
    Error no_primary() const;

    TopologyOptions options_;
    std::vector<std::unique_ptr<Watched>> watched_;
    ClusterView view_;
    Counter& changes_;
    Histogram& looks_;
    std::function<void(const Error&)> on_damage_;
    MonoTime doubtful_until_;
    MonoTime writable_at_;     ///< somebody was seen to take writes, last
    net::Event primary_found_; ///< set while there is one
    net::ListHook tracked_;
    net::Gate gate_;
};

} // namespace holdfast::db
