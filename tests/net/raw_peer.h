#pragma once

// The other end of a connection, byte by byte: blocking sockets on the thread of the test, so that
// a test can send what no decent client or server would.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast::net::test {

class RawSocket {
  public:
    explicit RawSocket(int fd = -1) : fd_(fd) {}
    RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    RawSocket& operator=(RawSocket&& other) noexcept;
    ~RawSocket();

    /// `from`: the address that the peer sees, any of 127.0.0.0/8.
    static RawSocket connect(std::uint16_t port, std::string_view from = "127.0.0.1");

    /// False when the peer has closed.
    bool send(std::string_view bytes);
    /// Reads until the peer closes, `stop` has been seen, or `patience_ms` have passed in silence.
    std::string receive(std::string_view stop = {}, int patience_ms = 5000);
    /// One answer with its body, by Content-Length.
    std::string receive_response();
    /// The peer has closed or reset the connection.
    bool closed(int patience_ms = 5000);
    void finish_sending();
    void reset(); ///< closes with RST
    bool valid() const { return fd_ >= 0; }

  private:
    int fd_;
    std::string ahead_; ///< received after what was asked for
};

class RawListener {
  public:
    RawListener();
    ~RawListener();
    RawListener(const RawListener&) = delete;
    RawListener& operator=(const RawListener&) = delete;
    std::uint16_t port() const { return port_; }
    RawSocket accept(int patience_ms = 5000);

  private:
    int fd_;
    std::uint16_t port_ = 0;
};

/// The status of an answer, 0 when there is none.
int status_in(std::string_view response);

} // namespace holdfast::net::test
