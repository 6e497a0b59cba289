#include "net/http_stream.h"

#include "net/waiter.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace holdfast::net {

namespace {

using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::deferred);
constexpr std::size_t first_buffer_bytes = 4 * 1024;
constexpr std::size_t body_read_bytes = 64 * 1024; ///< at a time
constexpr std::size_t chunked_buffer_bytes = 16 * 1024;
constexpr std::size_t linger_bytes = 256 * 1024; ///< read and dropped, at most

} // namespace

HttpStream::HttpStream(TcpSocket socket)
    : socket_(std::move(socket)),
      alarm_(static_cast<Loop&>(socket_.get_executor().context()), [this] {
          late_ = true;
          error_code ignored;
          socket_.cancel(ignored);
      }) {}

bool HttpStream::prepare() {
    error_code ec;
    socket_.non_blocking(true, ec);
    if (ec) return false;
    socket_.set_option(asio::ip::tcp::no_delay(true), ec);
    return !ec;
}

void HttpStream::begin_operation(Deadline deadline) {
    late_ = false;
    alarm_.set(deadline);
}

void HttpStream::end_operation() { alarm_.cancel(); }

Io HttpStream::ended(const error_code& ec) const {
    if (stopped_) return Io::Stopped;
    if (!ec) return Io::Done;
    if (late_) return Io::TimedOut;
    if (ec == asio::error::operation_aborted) return Io::Stopped;
    if (ec == asio::error::eof) return Io::End;
    return Io::Failed;
}

asio::awaitable<Io> HttpStream::fill(std::size_t limit, Deadline deadline) {
    if (stopped_) co_return Io::Stopped;
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == buffer_.size()) {
        if (begin_ > 0) {
            std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        } else {
            std::size_t size = std::max(first_buffer_bytes, buffer_.size() * 2);
            size = std::min(size, limit);
            if (size <= buffer_.size()) co_return Io::Failed;
            buffer_.resize(size);
        }
    }
    begin_operation(deadline);
    auto [ec, bytes] = co_await socket_.async_read_some(
        asio::buffer(buffer_.data() + end_, buffer_.size() - end_), as_result);
    end_operation();
    end_ += bytes;
    co_return ended(ec);
}

asio::awaitable<Io> HttpStream::read_into(std::string& out, std::size_t bytes, Deadline deadline) {
    if (stopped_) co_return Io::Stopped;
    std::size_t had = out.size();
    out.resize(had + bytes);
    begin_operation(deadline);
    auto [ec, got] =
        co_await socket_.async_read_some(asio::buffer(out.data() + had, bytes), as_result);
    end_operation();
    out.resize(had + got);
    co_return ended(ec);
}

asio::awaitable<Io> HttpStream::write(std::string_view head, std::string_view body,
                                      Deadline deadline, bool* sent) {
    bool waiting = false;
    Io result = Io::Done;
    while (result == Io::Done && !(head.empty() && body.empty())) {
        if (stopped_) {
            result = Io::Stopped;
            break;
        }
        error_code ec;
        std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
        std::size_t bytes = socket_.write_some(buffers, ec);
        if (bytes > 0 && sent) *sent = true;
        std::size_t of_head = std::min(bytes, head.size());
        head.remove_prefix(of_head);
        body.remove_prefix(bytes - of_head);
        if (ec == asio::error::would_block) {
            if (!waiting) begin_operation(deadline);
            waiting = true;
            auto [wait_ec] = co_await socket_.async_wait(TcpSocket::wait_write, as_result);
            ec = wait_ec;
        }
        result = ended(ec);
    }
    if (waiting) end_operation();
    co_return result;
}

asio::awaitable<Io> HttpStream::connect(asio::ip::tcp::endpoint endpoint, Deadline deadline,
                                        error_code* why) {
    begin_operation(deadline);
    auto [ec] = co_await socket_.async_connect(endpoint, as_result);
    end_operation();
    *why = ec;
    co_return ended(ec);
}

