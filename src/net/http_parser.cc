#include "net/http_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace holdfast::net {

namespace {

constexpr std::size_t max_method_bytes = 32;
constexpr std::size_t request_line_extra = max_method_bytes + sizeof(" HTTP/1.1\r\n");
constexpr std::size_t max_length_digits = 18; // fits 63 bits; the limits are far below
constexpr unsigned max_chunk_digits = 8;
constexpr std::size_t max_chunk_extension = 256;
constexpr std::size_t max_trailer_bytes = 4 * 1024;

constexpr std::unexpected<HttpProblem> bad(std::string_view message) {
    return std::unexpected(HttpProblem{400, "bad_request", message});
}
constexpr std::unexpected<HttpProblem> problem(int status, std::string_view code,
                                               std::string_view message) {
    return std::unexpected(HttpProblem{status, code, message});
}

enum CharClass : std::uint8_t { Token = 1, Target = 2, Value = 4, HostChar = 8 };

constexpr auto char_classes = [] {
    std::array<std::uint8_t, 256> table{};
    auto mark = [&table](std::string_view chars, std::uint8_t bits) {
        for (char c : chars) table[static_cast<unsigned char>(c)] |= bits;
    };
    mark("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", Token | HostChar);
    mark("!#$%&'*+-.^_`|~", Token);
    mark("-._~!$&'()*+,;=:[]%", HostChar);
    for (unsigned c = 0x21; c < 0x7F; ++c) table[c] |= Target | Value;
    table['#'] &= static_cast<std::uint8_t>(~Target); // a fragment never travels
    table[' '] |= Value;
    table['\t'] |= Value;
    for (unsigned c = 0x80; c < 0x100; ++c) table[c] |= Value;
    return table;
}();

bool all_of_class(std::string_view text, std::uint8_t bits) {
    return std::all_of(text.begin(), text.end(), [bits](char c) {
        return (char_classes[static_cast<unsigned char>(c)] & bits) != 0;
    });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// Cuts the next line off `rest`; the head ends in CRLF CRLF, so there is one.
HttpParsed<std::string_view> next_line(std::string_view& rest) {
    std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return bad("A line does not end.");
    if (end == 0 || rest[end - 1] != '\r') return bad("A line must end in CRLF.");
    std::string_view line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    return line;
}

} // namespace

bool is_http_token(std::string_view text) { return !text.empty() && all_of_class(text, Token); }

/// Reads the field lines of a head into HttpHeaders.
class HttpFieldParser {
  public:
    static HttpParsed<void> parse(std::string_view block, std::size_t max_count, HttpHeaders& out) {
        out.text_.assign(block);
        std::string_view rest = out.text_;
        while (!rest.empty()) {
            auto line = next_line(rest);
            if (!line) return std::unexpected(line.error());
            if (line->empty()) break; // the end of the head
            if (out.spans_.size() == max_count) {
                return problem(431, "too_many_headers", "The request has too many headers.");
            }
            auto added = add_line(*line, out);
            if (!added) return added;
        }
        return {};
    }

