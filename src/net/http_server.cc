#include "net/http_server.h"

#include "base/log.h"
#include "net/client_network.h"
#include "net/gate.h"
#include "net/http_connection.h"
#include "net/timer.h"
#include "net/waiter.h"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <cerrno>

#include <sys/socket.h>

namespace holdfast::net {

namespace {

using boost::system::error_code;

/// Connections above the limit that get an answer rather than a slammed door.
constexpr std::size_t turn_away_headroom = 64;
/// After an accept that failed for want of descriptors or memory.
constexpr Duration accept_retry = std::chrono::milliseconds{50};

/// While full: at most this many connections, then so long none, 4,000 a second.
constexpr std::size_t accepts_between_pauses = 16;
constexpr Duration accept_pause = std::chrono::milliseconds{4};

constexpr std::size_t min_head_bytes = 1024;
constexpr HttpProblem server_full{503, "too_many_connections", "The server is full; try again."};
constexpr HttpProblem too_many_from_there{
    429, "rate_limit", "Too many connections are open from this address; try again."};

Error socket_error(std::string_view what, const error_code& ec) {
    return {.kind = ErrorClass::Io,
            .code = "listen_failed",
            .message = fmt::format("{}: {}", what, ec.message())};
}

Result<TcpAcceptor> listen(Loop& loop, const HttpServerOptions& options) {
    error_code ec;
    auto address = asio::ip::make_address(options.address, ec);
    if (ec) return fail(socket_error("'" + options.address + "' is not a numeric address", ec));
    asio::ip::tcp::endpoint endpoint(address, options.port);
    std::string name = fmt::format("listening on {} port {}", options.address, options.port);

    TcpAcceptor acceptor(loop.get_executor());
    acceptor.open(endpoint.protocol(), ec);
    if (ec) return fail(socket_error(name, ec));
    acceptor.set_option(TcpAcceptor::reuse_address(true), ec);
    if (!ec && address.is_v6()) acceptor.set_option(asio::ip::v6_only(false), ec);
    if (!ec && options.reuse_port) {
        int on = 1;
        if (setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
            ec.assign(errno, boost::system::system_category());
        }
    }
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(options.backlog, ec);
    if (ec) return fail(socket_error(name, ec));
    return acceptor;
}

} // namespace

HttpResponse render_plain_error(const HttpProblem& problem) {
    // Codes and messages of this folder and of Error: no character that JSON would have to escape
    // but quotes, backslashes and controls.
    auto escaped = [](std::string_view text) {
        std::string out;
        for (char c : text) {
            if (c == '"' || c == '\\') out += '\\';
            out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
        return out;
    };
    HttpResponse response;
    response.status = problem.status;
    response.headers.add("Content-Type", "application/json");
    response.body = fmt::format(R"({{"error":{{"code":"{}","message":"{}"}}}})"
                                "\n",
                                escaped(problem.code), escaped(problem.message));
    return response;
}

int status_of(ErrorClass kind) {
    switch (kind) {
        case ErrorClass::Invalid: return 400;
        case ErrorClass::Auth: return 401;
        case ErrorClass::Declined: return 402;
        case ErrorClass::Forbidden: return 403;
        case ErrorClass::NotFound: return 404;
        case ErrorClass::Conflict: return 409;
        case ErrorClass::Overload:
        case ErrorClass::Deadline:
        case ErrorClass::Unavailable: return 503;
        case ErrorClass::Unknown:
        case ErrorClass::Io:
        case ErrorClass::Bug: break;
    }
    return 500;
}

struct HttpServer::Impl {
    Impl(Loop& loop, TcpAcceptor a, HttpServerOptions options, HttpHandler handler)
        : acceptor(std::move(a)),
          state(std::make_shared<HttpServerState>(loop, std::move(options), std::move(handler))),
          gate(loop, "http_server") {}

    static Task<void> accept_all(std::shared_ptr<Impl> self);
    void admit(TcpSocket socket, std::string peer);
    bool evict(const std::string* network);
    bool network_full(const std::string& peer);
    Task<void> rest_when_full();
    void stop_all();
    void stop_idle();

    TcpAcceptor acceptor;
    std::shared_ptr<HttpServerState> state;
    std::size_t accepted_when_full = 0; ///< since the last pause
    Gate gate;
};

namespace {
/// Without the form that IPv4 has on a socket for both.
std::string numeric(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}
} // namespace

Task<void> HttpServer::Impl::accept_all(std::shared_ptr<Impl> self) {
    TcpAcceptor& acceptor = self->acceptor;
    while (!self->state->draining) {
        asio::ip::tcp::endpoint peer;
        TcpSocket socket(acceptor.get_executor());
        auto [ec] = co_await acceptor.async_accept(socket, peer, asio::as_tuple(asio::deferred));
        if (self->state->draining || ec == asio::error::operation_aborted) break;
        if (!ec) {
            self->admit(std::move(socket), numeric(peer.address()));
            CO_TRY_VOID(co_await self->rest_when_full());
        } else if (ec != asio::error::connection_aborted) {
            log::warn("accept_failed", {{"error", ec.message()}});
            CO_TRY_VOID(co_await sleep_for(accept_retry));
        }
    }
    co_return Result<void>{};
}

/// A flood shall cost a bounded share of the time that those have who are being served.
Task<void> HttpServer::Impl::rest_when_full() {
    if (state->stats.connections < state->options.max_connections) {
        accepted_when_full = 0;
    } else if (++accepted_when_full >= accepts_between_pauses) {
        accepted_when_full = 0;
        ++state->stats.accept_pauses;
        co_return co_await sleep_for(accept_pause);
    }
    co_return Result<void>{};
}

void HttpServer::Impl::admit(TcpSocket socket, std::string peer) {
    HttpServerStats& stats = state->stats;
    ++stats.accepted;
    std::size_t limit = state->options.max_connections;
    if (stats.connections >= limit + turn_away_headroom) {
        ++stats.over_limit;
        return; // the socket closes itself
    }
    const bool full = stats.connections >= limit && !evict(nullptr);
    const bool crowded = !full && network_full(peer);
    auto connection = std::make_unique<HttpConnection>(state, std::move(socket), std::move(peer));
    if (full) ++stats.over_limit;
    if (crowded) ++stats.over_network_limit;
    auto task = full || crowded
                    ? HttpConnection::turn_away(std::move(connection),
                                                full ? server_full : too_many_from_there)
                    : HttpConnection::run(std::move(connection));
    (void)gate.spawn(std::move(task)); // refused only when closing, where closing it is right
}

/// Makes room for another connection, if somebody can be spared.
bool HttpServer::Impl::evict(const std::string* network) {
    HttpConnection* victim = state->least_needed(network);
    if (victim == nullptr) return false;
    victim->stop();
    ++state->stats.evicted;
    return true;
}

bool HttpServer::Impl::network_full(const std::string& peer) {
    const std::size_t limit = state->options.connections_per_network;
    if (limit == 0) return false;
    const std::string network = client_network(peer);
    auto open = state->networks.find(network);
    return open != state->networks.end() && open->second >= limit && !evict(&network);
}

void HttpServer::Impl::stop_all() {
    ListHook& all = state->connections;
    for (ListHook* hook = all.next(); hook != &all; hook = hook->next())
        static_cast<HttpConnection*>(hook)->stop();
}

/// Those of which no request has begun to arrive.
void HttpServer::Impl::stop_idle() {
    for (ListHook* list : {&state->newcomers, &state->idle}) {
        for (ListHook* hook = list->next(); hook != list;) {
            HttpConnection& connection = static_cast<HttpWaitHook*>(hook)->connection;
            hook = hook->next(); // stop() takes it off the list
            if (!connection.receiving()) connection.stop();
        }
    }
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
    error_code ignored;
    impl_->state->draining = true;
    impl_->acceptor.close(ignored);
    impl_->stop_all();
}

Result<std::unique_ptr<HttpServer>> HttpServer::create(Loop& loop, HttpServerOptions options,
                                                       HttpHandler handler) {
    const HttpLimits& limits = options.limits;
    if (limits.head_bytes < min_head_bytes || limits.target_bytes > limits.head_bytes ||
        limits.header_count == 0 || options.max_connections == 0) {
        return fail(ErrorClass::Invalid, "http_limits",
                    "The limits of the HTTP server make no sense.");
    }
    TRY(TcpAcceptor acceptor, listen(loop, options));
    auto impl =
        std::make_shared<Impl>(loop, std::move(acceptor), std::move(options), std::move(handler));
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::start() {
    auto spawned = impl_->gate.spawn(Impl::accept_all(impl_));
    CHECK_MSG(spawned.has_value(), "start() after drain()");
}

std::uint16_t HttpServer::port() const {
    error_code ec;
    return impl_->acceptor.local_endpoint(ec).port();
}

const HttpServerStats& HttpServer::stats() const { return impl_->state->stats; }

void HttpServer::observe(Registry& registry, const std::string& name) const {
    export_stats(registry, impl_->state, name);
}

Task<void> HttpServer::drain(Deadline deadline) {
    auto impl = impl_;
    HttpServerState& state = *impl->state;
    state.draining = true;
    error_code ignored;
    impl->acceptor.close(ignored);
    if (state.stats.requests_running > 0) {
        CO_TRY_VOID(co_await state.requests_done.wait(deadline));
    }
    impl->stop_idle();
    co_return co_await impl->gate.close(deadline);
}

} // namespace holdfast::net
