#pragma once

// The HTTP/1.1 parser of server and client: strict, bounded, without I/O.
//
// Why our own: what decides about request smuggling is what a parser refuses, and Beast of Boost
// 1.81 lets a missing Host, folded lines, chunked in HTTP/1.0 and "Transfer-Encoding: chunked,
// gzip" pass (docs/adr/0001-stack.md). Everything with two readings is an error here:
//
//   lines end in CRLF, nothing else; no folded lines; no space before the colon; no control
//   characters; one Host on 1.1; one Content-Length of digits only; Transfer-Encoding only exactly
//   "chunked", only on 1.1, never beside Content-Length.
//
// A message is parsed in two steps: find_head_end() looks for the empty line as bytes come in,
// looking at each byte once; parse_*_head() then reads a complete head. ChunkedDecoder takes the
// body in pieces of any size. Nothing here allocates beyond the headers and the body.
//
// Errors: an HttpProblem, the status with which a server answers it. Source: RFC 9112, RFC 9110.

#include "net/http_message.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace holdfast::net {

struct HttpLimits {
    std::size_t head_bytes = 16 * 1024;   ///< first line and headers: 431
    std::size_t target_bytes = 8 * 1024;  ///< 414
    std::size_t header_count = 100;       ///< 431
    std::size_t body_bytes = 1024 * 1024; ///< 413
};

/// Why a message was refused. `code` is for machines, `message` for people.
struct HttpProblem {
    int status;
    std::string_view code;
    std::string_view message;
};

template <class T> using HttpParsed = std::expected<T, HttpProblem>;

enum class HttpBody : std::uint8_t { None, Length, Chunked, UntilClose };

struct HttpRequestHead {
    std::string_view method; ///< into the buffer that was parsed
    std::string_view path;
    std::string_view query;
    HttpHeaders headers;
    HttpBody body = HttpBody::None;
    std::uint64_t content_length = 0;
    int minor_version = 1;
    bool keep_alive = true;
    bool expects_continue = false;
    /// A method that sends a body, with neither length nor chunks: empty, unless more bytes follow.
    bool length_missing = false;
};

struct HttpResponseHead {
    int status = 0;
    HttpHeaders headers;
    HttpBody body = HttpBody::None;
    std::uint64_t content_length = 0;
    bool keep_alive = true;
};

/// Size of the head at the start of `buffer` including its empty line, 0 while it is not complete.
/// `scanned` remembers how far earlier calls have looked; start with 0.
HttpParsed<std::size_t> find_request_head_end(std::string_view buffer, std::size_t& scanned,
                                              const HttpLimits& limits);
HttpParsed<std::size_t> find_response_head_end(std::string_view buffer, std::size_t& scanned,
                                               const HttpLimits& limits);

/// `head` is what find_*_head_end measured.
HttpParsed<HttpRequestHead> parse_request_head(std::string_view head, const HttpLimits& limits);
/// `to_head`: the request was HEAD, so that no body follows whatever the headers say.
HttpParsed<HttpResponseHead> parse_response_head(std::string_view head, const HttpLimits& limits,
                                                 bool to_head);

class ChunkedDecoder {
  public:
    explicit ChunkedDecoder(std::size_t limit_bytes) : limit_(limit_bytes) {}

    /// Takes what it can from `input`, appends data to `body`, answers how much it took. When
    /// done() the rest of `input` belongs to the next message.
    HttpParsed<std::size_t> decode(std::string_view input, std::string& body);
    bool done() const { return state_ == State::Done; }

  private:
    enum class State : std::uint8_t {
        Size,
        Extension,
        SizeLf,
        Data,
        DataCr,
        DataLf,
        TrailerStart,
        Trailer,
        TrailerLf,
        EndLf,
        Done
    };
    HttpParsed<void> step(char c);
    HttpParsed<void> size_ended();

    State state_ = State::Size;
    std::size_t limit_;
    std::uint64_t remaining_ = 0; ///< of the chunk
    std::size_t total_ = 0;
    unsigned digits_ = 0;
    std::size_t line_bytes_ = 0;    ///< of a chunk extension
    std::size_t trailer_bytes_ = 0; ///< all trailers together; they are read and dropped
};

bool is_http_token(std::string_view text);

} // namespace holdfast::net
