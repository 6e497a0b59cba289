#pragma once

// Readiness: can this process take a payment now? Asked by load balancers and by `up`.
//
// A probe of its own asks the database every 200 ms with a deadline of 400 ms, so that the answer
// to /readyz is never older than 600 ms and never waits for a database that hangs. Not ready while
// draining. Liveness (/livez) does not look at the database: restarting a process cures no
// database.
//
// Thread: that of the loop.

#include "net/gate.h"
#include "net/http_message.h"
#include "net/task.h"
#include "store/store.h"

#include <string>

namespace holdfast::app {

class Readiness {
  public:
    static constexpr Duration probe_interval = std::chrono::milliseconds{200};
    static constexpr Duration probe_timeout = std::chrono::milliseconds{400};

    Readiness(net::Loop& loop, store::Store& store);

    void start();
    /// From now on not ready: connections go elsewhere while we finish what is under way.
    void begin_drain() { draining_ = true; }
    net::Task<void> stop(net::Deadline deadline);

    bool ready() const { return reachable_ && !draining_; }
    /// 200 {"ready":true} or 503 {"ready":false,"reason":...}
    net::HttpResponse readyz() const;
    static net::HttpResponse livez();

  private:
    net::Task<void> probe();
    store::Store& store_;
    net::Gate gate_;
    bool reachable_ = false;
    bool draining_ = false;
    std::string reason_ = "starting";
};

} // namespace holdfast::app
