#pragma once

// SocketWatch: lets a coroutine wait until a socket that libpq owns can be read or written.
//
// The descriptor is only watched, never closed: release() before libpq may close or replace it
// (during PQconnectPoll it does, and may get the same number again), or before the loop goes on
// after it did (PQconsumeInput does, when the server has gone): who opens the next one gets its
// number, and would be forgotten by the loop when it is released here.
//
// wait() answers true when the socket may be ready (also spuriously: ask libpq again), false when
// the deadline passed; Error "cancelled". One waiter at a time. Thread: that of the Loop.

#include "net/deadline.h"
#include "net/task.h"

#include <memory>

namespace holdfast::db {

enum class Direction : std::uint8_t { Read, ReadOrWrite };

class SocketWatch {
  public:
    explicit SocketWatch(net::Loop& loop);
    ~SocketWatch();
    SocketWatch(const SocketWatch&) = delete;
    SocketWatch& operator=(const SocketWatch&) = delete;

    /// Error "socket_closed" for -1, which libpq says when it has none.
    Result<void> watch(int descriptor);
    void release();

    net::Task<bool> wait(Direction direction, net::Deadline deadline);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace holdfast::db
