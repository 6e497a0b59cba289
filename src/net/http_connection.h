#pragma once

// One connection of an HttpServer. Internal to net/: the server makes them, each in a task of the
// server's gate.

#include "net/http_server.h"
#include "net/http_stream.h"
#include "net/timer.h"

#include <memory>
#include <string>
#include <unordered_map>

namespace holdfast::net {

class HttpConnection;

/// The place of a connection among those that wait for their client, since when.
struct HttpWaitHook : ListHook {
    explicit HttpWaitHook(HttpConnection& c) : connection(c) {}
    void wait_in(ListHook& list) {
        unlink();
        link_before(list);
        since = MonotonicClock::now();
    }
    HttpConnection& connection;
    MonoTime since;
};

/// What connections share, and keep alive should the server be destroyed before them.
struct HttpServerState {
    HttpServerState(Loop& loop, HttpServerOptions o, HttpHandler h)
        : options(std::move(o)),
          handler(std::move(h)),
          bodies{options.bodies_bytes},
          requests_done(loop, Event::Reset::Manual) {}

    HttpServerOptions options;
    HttpHandler handler;
    HttpServerStats stats;
    HttpBodyBudget bodies;
    Event requests_done;  ///< while draining: no request is running
    ListHook connections; ///< all of them
    // Those that wait for their client, the one that waits longest first:
    ListHook newcomers;                                    ///< for their first request
    ListHook idle;                                         ///< between two requests
    ListHook reading;                                      ///< for the rest of a later request
    std::unordered_map<std::string, std::size_t> networks; ///< connections of each
    bool draining = false;
    std::int64_t date_second = -1; ///< of date_line
    std::string date_line;

    /// Who is closed first for a new connection, of all or of one network; null: nobody.
    HttpConnection* least_needed(const std::string* network) const;
};

/// Registers the numbers of `state`.
void export_stats(Registry& registry, std::shared_ptr<HttpServerState> state, std::string name);

class HttpConnection : public ListHook {
  public:
    HttpConnection(std::shared_ptr<HttpServerState> state, TcpSocket socket, std::string peer);
    ~HttpConnection();

    /// Serves requests until the connection ends.
    static Task<void> run(std::unique_ptr<HttpConnection> self);
    /// Answers with that and ends.
    static Task<void> turn_away(std::unique_ptr<HttpConnection> self, HttpProblem problem);

    void stop() {
        waiting_.unlink();
        stream_.stop();
    }
    const std::string& network() const { return network_; }
    /// A request has begun to arrive.
    bool receiving() const { return receiving_; }

  private:
    enum class Next : std::uint8_t { Continue, Close };
    struct Reply {
        bool keep_alive = false;
        bool say_keep_alive = false; ///< to HTTP/1.0, where it is not the default
        bool without_body = false;   ///< to HEAD
        bool input_unread = false;   ///< the peer may still be sending
    };

    asio::awaitable<Next> serve_one();
    asio::awaitable<Next> read_head(HttpParsed<HttpRequestHead>& head, std::size_t& head_bytes);
    asio::awaitable<Next> receive_body(const HttpRequestHead& head, HttpRequest& request);
    asio::awaitable<HttpResponse> handle(HttpRequest request);
    asio::awaitable<Next> answer(HttpResponse response, Reply reply);
    asio::awaitable<Next> refuse(HttpProblem problem);
    asio::awaitable<Next> read_failed(Io io, bool anything_read);
    void write_head(const HttpResponse& response, const Reply& reply);
    void release_body();

    std::shared_ptr<HttpServerState> state_;
    HttpStream stream_;
    HttpWaitHook waiting_;
    bool served_ = false;    ///< it has sent a whole request
    bool receiving_ = false; ///< and a part of the next
    std::string peer_, network_;
    std::string out_;
    std::size_t body_bytes_ = 0; ///< of this connection in state_->bodies
    unsigned in_a_row_ = 0;      ///< requests served without waiting for one
};

} // namespace holdfast::net
