#pragma once

// HTTP requests and responses as plain values, the same for server and client.
//
// Bodies are whole (bounded by the limits of whoever reads them); there is no streaming. Header
// names compare without case, keep their order and may repeat. The path is as it was sent, without
// the query and not percent-decoded: decode once, where it is used.
//
//   HttpResponse response;
//   response.status = 201;
//   response.headers.add("Content-Type", "application/json");
//   response.body = json;
//
// Framing is not the business of handlers: Content-Length, Transfer-Encoding, Connection and (of a
// response) Date, (of a request) Host are written by net and ignored when set here.
//
// Source: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).

#include "base/env.h"
#include "net/deadline.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::net {

/// Equal, ASCII case aside.
bool equals_ignoring_case(std::string_view a, std::string_view b);

struct HttpField {
    std::string_view name;
    std::string_view value;
};

/// All fields lie in one string, so that a request costs two allocations however many it has.
class HttpHeaders {
  public:
    /// `name` must be a token (CHECK). Control characters in `value` become spaces, so that no
    /// value can end its line. Neither points into this object.
    void add(std::string_view name, std::string_view value);
    /// Replaces all fields of that name.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);

    /// The first of that name.
    std::optional<std::string_view> find(std::string_view name) const;
    /// Its value, or empty.
    std::string_view get(std::string_view name) const { return find(name).value_or(""); }
    std::size_t count(std::string_view name) const;

    std::size_t size() const { return spans_.size(); }
    HttpField operator[](std::size_t index) const {
        const Span& s = spans_[index];
        std::string_view text = text_;
        return {text.substr(s.name_at, s.name_size), text.substr(s.value_at, s.value_size)};
    }

  private:
    friend class HttpFieldParser; // takes over a whole block without copying each field
    struct Span {
        std::uint32_t name_at, name_size, value_at, value_size;
    };
    std::string text_;
    std::vector<Span> spans_;
};

struct HttpRequest {
    std::string method; ///< as sent; methods are case-sensitive
    std::string path;   ///< begins with '/', or is "*"
    std::string query;  ///< after the '?', without it
    HttpHeaders headers;
    std::string body;
    std::string peer; ///< numeric address of the client
    MonoTime received{};
    Deadline deadline = Deadline::at(MonoTime{}); ///< the answer must be there by then
};

/// How often an answer leaves the server: Twice and Never are for peers that fail on purpose.
/// Never closes the connection instead.
enum class HttpDelivery : std::uint8_t { Once, Twice, Never };

struct HttpResponse {
    int status = 200;
    HttpHeaders headers;
    std::string body;
    HttpDelivery delivery = HttpDelivery::Once; ///< of a server's answer
};

/// "Not Found" for 404; "Status" for what RFC 9110 does not name.
std::string_view reason_phrase(int status);

} // namespace holdfast::net
