#include "net/http_server.h"

#include "base/log.h"
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

constexpr std::size_t min_head_bytes = 1024;

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
    void stop_all(ListHook& list);

    TcpAcceptor acceptor;
    std::shared_ptr<HttpServerState> state;
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
        } else if (ec != asio::error::connection_aborted) {
            log::warn("accept_failed", {{"error", ec.message()}});
            CO_TRY_VOID(co_await sleep_for(accept_retry));
        }
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
    bool full = stats.connections >= limit;
    if (full && !state->idle.alone()) {
        auto* longest = static_cast<HttpIdleHook*>(state->idle.next());
        longest->unlink();
        longest->connection.stop();
        ++stats.evicted_idle;
        full = false;
    }
    auto connection = std::make_unique<HttpConnection>(state, std::move(socket), std::move(peer));
    auto task = full ? HttpConnection::turn_away(std::move(connection))
                     : HttpConnection::run(std::move(connection));
    (void)gate.spawn(std::move(task)); // refused only when closing, where closing it is right
}

void HttpServer::Impl::stop_all(ListHook& list) {
    for (ListHook* hook = list.next(); hook != &list; hook = hook->next()) {
        if (&list == &state->idle)
            static_cast<HttpIdleHook*>(hook)->connection.stop();
        else
            static_cast<HttpConnection*>(hook)->stop();
    }
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
    error_code ignored;
    impl_->state->draining = true;
    impl_->acceptor.close(ignored);
    impl_->stop_all(impl_->state->connections);
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
    impl->stop_all(state.idle);
    co_return co_await impl->gate.close(deadline);
}

} // namespace holdfast::net
