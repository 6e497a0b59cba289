#pragma once

// One connection of an HttpServer. Internal to net/: the server makes them, each in a task of the
// server's gate.

#include "net/http_server.h"
#include "net/http_stream.h"
#include "net/timer.h"

#include <memory>
#include <string>

namespace holdfast::net {

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
    ListHook idle;        ///< between two requests, longest idle first
    bool draining = false;
    std::int64_t date_second = -1; ///< of date_line
    std::string date_line;
};

/// Registers the numbers of `state`.
void export_stats(Registry& registry, std::shared_ptr<HttpServerState> state, std::string name);

/// Its place among the idle connections.
class HttpConnection;
struct HttpIdleHook : ListHook {
    explicit HttpIdleHook(HttpConnection& c) : connection(c) {}
    HttpConnection& connection;
};

class HttpConnection : public ListHook {
  public:
    HttpConnection(std::shared_ptr<HttpServerState> state, TcpSocket socket, std::string peer);
    ~HttpConnection();

    /// Serves requests until the connection ends.
    static Task<void> run(std::unique_ptr<HttpConnection> self);
    /// Answers 503 and ends.
    static Task<void> turn_away(std::unique_ptr<HttpConnection> self);

    void stop() { stream_.stop(); }

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
    HttpIdleHook idle_;
    std::string peer_;
    std::string out_;
    std::size_t body_bytes_ = 0; ///< of this connection in state_->bodies
    unsigned in_a_row_ = 0;      ///< requests served without waiting for one
};

} // namespace holdfast::net
