#pragma once

// HttpStream: one TCP connection with its read buffer, for HttpServer and HttpClient.
//
// Every operation takes a Deadline and says how it ended (Io); a deadline that passes ends the
// operation, not the connection, so that a server can still answer 408. Not for use outside of
// net/: it includes Asio's sockets.

#include "net/deadline.h"
#include "net/http_parser.h"
#include "net/task.h"
#include "net/timer_queue.h"

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::net {

/// With the executor of the Loop as it is: the type-erased default costs on every operation.
using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Loop::executor_type>;
using TcpAcceptor = asio::basic_socket_acceptor<asio::ip::tcp, Loop::executor_type>;

enum class Io : std::uint8_t {
    Done,
    End, ///< the peer has closed
    TimedOut,
    Stopped, ///< by stop(), or the coroutine was cancelled
    Failed,  ///< reset, or whatever the system says
};

class HttpStream {
  public:
    explicit HttpStream(TcpSocket socket);

    /// Without delay of small segments, never blocking. Before the first operation.
    bool prepare();

    std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes) { begin_ += bytes; }

    /// Reads some more into the buffer, which grows up to `limit` bytes (Failed beyond).
    asio::awaitable<Io> fill(std::size_t limit, Deadline deadline);
    /// Reads into `out`, at most `bytes`, appending.
    asio::awaitable<Io> read_into(std::string& out, std::size_t bytes, Deadline deadline);
    /// Writes both, in one system call where the kernel takes it. `sent` is true as soon as a byte
    /// has gone out.
    asio::awaitable<Io> write(std::string_view head, std::string_view body, Deadline deadline,
                              bool* sent = nullptr);
    asio::awaitable<Io> connect(asio::ip::tcp::endpoint endpoint, Deadline deadline,
                                boost::system::error_code* why);
    /// Says goodbye after the last answer and waits for the peer to have read it: closing with
    /// unread input would reset the connection and take the answer away.
    asio::awaitable<void> linger(Deadline deadline);

    /// Ends the operation that is under way, and all later ones.
    void stop();
    bool stopped() const { return stopped_; }
    void close();
    /// Nothing to read and not closed by the peer: an idle connection that can be used.
    bool quiet();

    TcpSocket& socket() { return socket_; }

  private:
    Io ended(const boost::system::error_code& ec) const;
    void begin_operation(Deadline deadline);
    void end_operation();

    TcpSocket socket_;
    Alarm alarm_;
    bool late_ = false;
    bool stopped_ = false;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Memory that the bodies of many messages share. Counted as bytes arrive: what somebody announces
/// and never sends must not shut others out.
struct HttpBodyBudget {
    std::size_t limit;
    std::size_t used = 0;
};

struct HttpBodyOutcome {
    Io io = Io::Done;
    HttpParsed<void> parsed{};
    bool ok() const { return io == Io::Done && parsed.has_value(); }
};

struct HttpBodyRead {
    HttpBody kind;
    std::uint64_t length;
    std::size_t limit;
    Deadline deadline;
    /// What has come must have come by this time and a second for each `rate_min` bytes of it.
    Deadline slowest = deadline;
    std::size_t rate_min = 0; ///< 0: any rate will do
    HttpBodyBudget* budget;   ///< whoever takes `body` gives its size back
};

/// By when the next bytes of a body must be there, of which `received` are.
Deadline next_bytes_due(const HttpBodyRead& read, std::size_t received);

/// Reads the body that a head has announced.
asio::awaitable<HttpBodyOutcome> read_http_body(HttpStream& stream, HttpBodyRead read,
                                                std::string& body);

} // namespace holdfast::net
