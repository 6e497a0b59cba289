#pragma once

// HttpClient: HTTP/1.1 requests over pooled keep-alive connections, for peers that may fail.
//
// What matters to a caller that moves money is what a failure means, so an Error's class says it:
//   Unavailable, Overload, Deadline, Invalid   no byte of the request has left: nothing was done
//   Unknown                                    bytes have left and no complete answer came back
// An HTTP status is an answer, not an error.
//
//   HttpClient client(loop, options);
//   CO_TRY(HttpResponse answer,
//          co_await client.request({.method = "POST", .host = "127.0.0.1", .port = 8080,
//                                   .target = "/v1/authorizations", .body = json}, deadline));
//
// A pooled connection may have been closed by the peer meanwhile. It is looked at before use; when
// the peer still closes it without a byte of answer, the request is sent once more on a new
// connection if nothing had left, or if the caller says `safe_to_resend` (the peer recognizes the
// request, by an idempotency key or because it only reads).
//
// Limits: all of HttpClientOptions; a request that finds all connections of its host busy waits its
// turn until its deadline. A response is read whole, bounded by `limits`. Redirects are answers.
//
// Names are resolved with getaddrinfo on the Offload; numeric addresses and "localhost" need none.
// Errors have codes http_*; the message names host and port. Metrics: observe() exports stats() as
// holdfast_http_client_*{client="name"}.
//
// Thread: that of the Loop. Destroying it closes idle connections; running requests finish.

#include "net/http_message.h"
#include "net/http_parser.h"
#include "net/task.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace holdfast {
class Offload;
class Registry;
} // namespace holdfast

namespace holdfast::net {

/// Where a request goes: "http://host:port/target".
struct HttpUrl {
    std::string host; ///< name or numeric address, IPv6 without brackets
    std::uint16_t port = 80;
    std::string target = "/"; ///< path and query
};

/// Error "http_url" (Invalid). Only http; no user, no fragment.
Result<HttpUrl> parse_http_url(std::string_view url);

struct HttpClientRequest {
    std::string method = "GET";
    std::string host;
    std::uint16_t port = 80;
    std::string target = "/";
    HttpHeaders headers;
    std::string body;
    bool safe_to_resend = false;
};

struct HttpClientOptions {
    HttpLimits limits{.head_bytes = 32 * 1024, .body_bytes = 4 * 1024 * 1024}; ///< of responses
    std::size_t connections_per_host = 32;
    std::size_t waiting_per_host = 4096; ///< requests that wait for a connection
    Duration connect_timeout = std::chrono::seconds{2};
    /// Shorter than what servers keep: a connection they are about to close is of no use.
    Duration idle_timeout = std::chrono::seconds{15};
    Offload* offload = nullptr; ///< for names; without it they are refused
};

struct HttpClientStats {
    std::size_t connections = 0; ///< open or being opened
    std::size_t idle = 0;
    std::size_t waiting = 0;
    std::uint64_t requests = 0;
    std::uint64_t connects = 0;
    std::uint64_t resent = 0;
    std::uint64_t unknown = 0; ///< requests that left and were not answered
};

class HttpClient {
  public:
    HttpClient(Loop& loop, HttpClientOptions options);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    Task<HttpResponse> request(HttpClientRequest request, Deadline deadline);

    const HttpClientStats& stats() const;
    /// Exports stats(); the Registry may outlive the client.
    void observe(Registry& registry, const std::string& name) const;
    void close_idle();

  private:
    struct Pool;
    std::shared_ptr<Pool> pool_;
};

} // namespace holdfast::net
