#pragma once

// SlowClients: a slowloris: HTTP clients who are connected, send a request by the drop and never
// finish it. Half of them drip their head, half a body that they announced to be long.
//
//   SlowClients slow(port, 400);
//   TRY_VOID(slow.connect());
//   slow.drip();                   // now and then: a byte of each; who was cut comes again
//   slow.counts().held             // connected, and not cut so far
//
// They come from addresses of their own in 127/8, so that a limit for each client's address does
// not take them for the buyers. Nothing blocks. Sockets are closed with the object.
//
// Limits: how many there are; one byte each for a call of drip(). Thread: any one.

#include "base/result.h"

#include <cstdint>
#include <vector>

namespace holdfast::drill {

class SlowClients {
  public:
    struct Counts {
        std::size_t held = 0;       ///< connected now
        std::int64_t connected = 0; ///< ever
        std::int64_t bytes = 0;     ///< sent by the drop
        std::int64_t cut = 0;       ///< by the server, with or without an answer
    };

    SlowClients(std::uint16_t port, std::size_t count) : port_(port), sockets_(count, -1) {}
    ~SlowClients();
    SlowClients(const SlowClients&) = delete;
    SlowClients& operator=(const SlowClients&) = delete;

    /// All of them. Error Io "slow_client" when one can't be.
    Result<void> connect();
    void drip();
    const Counts& counts() const { return counts_; }

  private:
    Result<void> connect_one(std::size_t number);
    void drop(std::size_t number);
    bool was_cut(int socket) const;

    std::uint16_t port_;
    std::vector<int> sockets_; ///< -1: cut
    Counts counts_;
};

} // namespace holdfast::drill
