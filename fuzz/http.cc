// The HTTP parser. The first byte chooses what the rest is: a request, a response (to HEAD or not)
// or a chunked body. How bytes were cut into packets must make no difference, and nothing that has
// two readings may be accepted.

#include "base/result.h"
#include "net/http_parser.h"

#include <cstdint>

namespace {

using holdfast::net::ChunkedDecoder;
using holdfast::net::equals_ignoring_case;
using holdfast::net::HttpBody;
using holdfast::net::HttpHeaders;
using holdfast::net::HttpLimits;

constexpr HttpLimits limits{.head_bytes = 4096, .target_bytes = 1024, .body_bytes = 1 << 16};

/// Gives the head byte by byte, as the slowest client would; answers its size as of all at once.
template <class Find> std::size_t head_size(std::string_view input, Find find) {
    std::size_t scanned_at_once = 0;
    const auto at_once = find(input, scanned_at_once, limits);
    std::size_t scanned = 0;
    for (std::size_t size = 1; size <= input.size(); ++size) {
        const auto end = find(input.substr(0, size), scanned, limits);
        if (!end) {
            CHECK(end.error().status >= 400);
            CHECK(!at_once || *at_once > size);
            return 0;
        }
        if (*end == 0) continue;
        CHECK(*end == size);
        CHECK(at_once && *at_once == size);
        return size;
    }
    CHECK(!at_once || *at_once == 0);
    return 0;
}

void check_framing(const HttpHeaders& headers, HttpBody body) {
    CHECK(headers.count("Content-Length") <= 1);
    CHECK(headers.count("Transfer-Encoding") <= 1);
    CHECK(headers.count("Content-Length") + headers.count("Transfer-Encoding") <= 1);
    if (body == HttpBody::Length) CHECK(headers.count("Content-Length") == 1);
    if (body == HttpBody::Chunked) {
        CHECK(equals_ignoring_case(headers.get("Transfer-Encoding"), "chunked"));
    }
    for (std::size_t i = 0; i < headers.size(); ++i) {
        CHECK(holdfast::net::is_http_token(headers[i].name));
        CHECK(headers[i].value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos);
    }
}

void request(std::string_view input) {
    const std::size_t size = head_size(input, holdfast::net::find_request_head_end);
    if (size == 0) return;
    const auto head = holdfast::net::parse_request_head(input.substr(0, size), limits);
    if (!head) {
        CHECK(head.error().status >= 400);
        return;
    }
    CHECK(holdfast::net::is_http_token(head->method));
    CHECK(head->path.starts_with('/') || head->path == "*");
    CHECK(head->headers.count("Host") == 1 || head->minor_version == 0);
    check_framing(head->headers, head->body);
    CHECK(head->body != HttpBody::UntilClose);
}

void response(std::string_view input, bool to_head) {
    const std::size_t size = head_size(input, holdfast::net::find_response_head_end);
    if (size == 0) return;
    const auto head = holdfast::net::parse_response_head(input.substr(0, size), limits, to_head);
    if (!head) return;
    CHECK(head->status >= 100 && head->status <= 999);
    CHECK(!to_head || head->body == HttpBody::None);
    check_framing(head->headers, head->body);
}

struct Decoded {
    bool failed = false;
    bool done = false;
    std::size_t taken = 0;
    std::string body;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view input, std::size_t packet) {
    ChunkedDecoder decoder(limits.body_bytes);
    Decoded result;
    while (!decoder.done() && result.taken < input.size()) {
        const auto taken = decoder.decode(input.substr(result.taken, packet), result.body);
        if (!taken) return {.failed = true};
        if (*taken == 0) break;
        result.taken += *taken;
    }
    result.done = decoder.done();
    return result;
}

void chunked(std::string_view input) {
    const Decoded at_once = decode(input, input.size());
    CHECK(at_once == decode(input, 1));
    CHECK(at_once.body.size() <= limits.body_bytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0: request(input); break;
        case 1: response(input, false); break;
        case 2: response(input, true); break;
        default: chunked(input); break;
    }
    return 0;
}
