#include "app/port_reservation.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::app {

PortReservation::~PortReservation() {
    if (socket_ >= 0) ::close(socket_);
}

Result<PortReservation> PortReservation::create(const std::string& address, std::uint16_t port,
                                                const std::optional<UserIdentity>& user) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1)
        return fail(ErrorClass::Invalid, "address_invalid",
                    fmt::format("{} is not an IPv4 address", address));
    const int before = user ? ::setfsuid(user->uid) : -1; // owner of the new socket
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (user) ::setfsuid(static_cast<uid_t>(before));
    if (fd < 0) return fail(ErrorClass::Io, "socket_failed", std::strerror(errno));
    PortReservation reservation(fd, port);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    socklen_t size = sizeof where;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0)
        return fail(ErrorClass::Conflict, "port_in_use",
                    fmt::format("can't listen on {}:{}: {}; name another with --port, or 0 for any "
                                "free one",
                                address, port, std::strerror(errno)));
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0)
        return fail(ErrorClass::Io, "socket_failed", std::strerror(errno));
    reservation.port_ = ntohs(where.sin_port);
    return reservation;
}

} // namespace holdfast::app
