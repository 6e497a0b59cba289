#pragma once

// Cancelling what a session of PostgreSQL is doing: a packet of 16 bytes on a second connection to
// the same address (PostgreSQL documentation, 55.2.8).
//
// Ours instead of libpq's because PQcancel of version 15 blocks, without any timeout when the
// server is frozen, which is when cancels are sent: a handful of them would use up the threads of
// Offload. It needs the secret key of the session, which libpq reads and keeps to itself; the one
// public way to it is the protocol trace, so SessionKey traces the start of the session, keeps the
// BackendKeyData line and wipes the rest (passwords pass there, too). Where that finds nothing
// (a later libpq may write it differently) there is no cancel, and statement_timeout ends the
// statement.

#include "base/secret.h"
#include "net/deadline.h"
#include "net/task.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

struct pg_conn; // libpq's PGconn

namespace holdfast::db {

struct CancelKey {
    std::int32_t pid = 0;
    std::int32_t secret = 0;
};

/// Finds BackendKeyData in libpq's trace; exposed for its test.
std::optional<CancelKey> parse_trace_line(std::string_view line);

/// Listens to the protocol between its construction and stop().
class SessionKey {
  public:
    explicit SessionKey(pg_conn* connection);
    ~SessionKey();
    SessionKey(const SessionKey&) = delete;
    SessionKey& operator=(const SessionKey&) = delete;

    std::optional<CancelKey> stop();

  private:
    struct Trace;
    pg_conn* connection_;
    std::unique_ptr<Trace> trace_;
};

/// Nobody waits longer for a server to take note: a request that the network has swallowed must not
/// keep the place of a session that is long gone.
inline constexpr Duration cancel_timeout = std::chrono::seconds{2};

/// Asks the server behind `descriptor`'s peer to cancel; returns when it has taken note. The
/// statement ends some time after that, or has ended already: nothing is certain.
net::Task<void> send_cancel(net::Loop& loop, int descriptor, CancelKey key, net::Deadline deadline);

} // namespace holdfast::db
