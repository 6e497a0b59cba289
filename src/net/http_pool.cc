#include "net/http_pool.h"

#include "net/offload_await.h"

#include <fmt/format.h>

#include <netdb.h>

#include <algorithm>
#include <cstring>

namespace holdfast::net {

namespace {

using asio::ip::tcp;
using boost::system::error_code;
using Endpoints = std::vector<tcp::endpoint>;

constexpr std::size_t max_addresses = 8; ///< of one name that are tried

/// Blocks; for a worker of the Offload.
Result<Endpoints> look_up(const std::string& name, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    int failed = getaddrinfo(name.c_str(), nullptr, &hints, &found);
    if (failed != 0) {
        return fail(ErrorClass::Unavailable, "http_name_unknown",
                    fmt::format("{}: {}", name, gai_strerror(failed)));
    }
    Endpoints endpoints;
    for (addrinfo* a = found; a != nullptr && endpoints.size() < max_addresses; a = a->ai_next) {
        tcp::endpoint endpoint;
        if (a->ai_addrlen > endpoint.capacity()) continue;
        std::memcpy(endpoint.data(), a->ai_addr, a->ai_addrlen);
        endpoint.resize(a->ai_addrlen);
        endpoint.port(port);
        endpoints.push_back(endpoint);
    }
    freeaddrinfo(found);
    return endpoints;
}

Task<Endpoints> resolve(std::string name, std::uint16_t port, Offload* offload, Deadline deadline) {
    error_code ec;
    auto address = asio::ip::make_address(name, ec);
    if (!ec) co_return Endpoints{{address, port}};
    if (equals_ignoring_case(name, "localhost")) {
        co_return Endpoints{{asio::ip::address_v4::loopback(), port},
                            {asio::ip::address_v6::loopback(), port}};
    }
    if (!offload) {
        co_return fail(
            ErrorClass::Invalid, "http_name_unknown",
            "'" + name + "' is not a numeric address, and names are not looked up here.");
    }
    auto found =
        co_await offloaded(*offload, [name, port] { return look_up(name, port); }, deadline);
    if (found || found.error().kind != ErrorClass::Unknown) co_return found;
    co_return fail(ErrorClass::Unavailable, "http_name_unknown",
                   name + " was not resolved in time.");
}

} // namespace

HttpPool::HttpPool(Loop& loop, HttpClientOptions options)
    : loop_(loop), options_(options), sweeper_(loop, [this] { sweep(); }) {}

HttpPool::Lease::Lease(std::shared_ptr<HttpPool> pool, Host& host)
    : pool_(std::move(pool)), host_(host) {
    ++host_.leased;
}

HttpPool::Lease::~Lease() {
    --host_.leased;
    if (keep_)
        pool_->give_back(host_, std::move(stream));
    else
        --pool_->stats.connections;
    host_.freed.set();
    pool_->forget_if_unused(host_);
}

void HttpPool::forget_if_unused(Host& host) {
    if (host.leased > 0 || host.waiting > 0 || !host.idle.empty()) return;
    hosts_.erase({host.name, host.port});
}

Task<std::unique_ptr<HttpPool::Lease>> HttpPool::acquire(std::string name, std::uint16_t port,
                                                         bool fresh, Deadline deadline) {
    Host& host = hosts_.try_emplace({name, port}, loop_, name, port).first->second;
    CO_TRY_VOID(co_await wait_turn(host, deadline));
    auto lease = std::make_unique<Lease>(shared_from_this(), host);
    if (fresh && host.leased + host.idle.size() > options_.connections_per_host) {
        drop(host.idle.front());
        host.idle.erase(host.idle.begin());
    }
    if (!fresh) lease->stream = take_idle(host);
    lease->reused = lease->stream != nullptr;
    if (!lease->reused) {
        ++stats.connections; // the lease takes it back
        CO_TRY(lease->stream, co_await connect(host, deadline));
    }
    co_return lease;
}

/// Returns when this request may lease one of the host's connections.
Task<void> HttpPool::wait_turn(Host& host, Deadline deadline) {
    auto all_leased = [&] { return host.leased >= options_.connections_per_host; };
    // Who comes now goes behind those who wait, though one of them may just have been called.
    bool must_wait = all_leased() || host.waiting > 0;
    if (!must_wait) co_return Result<void>{};
    if (host.waiting >= options_.waiting_per_host) {
        co_return fail(ErrorClass::Overload, "http_queue_full",
                       fmt::format("Too many requests wait for {}:{}.", host.name, host.port));
    }
    ++host.waiting;
    ++stats.waiting;
    Result<bool> called = true;
    do {
        called = co_await host.freed.wait(deadline);
    } while (called && *called && all_leased());
    --host.waiting;
    --stats.waiting;
    if (!called) co_return std::unexpected(called.error());
    if (!*called) {
        co_return fail(ErrorClass::Deadline, "http_no_connection",
                       fmt::format("All connections to {}:{} stayed busy.", host.name, host.port));
    }
    // More may be free than the one that called us: pass it on.
    if (host.leased + 1 < options_.connections_per_host && host.waiting > 0) host.freed.set();
    co_return Result<void>{};
}

std::unique_ptr<HttpStream> HttpPool::take_idle(Host& host) {
    while (!host.idle.empty()) {
        Host::Idle last = std::move(host.idle.back());
        host.idle.pop_back();
        --stats.idle;
        bool young = MonotonicClock::now() - last.since < options_.idle_timeout;
        if (young && last.stream->quiet()) return std::move(last.stream);
        --stats.connections;
    }
    return nullptr;
}

Task<std::unique_ptr<HttpStream>> HttpPool::connect(Host& host, Deadline deadline) {
    CO_TRY(Endpoints endpoints, co_await resolve(host.name, host.port, options_.offload, deadline));
    error_code why = asio::error::host_not_found;
    for (const tcp::endpoint& endpoint : endpoints) {
        TcpSocket socket(loop_.get_executor());
        socket.open(endpoint.protocol(), why);
        if (why) continue;
        auto stream = std::make_unique<HttpStream>(std::move(socket));
        if (!stream->prepare()) continue;
        ++stats.connects;
        Io io = co_await stream->connect(endpoint, deadline.capped(options_.connect_timeout), &why);
        if (io == Io::Done) co_return stream;
        if (io == Io::Stopped) co_return cancelled_error();
        if (io == Io::TimedOut) why = asio::error::timed_out;
    }
    co_return fail(ErrorClass::Unavailable, "http_unreachable",
                   fmt::format("{}:{}: {}", host.name, host.port, why.message()));
}

void HttpPool::drop(Host::Idle& idle) {
    idle.stream->close();
    --stats.idle;
    --stats.connections;
}

void HttpPool::give_back(Host& host, std::unique_ptr<HttpStream> stream) {
    MonoTime now = MonotonicClock::now();
    host.idle.push_back({std::move(stream), now});
    if (++stats.idle == 1) sweeper_.set(Deadline::at(now + options_.idle_timeout));
}

void HttpPool::sweep() {
    MonoTime now = MonotonicClock::now();
    std::optional<MonoTime> next;
    for (auto at = hosts_.begin(); at != hosts_.end();) {
        Host& host = (at++)->second;
        std::erase_if(host.idle, [&](Host::Idle& idle) {
            bool old = now - idle.since >= options_.idle_timeout;
            if (old) drop(idle);
            return old;
        });
        // Those given back first come first.
        if (!host.idle.empty()) {
            MonoTime due = host.idle.front().since + options_.idle_timeout;
            next = std::min(next.value_or(due), due);
        }
        forget_if_unused(host);
    }
    if (next) sweeper_.set(Deadline::at(*next));
}

void HttpPool::close_idle() {
    for (auto& [key, host] : hosts_) {
        for (Host::Idle& idle : host.idle) drop(idle);
        host.idle.clear();
    }
    sweeper_.cancel();
}

} // namespace holdfast::net
