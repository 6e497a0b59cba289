#pragma once

// The connections of an HttpClient, by host. Internal to net/.
//
// A Lease is the right to one connection of a host; its destructor gives the right back, and with
// it the connection when keep() said that it can be used again. Leases keep the pool alive.
// Requests that wait are served in order of arrival.

#include "net/http_client.h"
#include "net/http_stream.h"
#include "net/timer.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::net {

class HttpPool : public std::enable_shared_from_this<HttpPool> {
  public:
    HttpPool(Loop& loop, HttpClientOptions options);

    struct Host {
        Host(Loop& loop, std::string n, std::uint16_t p)
            : name(std::move(n)), port(p), freed(loop, Event::Reset::Auto) {}
        struct Idle {
            std::unique_ptr<HttpStream> stream;
            MonoTime since;
        };
        std::string name;
        std::uint16_t port;
        std::vector<Idle> idle; ///< used last, used first again
        std::size_t leased = 0;
        std::size_t waiting = 0;
        Event freed;
    };

    class Lease {
      public:
        Lease(std::shared_ptr<HttpPool> pool, Host& host);
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();

        /// The answer was complete and the connection is good for another request.
        void keep() { keep_ = true; }

        std::unique_ptr<HttpStream> stream;
        bool reused = false;

      private:
        std::shared_ptr<HttpPool> pool_;
        Host& host_;
        bool keep_ = false;
    };

    /// A lease with a connection; `fresh` never takes an idle one.
    Task<std::unique_ptr<Lease>> acquire(std::string host, std::uint16_t port, bool fresh,
                                         Deadline deadline);
    void close_idle();

    Loop& loop() { return loop_; }
    const HttpClientOptions& options() const { return options_; }
    HttpClientStats stats;

  private:
    Task<void> wait_turn(Host& host, Deadline deadline);
    Task<std::unique_ptr<HttpStream>> connect(Host& host, Deadline deadline);
    std::unique_ptr<HttpStream> take_idle(Host& host);
    void drop(Host::Idle& idle);
    void give_back(Host& host, std::unique_ptr<HttpStream> stream);
    void sweep();
    void forget_if_unused(Host& host);

    Loop& loop_;
    HttpClientOptions options_;
    std::map<std::pair<std::string, std::uint16_t>, Host> hosts_;
    Alarm sweeper_; ///< closes what has been idle for too long
};

/// Registers the numbers of `pool`.
void export_stats(Registry& registry, std::shared_ptr<HttpPool> pool, std::string name);

} // namespace holdfast::net