asio::awaitable<void> HttpStream::linger(Deadline deadline) {
    error_code ec;
    socket_.shutdown(TcpSocket::shutdown_send, ec);
    std::array<char, 4096> dropped;
    std::size_t total = 0;
    begin_operation(deadline);
    while (!ec && !stopped_ && !late_ && total < linger_bytes) {
        auto [read_ec, bytes] = co_await socket_.async_read_some(asio::buffer(dropped), as_result);
        ec = read_ec;
        total += bytes;
    }
    end_operation();
}

void HttpStream::stop() {
    stopped_ = true;
    error_code ignored;
    socket_.cancel(ignored);
}

void HttpStream::close() {
    stopped_ = true;
    error_code ignored;
    socket_.close(ignored);
}

bool HttpStream::quiet() {
    if (stopped_ || begin_ != end_) return false;
    char byte;
    error_code ec;
    socket_.receive(asio::buffer(&byte, 1), TcpSocket::message_peek, ec);
    return ec == asio::error::would_block;
}

namespace {

std::unexpected<HttpProblem> too_large() {
    return std::unexpected(HttpProblem{413, "content_too_large", "The body is too large."});
}

/// Counts what has been added to `body` since `before`.
HttpParsed<void> charge(HttpBodyBudget& budget, const std::string& body, std::size_t before) {
    budget.used += body.size() - before;
    if (budget.used <= budget.limit) return {};
    return std::unexpected(HttpProblem{503, "overloaded", "Too many bodies at once; try again."});
}

asio::awaitable<HttpBodyOutcome> read_chunked(HttpStream& stream, HttpBodyRead read,
                                              std::string& body) {
    ChunkedDecoder decoder(read.limit);
    for (;;) {
        std::size_t before = body.size();
        auto taken = decoder.decode(stream.buffered(), body);
        if (auto ok = charge(*read.budget, body, before); !ok)
            co_return HttpBodyOutcome{.parsed = ok};
        if (!taken) co_return HttpBodyOutcome{.parsed = std::unexpected(taken.error())};
        stream.consume(*taken);
        if (decoder.done()) co_return HttpBodyOutcome{};
        Io io = co_await stream.fill(chunked_buffer_bytes, next_bytes_due(read, body.size()));
        if (io != Io::Done) co_return HttpBodyOutcome{.io = io};
    }
}

} // namespace

Deadline next_bytes_due(const HttpBodyRead& read, std::size_t received) {
    if (read.rate_min == 0) return read.deadline;
    const Duration earned = std::chrono::seconds{1} * received / read.rate_min;
    return Deadline::at(std::min(read.deadline.when(), read.slowest.when() + earned));
}

asio::awaitable<HttpBodyOutcome> read_http_body(HttpStream& stream, HttpBodyRead read,
                                                std::string& body) {
    if (read.kind == HttpBody::None) co_return HttpBodyOutcome{};
    if (read.kind == HttpBody::Chunked) co_return co_await read_chunked(stream, read, body);
    bool until_close = read.kind == HttpBody::UntilClose;
    if (!until_close && read.length > read.limit) co_return HttpBodyOutcome{.parsed = too_large()};
    // One byte more than allowed, so that a body without length can be seen to be too large.
    auto wanted = static_cast<std::size_t>(until_close ? read.limit + 1 : read.length);
    std::string_view have = stream.buffered().substr(0, wanted);
    body.assign(have);
    stream.consume(have.size());
    auto charged = charge(*read.budget, body, 0);
    while (charged && body.size() < wanted) {
        std::size_t before = body.size();
        std::size_t part = std::min(wanted - before, body_read_bytes);
        Io io = co_await stream.read_into(body, part, next_bytes_due(read, before));
        charged = charge(*read.budget, body, before);
        if (io == Io::End && until_close) co_return HttpBodyOutcome{};
        if (io != Io::Done) co_return HttpBodyOutcome{.io = io};
    }
    if (!charged) co_return HttpBodyOutcome{.parsed = charged};
    if (until_close) co_return HttpBodyOutcome{.parsed = too_large()};
    co_return HttpBodyOutcome{};
}

} // namespace holdfast::net
