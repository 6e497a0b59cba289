#pragma once

// PortReservation: a TCP port of this machine that stays ours while services that listen on it
// (with SO_REUSEPORT) come and go. The socket is bound and never listens, so it gets no connection.
// The kernel lets only sockets of one user share a port: the reservation is made as the user that
// the services run as.

#include "base/result.h"
#include "base/subprocess.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace holdfast::app {

class PortReservation {
  public:
    /// `port` 0: any free one. Error Conflict "port_in_use".
    static Result<PortReservation> create(const std::string& address, std::uint16_t port,
                                          const std::optional<UserIdentity>& user);

    PortReservation(PortReservation&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), port_(other.port_) {}
    PortReservation& operator=(PortReservation&&) = delete;
    ~PortReservation();

    std::uint16_t port() const { return port_; }

  private:
    PortReservation(int socket, std::uint16_t port) : socket_(socket), port_(port) {}
    int socket_ = -1;
    std::uint16_t port_ = 0;
};

} // namespace holdfast::app