  private:
    static HttpParsed<void> add_line(std::string_view line, HttpHeaders& out) {
        if (line.front() == ' ' || line.front() == '\t') {
            return bad("Folded header lines are not accepted.");
        }
        std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return bad("A header line has no colon.");
        std::string_view name = line.substr(0, colon);
        if (!is_http_token(name)) return bad("A header name is malformed.");
        std::string_view value = trim(line.substr(colon + 1));
        if (!all_of_class(value, Value)) return bad("A header value has control characters.");
        out.spans_.push_back({offset(name, out), static_cast<std::uint32_t>(name.size()),
                              offset(value, out), static_cast<std::uint32_t>(value.size())});
        return {};
    }
    static std::uint32_t offset(std::string_view part, const HttpHeaders& out) {
        return static_cast<std::uint32_t>(part.data() - out.text_.data());
    }
};

namespace {

struct Framing {
    HttpBody body = HttpBody::None;
    std::uint64_t length = 0;
    bool explicit_length = false;
};

HttpParsed<std::uint64_t> parse_length(std::string_view text) {
    if (text.empty() || text.size() > max_length_digits) return bad("Content-Length is malformed.");
    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return bad("Content-Length is malformed.");
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

/// What the headers say about the body. Every way in which two readers could differ is refused.
HttpParsed<Framing> parse_framing(const HttpHeaders& headers, int minor_version) {
    Framing framing;
    std::size_t lengths = headers.count("Content-Length");
    std::size_t codings = headers.count("Transfer-Encoding");
    if (lengths > 1) return bad("There is more than one Content-Length.");
    if (codings > 0) {
        if (lengths > 0) return bad("Content-Length and Transfer-Encoding exclude each other.");
        if (minor_version == 0) return bad("Transfer-Encoding needs HTTP/1.1.");
        if (codings > 1 || !equals_ignoring_case(headers.get("Transfer-Encoding"), "chunked")) {
            return bad("The only Transfer-Encoding accepted is 'chunked'.");
        }
        framing.body = HttpBody::Chunked;
        return framing;
    }
    if (lengths == 1) {
        auto length = parse_length(headers.get("Content-Length"));
        if (!length) return std::unexpected(length.error());
        framing.explicit_length = true;
        framing.length = *length;
        if (*length > 0) framing.body = HttpBody::Length;
    }
    return framing;
}

bool parse_keep_alive(const HttpHeaders& headers, int minor_version) {
    bool close = false, keep = false;
    for (std::size_t i = 0; i < headers.size(); ++i) {
        HttpField field = headers[i];
        if (!equals_ignoring_case(field.name, "Connection")) continue;
        for (std::string_view rest = field.value; !rest.empty();) {
            std::size_t comma = std::min(rest.find(','), rest.size());
            std::string_view option = trim(rest.substr(0, comma));
            close = close || equals_ignoring_case(option, "close");
            keep = keep || equals_ignoring_case(option, "keep-alive");
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return !close && (minor_version >= 1 || keep);
}

HttpParsed<int> parse_version(std::string_view text) {
    if (text == "HTTP/1.1") return 1;
    if (text == "HTTP/1.0") return 0;
    if (text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.') {
        return problem(505, "http_version_not_supported", "Use HTTP/1.1.");
    }
    return bad("The request line is malformed.");
}

bool plausible_host(std::string_view host) { return !host.empty() && all_of_class(host, HostChar); }

/// Splits the target into path and query; answers the authority of an absolute one, else empty.
HttpParsed<std::string_view> parse_target(std::string_view target, HttpRequestHead& head) {
    std::string_view authority;
    if (target.empty() || !all_of_class(target, Target)) return bad("The target is malformed.");
    if (target == "*") {
        if (head.method != "OPTIONS") return bad("Only OPTIONS may ask for '*'.");
        head.path = target;
        return authority;
    }
    if (target.front() != '/') {
        constexpr std::string_view scheme = "http://";
        if (target.size() < scheme.size() ||
            !equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            return bad("The target must begin with '/'.");
        }
        target.remove_prefix(scheme.size());
        std::size_t end = std::min(target.find_first_of("/?"), target.size());
        authority = target.substr(0, end);
        target.remove_prefix(end);
        if (!plausible_host(authority)) return bad("The host of the target is malformed.");
    }
    std::size_t mark = target.find('?');
    head.path = target.substr(0, mark);
    if (mark != std::string_view::npos) head.query = target.substr(mark + 1);
    if (head.path.empty()) head.path = "/";
    return authority;
}

HttpParsed<std::string_view> parse_request_line(std::string_view line, const HttpLimits& limits,
                                                HttpRequestHead& head) {
    std::size_t first = line.find(' ');
    std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return bad("The request line is malformed.");
    }
    head.method = line.substr(0, first);
    if (head.method.size() > max_method_bytes || !is_http_token(head.method)) {
        return bad("The method is malformed.");
    }
    std::string_view target = line.substr(first + 1, last - first - 1);
    if (target.size() > limits.target_bytes) {
        return problem(414, "uri_too_long", "The request target is too long.");
    }
    auto version = parse_version(line.substr(last + 1));
    if (!version) return std::unexpected(version.error());
    head.minor_version = *version;
    if (head.method == "CONNECT") {
        return problem(501, "not_implemented", "This server is no proxy.");
    }
    return parse_target(target, head);
}

HttpParsed<void> check_host(const HttpRequestHead& head, std::string_view authority) {
    std::size_t hosts = head.headers.count("Host");
    if (hosts > 1) return bad("There is more than one Host.");
    if (hosts == 0) {
        if (head.minor_version >= 1) return bad("HTTP/1.1 needs a Host header.");
        return {};
    }
    std::string_view host = head.headers.get("Host");
    if (!plausible_host(host)) return bad("The Host header is malformed.");
    if (!authority.empty() && !equals_ignoring_case(authority, host)) {
        return bad("The Host header and the target name different hosts.");
    }
    return {};
}

/// RFC 9112, 6.3: a request with neither header has no body. Three signs that one was meant.
HttpParsed<void> check_length(HttpRequestHead& head, bool explicit_length) {
    bool sends_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
    if (explicit_length || head.body == HttpBody::Chunked || !sends_body) return {};
    bool announced = head.expects_continue || head.headers.find("Content-Type").has_value();
    if (head.minor_version == 0 || announced) {
        return problem(411, "length_required", "Send a Content-Length with the body.");
    }
    head.length_missing = true;
    return {};
}

HttpParsed<std::size_t> find_head_end(std::string_view buffer, std::size_t& scanned,
                                      std::size_t limit, const HttpProblem& too_large) {
    for (std::size_t at = buffer.find('\n', scanned); at != std::string_view::npos;
         at = buffer.find('\n', at + 1)) {
        if (at == 0 || buffer[at - 1] != '\r') return bad("A line must end in CRLF.");
        if (at >= 3 && buffer[at - 2] == '\n') {
            if (at >= limit) return std::unexpected(too_large);
            return at + 1;
        }
    }
    scanned = buffer.size();
    if (buffer.size() > limit) return std::unexpected(too_large);
    return 0;
}

} // namespace

HttpParsed<std::size_t> find_request_head_end(std::string_view buffer, std::size_t& scanned,
                                              const HttpLimits& limits) {
    // What can't become a request is refused at once: a TLS greeting, or a line without an end.
    if (!buffer.empty() && !is_http_token(buffer.substr(0, 1))) {
        return bad("This is not an HTTP/1.1 request.");
    }
    std::size_t line_limit = limits.target_bytes + request_line_extra;
    if (scanned <= line_limit && buffer.size() > line_limit) {
        if (buffer.substr(0, line_limit).find('\n') == std::string_view::npos) {
            return problem(414, "uri_too_long", "The request target is too long.");
        }
    }
    return find_head_end(buffer, scanned, limits.head_bytes,
                         {431, "headers_too_large", "The headers are too large."});
}

HttpParsed<std::size_t> find_response_head_end(std::string_view buffer, std::size_t& scanned,
                                               const HttpLimits& limits) {
    constexpr std::string_view start = "HTTP/1.";
    std::size_t have = std::min(buffer.size(), start.size());
    if (buffer.substr(0, have) != start.substr(0, have)) return bad("Not an HTTP/1.1 response.");
    return find_head_end(buffer, scanned, limits.head_bytes,
                         {431, "headers_too_large", "The headers of the response are too large."});
}

HttpParsed<HttpRequestHead> parse_request_head(std::string_view text, const HttpLimits& limits) {
    HttpRequestHead head;
    auto line = next_line(text);
    if (!line) return std::unexpected(line.error());
    auto authority = parse_request_line(*line, limits, head);
    if (!authority) return std::unexpected(authority.error());
    auto fields = HttpFieldParser::parse(text, limits.header_count, head.headers);
    if (!fields) return std::unexpected(fields.error());
    auto host = check_host(head, *authority);
    if (!host) return std::unexpected(host.error());
    auto framing = parse_framing(head.headers, head.minor_version);
    if (!framing) return std::unexpected(framing.error());
    head.body = framing->body;
    head.content_length = framing->length;
    head.keep_alive = parse_keep_alive(head.headers, head.minor_version);
    if (auto expect = head.headers.find("Expect"); expect && head.minor_version >= 1) {
        if (head.headers.count("Expect") > 1 || !equals_ignoring_case(*expect, "100-continue")) {
            return problem(417, "expectation_failed", "Only 'Expect: 100-continue' is known.");
        }
        head.expects_continue = true;
    }
    auto length = check_length(head, framing->explicit_length);
    if (!length) return std::unexpected(length.error());
    if (head.content_length > limits.body_bytes) {
        return problem(413, "content_too_large", "The body is too large.");
    }
    return head;
}

HttpParsed<HttpResponseHead> parse_response_head(std::string_view text, const HttpLimits& limits,
                                                 bool to_head) {
    HttpResponseHead head;
    auto line = next_line(text);
    if (!line) return std::unexpected(line.error());
    // HTTP/1.1 SP 3 digits [SP reason]
    constexpr std::size_t status_at = 9;
    if (line->size() < status_at + 3 || (*line)[8] != ' ')
        return bad("The status line is malformed.");
    auto version = parse_version(line->substr(0, 8));
    if (!version) return std::unexpected(version.error());
    for (std::size_t i = status_at; i < status_at + 3; ++i) {
        char c = (*line)[i];
        if (c < '0' || c > '9') return bad("The status line is malformed.");
        head.status = head.status * 10 + (c - '0');
    }
    std::string_view reason = line->substr(status_at + 3);
    if (head.status < 100 || head.status > 599 || (!reason.empty() && reason[0] != ' ') ||
        !all_of_class(reason, Value)) {
        return bad("The status line is malformed.");
    }
    auto fields = HttpFieldParser::parse(text, limits.header_count, head.headers);
    if (!fields) return std::unexpected(fields.error());
    auto framing = parse_framing(head.headers, *version);
    if (!framing) return std::unexpected(framing.error());
    head.keep_alive = parse_keep_alive(head.headers, *version);
    head.body = framing->body;
    head.content_length = framing->length;
    if (to_head || head.status < 200 || head.status == 204 || head.status == 304) {
        head.body = HttpBody::None;
        head.content_length = 0;
    } else if (head.body == HttpBody::None && !framing->explicit_length) {
        head.body = HttpBody::UntilClose;
        head.keep_alive = false;
    }
    if (head.content_length > limits.body_bytes) {
        return problem(413, "content_too_large", "The body of the response is too large.");
    }
    return head;
}

HttpParsed<std::size_t> ChunkedDecoder::decode(std::string_view input, std::string& body) {
    std::size_t at = 0;
    while (at < input.size() && state_ != State::Done) {
        if (state_ == State::Data) {
            auto take =
                static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size() - at));
            body.append(input.substr(at, take));
            at += take;
            remaining_ -= take;
            if (remaining_ == 0) state_ = State::DataCr;
            continue;
        }
        auto stepped = step(input[at]);
        if (!stepped) return std::unexpected(stepped.error());
        ++at;
    }
    return at;
}

namespace {
int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
} // namespace

HttpParsed<void> ChunkedDecoder::size_ended() {
    if (digits_ == 0) return bad("A chunk has no size.");
    if (remaining_ > limit_ - total_) {
        return problem(413, "content_too_large", "The body is too large.");
    }
    total_ += static_cast<std::size_t>(remaining_);
    digits_ = 0;
    line_bytes_ = 0;
    return {};
}

HttpParsed<void> ChunkedDecoder::step(char c) {
    auto expect = [&](char wanted, State next) -> HttpParsed<void> {
        if (c != wanted) return bad("The chunked body is malformed.");
        state_ = next;
        return {};
    };
    bool printable = (char_classes[static_cast<unsigned char>(c)] & Value) != 0;
    switch (state_) {
        case State::Size:
            if (int digit = hex_value(c); digit >= 0) {
                if (++digits_ > max_chunk_digits) return bad("A chunk size is too long.");
                remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
                return {};
            }
            if (c == ';') {
                state_ = State::Extension;
                return size_ended();
            }
            if (auto ok = expect('\r', State::SizeLf); !ok) return ok;
            return size_ended();
        case State::Extension:
            if (c == '\r') return expect('\r', State::SizeLf);
            if (!printable || ++line_bytes_ > max_chunk_extension) {
                return bad("A chunk extension is malformed.");
            }
            return {};
        case State::SizeLf: return expect('\n', remaining_ > 0 ? State::Data : State::TrailerStart);
        case State::DataCr: return expect('\r', State::DataLf);
        case State::DataLf: return expect('\n', State::Size);
        case State::TrailerStart:
            if (c == '\r') return expect('\r', State::EndLf);
            if (!is_http_token({&c, 1})) return bad("A trailer is malformed.");
            state_ = State::Trailer;
            [[fallthrough]];
        case State::Trailer:
            if (c == '\r') return expect('\r', State::TrailerLf);
            if (!printable || ++trailer_bytes_ > max_trailer_bytes) {
                return bad("A trailer is malformed.");
            }
            return {};
        case State::TrailerLf: return expect('\n', State::TrailerStart);
        case State::EndLf: return expect('\n', State::Done);
        case State::Data:
        case State::Done: break;
    }
    return {};
}

} // namespace holdfast::net
