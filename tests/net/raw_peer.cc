#include "raw_peer.h"

#include "base/result.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cstdlib>

namespace holdfast::net::test {

namespace {
sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}
bool readable(int fd, int patience_ms) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, patience_ms) == 1;
}
} // namespace

RawSocket& RawSocket::operator=(RawSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(ahead_, other.ahead_);
    return *this;
}

RawSocket::~RawSocket() {
    if (fd_ >= 0) ::close(fd_);
}

RawSocket RawSocket::connect(std::uint16_t port, std::string_view from) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (from != "127.0.0.1") {
        sockaddr_in own = loopback(0);
        CHECK(inet_pton(AF_INET, std::string(from).c_str(), &own.sin_addr) == 1);
        CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
    }
    sockaddr_in address = loopback(port);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return RawSocket();
    }
    return RawSocket(fd);
}

bool RawSocket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::string RawSocket::receive(std::string_view stop, int patience_ms) {
    std::string got = std::exchange(ahead_, {});
    for (;;) {
        if (!stop.empty()) {
            std::size_t at = got.find(stop);
            if (at != std::string::npos) {
                ahead_ = got.substr(at + stop.size());
                got.resize(at + stop.size());
                return got;
            }
        }
        char buffer[16384];
        if (!readable(fd_, patience_ms)) return got;
        ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n <= 0) return got;
        got.append(buffer, static_cast<std::size_t>(n));
    }
}

std::string RawSocket::receive_response() {
    std::string head = receive("\r\n\r\n");
    std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    std::size_t length = std::strtoul(head.c_str() + at + 16, nullptr, 10);
    while (ahead_.size() < length) {
        char buffer[16384];
        if (!readable(fd_, 5000)) break;
        ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n <= 0) break;
        ahead_.append(buffer, static_cast<std::size_t>(n));
    }
    std::string body = ahead_.substr(0, length);
    ahead_.erase(0, body.size());
    return head + body;
}

bool RawSocket::closed(int patience_ms) {
    if (!readable(fd_, patience_ms)) return false;
    char byte;
    return ::recv(fd_, &byte, 1, 0) <= 0;
}

void RawSocket::finish_sending() { ::shutdown(fd_, SHUT_WR); }

void RawSocket::reset() {
    linger option{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &option, sizeof option);
    ::close(std::exchange(fd_, -1));
}

RawListener::RawListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    CHECK(fd_ >= 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(::listen(fd_, 64) == 0);
    CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { ::close(fd_); }

RawSocket RawListener::accept(int patience_ms) {
    if (!readable(fd_, patience_ms)) return RawSocket();
    return RawSocket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

int status_in(std::string_view response) {
    if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
    return std::atoi(std::string(response.substr(9, 3)).c_str());
}

} // namespace holdfast::net::test
