#pragma once

// HttpServer: HTTP/1.1 (and 1.0) on one event loop.
//
// One coroutine per connection reads a request, awaits the handler and writes the answer, one after
// the other: pipelined requests are answered in order, and an unread request waits in the kernel,
// which is the back-pressure. What the parser refuses (net/http_parser.h) is answered by the
// ErrorRenderer and the connection is closed after it.
//
//   TRY(auto server, HttpServer::create(loop, options, [&api](HttpRequest request) {
//       return api.handle(std::move(request));      // Task<HttpResponse>, a member coroutine
//   }));
//   server->start();
//   ...
//   co_await server->drain(Deadline::after(std::chrono::seconds{10}));
//
// A handler is not cancelled when its client goes away: what it began, a payment, goes on. It is
// asked to keep HttpRequest::deadline itself. An Error that it answers is rendered by class
// (status_of); an exception is a BUG and a 500.
//
// Limits: all of HttpServerOptions. Time: a head must be complete in `head_timeout` after its first
// byte (of the first request: after the connection), a body in `body_timeout`, and after
// `body_grace` at `body_rate_min` bytes a second; an answer must be taken in `write_timeout`. A
// slow reader or writer holds one connection, never more. Bodies that are being read share
// `bodies_bytes`: 503 above.
//
// Crowds: when `max_connections` are open, or `connections_per_network` by one client
// (net/client_network.h), the one that is needed least is closed for the new one: who has been
// connected for a while and never finished a request, then who has been idle longest, then who has
// been sending a request for a while. A request that is being served is never given up: when there
// is nothing else, the new connection is answered 503 or 429. While the server is full it takes
// connections at a bounded rate; the others wait in the kernel's backlog, which is bounded too.
//
// drain(): stops listening, lets running requests finish with "Connection: close", then closes idle
// connections. What still runs at the deadline is cancelled, like any task of a Gate, and its
// client is given what the handler answers to that.
//
// Thread: that of the Loop. The server outlives neither the Loop nor its handler; drain() before it
// is destroyed. Metrics: observe() exports stats() as holdfast_http_server_*{server="name"}.

#include "net/http_message.h"
#include "net/http_parser.h"
#include "net/task.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace holdfast {
class Registry;
}

namespace holdfast::net {

using HttpHandler = std::function<Task<HttpResponse>(HttpRequest)>;

/// The body (and headers such as Content-Type) of an answer that the server itself gives.
using ErrorRenderer = std::function<HttpResponse(const HttpProblem&)>;

/// {"error":{"code":"...","message":"..."}}
HttpResponse render_plain_error(const HttpProblem& problem);

/// The HTTP status for an Error of that class.
int status_of(ErrorClass kind);

struct HttpServerOptions {
    std::string address = "127.0.0.1"; ///< numeric; "::" listens on IPv4 too
    std::uint16_t port = 0;            ///< 0: any free one, see port()
    bool reuse_port = false;           ///< several processes may listen on one port
    int backlog = 1024;

    HttpLimits limits;
    std::size_t max_connections = 4096;
    std::size_t connections_per_network = 0; ///< 0: no limit of its own
    std::size_t bodies_bytes = 256 * 1024 * 1024;

    Duration head_timeout = std::chrono::seconds{10};
    Duration body_timeout = std::chrono::seconds{30};
    Duration body_grace = std::chrono::seconds{5};
    std::size_t body_rate_min = 1024; ///< bytes a second
    Duration idle_timeout = std::chrono::seconds{75};
    Duration write_timeout = std::chrono::seconds{30};
    Duration request_timeout = std::chrono::seconds{30}; ///< HttpRequest::deadline

    ErrorRenderer render_error = render_plain_error;
};

struct HttpServerStats {
    std::size_t connections = 0;      ///< open now
    std::size_t requests_running = 0; ///< in a handler now
    std::uint64_t accepted = 0;
    std::uint64_t requests = 0;
    std::uint64_t refused_requests = 0;   ///< by the parser or a limit
    std::uint64_t timeouts = 0;           ///< of head, body, idle or write
    std::uint64_t evicted = 0;            ///< closed for a new connection
    std::uint64_t over_limit = 0;         ///< connections turned away, the server being full
    std::uint64_t over_network_limit = 0; ///< likewise, their network having too many
    std::uint64_t accept_pauses = 0;      ///< rests between connections while full
    std::uint64_t handler_bugs = 0;       ///< exceptions
};

class HttpServer {
  public:
    /// Binds and listens; connections wait in the backlog until start().
    static Result<std::unique_ptr<HttpServer>> create(Loop& loop, HttpServerOptions options,
                                                      HttpHandler handler);
    ~HttpServer();

    void start();
    std::uint16_t port() const;
    const HttpServerStats& stats() const;
    /// Exports stats(); the Registry may outlive the server.
    void observe(Registry& registry, const std::string& name) const;

    /// Error "tasks_still_running" when handlers outlived the deadline.
    Task<void> drain(Deadline deadline);

  private:
    struct Impl;
    explicit HttpServer(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

} // namespace holdfast::net
