#pragma once

// Relay: stands between the two database servers of a platform and everybody who talks to them, and
// can cut who it is told off from whom it is told, as a network does that drops every packet.
//
// The embedded pair is on one machine and on unix sockets, which no packet filter reaches. So the
// relay takes the place of their files: it gives the socket of a server another name and listens
// at the old one itself. Whoever connects by name (serve, the keeper of `holdfast up`, the standby,
// pg_rewind) connects to it, and it forwards bytes. A server that is started again makes its socket
// anew; within door_check the relay is in front of it once more. Who is on the other end the kernel
// says (SO_PEERCRED), and /proc what that process is.
//
//   Relay relay(loop, platform.data() + "/run");
//   TRY_VOID(relay.start());
//   relay.cut(Party::Serve, Node::A);
//   ...
//   relay.held(Party::Serve, Node::A).bytes      // wait to get through
//   relay.mend();
//
// Cut means silence: nobody is told. Bytes wait in the kernel and here, and so do closings; new
// connections are taken and get no answer. Once mended all of it arrives, in order, however late
// that is: as with TCP, where a peer that gave up long ago may still be heard of.
//
// Nothing is cut that was connected before start(): the caller ends those sessions.
//
// Needs no privileges beyond those of the platform's owner. Limits: buffer_bytes for each
// direction of a connection. Thread: that of the Loop, which may outlive the relay.

#include "db/embedded_cluster.h"
#include "net/task.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::drill {

/// Who connects to a server.
enum class Party : std::uint8_t {
    Serve,  ///< a process that takes payments, or does their background work
    Server, ///< the other database: replication, and what makes a standby
    Keeper, ///< `holdfast up`
    Other,  ///< the drill, commands
};
constexpr Party last_enumerator(Party) { return Party::Other; }

/// What a command line belongs to: its words, or the title that PostgreSQL puts in their place.
Party party_of(const std::vector<std::string>& words);

class Relay {
  public:
    static constexpr std::size_t buffer_bytes = 64 << 10;
    static constexpr Duration door_check = std::chrono::milliseconds{20};

    /// `directory`: where the sockets are.
    Relay(net::Loop& loop, std::string directory);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    /// Errors: Io "relay_socket".
    Result<void> start();
    void cut(Party party, db::Node server);
    /// All of them.
    void mend();

    struct Held {
        std::size_t connections = 0;
        std::size_t bytes = 0; ///< that wait, in both directions
    };
    /// Of those connections now.
    Held held(Party party, db::Node server) const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace holdfast::drill
