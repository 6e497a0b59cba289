#include "db/cancel.h"

#include "db/socket_watch.h"
#include "db/wire.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace holdfast::db {
namespace {

/// Reads one decimal number after blanks; moves past it.
std::optional<std::int32_t> take_number(std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

} // namespace

std::optional<CancelKey> parse_trace_line(std::string_view line) {
    constexpr std::string_view name = "BackendKeyData";
    const std::size_t at = line.find(name);
    if (at == line.npos) return std::nullopt;
    line.remove_prefix(at + name.size());
    const auto pid = take_number(line);
    const auto secret = take_number(line);
    if (!pid || !secret) return std::nullopt;
    return CancelKey{.pid = *pid, .secret = *secret};
}

/// A FILE that libpq writes lines to and that forgets all but one of them.
struct SessionKey::Trace {
    Trace() {
        file = ::fopencookie(this, "w", {.write = &Trace::write});
        // libpq makes the stream line buffered and keeps the buffer.
        if (file) std::setvbuf(file, buffer.data(), _IOLBF, buffer.size());
    }
    ~Trace() {
        if (file) std::fclose(file);
        wipe(buffer.data(), buffer.size());
    }
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;

    static ssize_t write(void* cookie, const char* data, std::size_t size) {
        auto& self = *static_cast<Trace*>(cookie);
        if (auto key = parse_trace_line({data, size})) self.key = key;
        return static_cast<ssize_t>(size);
    }

    std::FILE* file = nullptr;
    std::array<char, 4096> buffer{};
    std::optional<CancelKey> key;
};

SessionKey::SessionKey(pg_conn* connection)
    : connection_(connection), trace_(std::make_unique<Trace>()) {
    if (trace_->file) PQtrace(connection_, trace_->file);
}

SessionKey::~SessionKey() { stop(); }

std::optional<CancelKey> SessionKey::stop() {
    if (!trace_) return std::nullopt;
    if (trace_->file) {
        PQuntrace(connection_);
        std::fflush(trace_->file);
    }
    const auto key = trace_->key;
    trace_.reset();
    return key;
}

namespace {

/// A descriptor of ours, closed at the end of its scope.
struct Socket {
    explicit Socket(int family)
        : descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
    ~Socket() {
        if (descriptor >= 0) ::close(descriptor);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    int descriptor;
};

std::unexpected<Error> cancel_failed(std::string_view step) {
    return fail(
        ErrorClass::Io, "cancel_failed",
        fmt::format("Cancelling a statement failed at {}: {}.", step, std::strerror(errno)));
}

std::string cancel_packet(CancelKey key) {
    constexpr std::int32_t size = 16, cancel_request = 80'877'102; // 1234 and 5678
    std::string packet;
    for (const std::int32_t word : {size, cancel_request, key.pid, key.secret}) {
        wire::append(packet, word);
    }
    return packet;
}

} // namespace

net::Task<void> send_cancel(net::Loop& loop, int descriptor, CancelKey key,
                            net::Deadline deadline) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* peer = reinterpret_cast<sockaddr*>(&address);
    if (::getpeername(descriptor, peer, &size) != 0) co_return cancel_failed("getpeername");
    Socket socket(address.ss_family);
    if (socket.descriptor < 0) co_return cancel_failed("socket");
    SocketWatch watch(loop); // lets go of the socket before it is closed
    if (::connect(socket.descriptor, peer, size) != 0 && errno != EINPROGRESS) {
        co_return cancel_failed("connect");
    }
    CO_TRY_VOID(watch.watch(socket.descriptor));

    std::string packet = cancel_packet(key);
    while (!packet.empty()) {
        const auto sent = ::send(socket.descriptor, packet.data(), packet.size(), MSG_NOSIGNAL);
        if (sent > 0)
            packet.erase(0, static_cast<std::size_t>(sent));
        else if (errno != EAGAIN && errno != ENOTCONN)
            co_return cancel_failed("send");
        else {
            CO_TRY(bool ready, co_await watch.wait(Direction::ReadOrWrite, deadline));
            if (!ready) co_return cancel_failed("send, in time");
        }
    }
    // The server closes after it has signalled the session.
    std::array<char, 16> nothing{};
    while (::recv(socket.descriptor, nothing.data(), nothing.size(), 0) < 0) {
        if (errno != EAGAIN) break;
        CO_TRY(bool ready, co_await watch.wait(Direction::Read, deadline));
        if (!ready) co_return cancel_failed("the server's answer, in time");
    }
    co_return Result<void>{};
}

} // namespace holdfast::db
