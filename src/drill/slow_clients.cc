#include "drill/slow_clients.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::drill {

namespace {

constexpr std::size_t addresses = 8; ///< 127.0.1.1 and on
constexpr std::string_view head = "POST /v1/payment_intents HTTP/1.1\r\nHost: slow\r\nX-Slow: ";
constexpr std::string_view head_with_body =
    "POST /v1/payment_intents HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n";

Error io_error(std::string_view what) {
    return {.kind = ErrorClass::Io,
            .code = "slow_client",
            .message = fmt::format("can't {}: {}", what, std::strerror(errno))};
}

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(host);
    return address;
}

} // namespace

SlowClients::~SlowClients() {
    for (const int socket : sockets_)
        if (socket >= 0) ::close(socket);
}

/// Blocks until the kernel has connected it, which on this machine is at once.
Result<void> SlowClients::connect_one(std::size_t number) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(io_error("make a socket"));
    const auto own = static_cast<std::uint32_t>(1 + number % addresses);
    const sockaddr_in from = address_of(0x7f000100U | own, 0);
    const sockaddr_in to = address_of(INADDR_LOOPBACK, port_);
    const std::string_view begin = number % 2 == 0 ? head : head_with_body;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
        ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::send(fd, begin.data(), begin.size(), MSG_NOSIGNAL) < 0) {
        auto error = io_error("connect");
        ::close(fd);
        return fail(std::move(error));
    }
    sockets_[number] = fd;
    ++counts_.held;
    ++counts_.connected;
    return {};
}

Result<void> SlowClients::connect() {
    for (std::size_t i = 0; i < sockets_.size(); ++i) TRY_VOID(connect_one(i));
    return {};
}

void SlowClients::drop(std::size_t number) {
    ::close(sockets_[number]);
    sockets_[number] = -1;
    --counts_.held;
    ++counts_.cut;
}

/// An answer (408) is followed by the end.
bool SlowClients::was_cut(int socket) const {
    std::array<char, 512> answer;
    const ssize_t got = ::recv(socket, answer.data(), answer.size(), MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void SlowClients::drip() {
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if (sockets_[i] < 0 && !connect_one(i)) continue; // turned away: next time
        if (was_cut(sockets_[i]))
            drop(i);
        else if (::send(sockets_[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
            ++counts_.bytes;
    }
}

} // namespace holdfast::drill
