#include "net/http_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace holdfast::net {
namespace {

using std::string_literals::operator""s;

/// 0: accepted. -1: not complete. Else the status with which it is refused.
int judge(std::string_view bytes, const HttpLimits& limits = {}) {
    std::size_t scanned = 0;
    auto size = find_request_head_end(bytes, scanned, limits);
    if (!size) return size.error().status;
    if (*size == 0) return -1;
    auto head = parse_request_head(bytes.substr(0, *size), limits);
    return head ? 0 : head.error().status;
}

struct Case {
    std::string request;
    int status;
};

void expect_all(const std::vector<Case>& cases, const HttpLimits& limits = {}) {
    for (const Case& c : cases) EXPECT_EQ(judge(c.request, limits), c.status) << c.request;
}

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";

TEST(HttpRequestLine, Table) {
    auto line = [](const std::string& l) { return l + "\r\nHost: a\r\n\r\n"; };
    expect_all({
        {line("GET / HTTP/1.1"), 0},
        {line("GET /v1/charges?limit=3&expand[]=data.customer HTTP/1.1"), 0},
        {line("DELETE /x HTTP/1.1"), 0},
        {line("M-SEARCH /x HTTP/1.1"), 0},
        {line("OPTIONS * HTTP/1.1"), 0},
        {line("GET * HTTP/1.1"), 400},
        {line("GET http://a/x?y HTTP/1.1"), 0},
        {line("GET HTTP://A HTTP/1.1"), 0},
        {line("GET http://b/x HTTP/1.1"), 400},
        {line("GET http:///x HTTP/1.1"), 400},
        {line("GET https://a/x HTTP/1.1"), 400},
        {line("GET x HTTP/1.1"), 400},
        {line("GET  / HTTP/1.1"), 400},
        {line("GET / HTTP/1.1 "), 400},
        {line("GET / x HTTP/1.1"), 400},
        {line("GET /"), 400},
        {line("GET / http/1.1"), 400},
        {line("GET / HTTP/1.2"), 505},
        {line("GET / HTTP/2.0"), 505},
        {line("PRI * HTTP/2.0"), 505},
        {line("GET / HTTP/11"), 400},
        {line("GET /\tx HTTP/1.1"), 400},
        {line("GET /\x80 HTTP/1.1"), 400},
        {line("GET /#x HTTP/1.1"), 400},
        {line("GE T / HTTP/1.1"), 400},
        {line("G(T / HTTP/1.1"), 400},
        {line(std::string(33, 'G') + " / HTTP/1.1"), 400},
        {line("CONNECT a:443 HTTP/1.1"), 501},
        {" " + line("GET / HTTP/1.1"), 400},
        {"\r\n" + line("GET / HTTP/1.1"), 400},
        {"\x16\x03\x01\x02"s, 400}, // a TLS greeting
        {"GET / HTTP/1.1", -1},
        {"", -1},
    });
}

TEST(HttpFields, Table) {
    expect_all({
        {get + "\r\n", 0},
        {get + "X: \t y\t\r\n\r\n", 0},
        {get + "X:\r\n\r\n", 0},
        {get + "X: caf\xC3\xA9\r\n\r\n", 0},
        {get + "X : y\r\n\r\n", 400},
        {get + ": y\r\n\r\n", 400},
        {get + "X\r\n\r\n", 400},
        {get + "X y: z\r\n\r\n", 400},
        {get + "X: a\r\n b\r\n\r\n", 400}, // folded
        {get + "X: a\r\n\tb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {get + "X: a\nY: b\r\n\r\n", 400},
        {get + "X: a\rY: b\r\n\r\n", 400},
        {get + "X: a\0b\r\n\r\n"s, 400},
        {get + "X: a\x7F\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
    });
}

TEST(HttpHost, Table) {
    expect_all({
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nhOsT: [::1]:80\r\n\r\n", 0},
    });
}

TEST(HttpSmuggling, Table) {
    expect_all({
        {post + "Content-Length: 5\r\n\r\n", 0},
        {post + "Content-Length: 0\r\n\r\n", 0},
        {post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
        {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
        {post + "Content-Length: 5, 5\r\n\r\n", 400},
        {post + "Content-Length: +5\r\n\r\n", 400},
        {post + "Content-Length: -5\r\n\r\n", 400},
        {post + "Content-Length: 0x5\r\n\r\n", 400},
        {post + "Content-Length: 5 \r\n\r\n", 0}, // optional space is no part of the value
        {post + "Content-Length: 5 5\r\n\r\n", 400},
        {post + "Content-Length:\r\n\r\n", 400},
        {post + "Content-Length: 18446744073709551617\r\n\r\n", 400},
        {post + "Content-Length : 5\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\n\r\n", 0},
        {post + "Transfer-Encoding: Chunked\r\n\r\n", 0},
        {post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
        {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", 400},
        {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: xchunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
        {post + "Transfer-Encoding:\x0B"
                "chunked\r\n\r\n",
         400},
        {post + "Transfer-Encoding : chunked\r\n\r\n", 400},
        {post + "Transfer-Encoding: chunked;q=1\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n", 400},
    });
}

TEST(HttpLength, Table) {
    expect_all({
        {post + "\r\n", 0}, // RFC 9112: no body
        {post + "Content-Type: application/json\r\n\r\n", 411},
        {post + "Expect: 100-continue\r\n\r\n", 411},
        {"POST / HTTP/1.0\r\n\r\n", 411},
        {"PUT / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 0},
        {get + "Content-Type: text/plain\r\n\r\n", 0},
        {post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 0},
        {post + "Expect: something\r\nContent-Length: 5\r\n\r\n", 417},
        {post + "Content-Length: 1048576\r\n\r\n", 0},
        {post + "Content-Length: 1048577\r\n\r\n", 413},
    });
}

TEST(HttpLength, MissingOneIsNoticed) {
    auto head = parse_request_head(post + "\r\n", {});
    ASSERT_TRUE(head);
    EXPECT_TRUE(head->length_missing);
    EXPECT_FALSE(parse_request_head(get + "\r\n", {})->length_missing);
}

TEST(HttpLimitsOfHead, TargetHeadersAndCount) {
    HttpLimits limits{
        .head_bytes = 2000, .target_bytes = 500, .header_count = 10, .body_bytes = 10};
    auto target = [](std::size_t n) {
        return "GET /" + std::string(n - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    auto header = [](std::size_t n) { return get + "X: " + std::string(n, 'x') + "\r\n\r\n"; };
    std::string many = get;
    for (int i = 0; i < 9; ++i) many += "X: y\r\n";
    expect_all(
        {
            {target(500), 0},
            {target(501), 414},
            {target(100'000), 414},
            {"GET /" + std::string(600, 'x'), 414}, // before its line has ended
            {header(2000 - get.size() - 7), 0},
            {header(2000 - get.size() - 6), 431},
            {get + "X: " + std::string(3000, 'x'), 431},
            {many + "\r\n", 0},
            {many + "Z: y\r\n\r\n", 431},
            {post + "Content-Length: 11\r\n\r\n", 413},
        },
        limits);
}

TEST(HttpRequestHead, Parts) {
    std::string text =
        "POST /v1/x%20y?a=b?c HTTP/1.1\r\nHost: api\r\nidempotency-key: k1\r\n"
        "Idempotency-Key:  k2 \r\nContent-Length: 3\r\nConnection: a, Close\r\n\r\n";
    auto head = parse_request_head(text, {});
    ASSERT_TRUE(head);
    EXPECT_EQ(head->method, "POST");
    EXPECT_EQ(head->path, "/v1/x%20y");
    EXPECT_EQ(head->query, "a=b?c");
    EXPECT_EQ(head->headers.get("Idempotency-Key"), "k1");
    EXPECT_EQ(head->headers.count("IDEMPOTENCY-KEY"), 2u);
    EXPECT_EQ(head->headers[2].value, "k2");
    EXPECT_EQ(head->content_length, 3u);
    EXPECT_EQ(head->body, HttpBody::Length);
    EXPECT_FALSE(head->keep_alive);
    EXPECT_FALSE(head->headers.find("X").has_value());
}

TEST(HttpRequestHead, AbsoluteTargetWithoutPath) {
    auto head = parse_request_head("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", {});
    ASSERT_TRUE(head);
    EXPECT_EQ(head->path, "/");
    EXPECT_EQ(head->query, "q");
}

TEST(HttpKeepAlive, Table) {
    auto keeps = [](const std::string& version, const std::string& connection) {
        std::string text = "GET / HTTP/" + version + "\r\nHost: a\r\n";
        if (!connection.empty()) text += "Connection: " + connection + "\r\n";
        return parse_request_head(text + "\r\n", {})->keep_alive;
    };
    EXPECT_TRUE(keeps("1.1", ""));
    EXPECT_TRUE(keeps("1.1", "Upgrade, HTTP2-Settings"));
    EXPECT_FALSE(keeps("1.1", "close"));
    EXPECT_FALSE(keeps("1.1", "keep-alive,close"));
    EXPECT_FALSE(keeps("1.0", ""));
    EXPECT_TRUE(keeps("1.0", "Keep-Alive"));
    EXPECT_FALSE(keeps("1.0", "keep-alive, close"));
}

TEST(HttpLimitsOfHead, ALongLineIsSeenWhateverTheSplit) {
    const std::string bytes = "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    std::size_t scanned = 0;
    std::size_t refused_at = 0;
    for (std::size_t have = 1; have <= bytes.size() && refused_at == 0; ++have) {
        auto size = find_request_head_end(std::string_view(bytes).substr(0, have), scanned, {});
        if (!size) refused_at = have;
    }
    EXPECT_GT(refused_at, 8192u);
    EXPECT_LT(refused_at, 8300u) << "before the line has ended";
}

// ---- responses

int judge_response(std::string_view bytes, bool to_head = false) {
    std::size_t scanned = 0;
    auto size = find_response_head_end(bytes, scanned, {});
    if (!size) return size.error().status;
    if (*size == 0) return -1;
    auto head = parse_response_head(bytes.substr(0, *size), {}, to_head);
    return head ? 0 : head.error().status;
}

TEST(HttpResponseHead, Table) {
    const std::vector<Case> cases{
        {"HTTP/1.1 200 OK\r\n\r\n", 0},
        {"HTTP/1.1 200\r\n\r\n", 0},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", 0},
        {"HTTP/1.0 200 OK\r\n\r\n", 0},
        {"HTTP/1.1  200 OK\r\n\r\n", 400},
        {"HTTP/1.1 20 OK\r\n\r\n", 400},
        {"HTTP/1.1 2000\r\n\r\n", 400},
        {"HTTP/1.1 099 x\r\n\r\n", 400},
        {"HTTP/1.1 600 x\r\n\r\n", 400},
        {"HTTP/2.0 200 OK\r\n\r\n", 400},
        {"SSH-2.0-OpenSSH", 400},
        {"HTT", -1},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
        {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", 400},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", 413},
    };
    for (const Case& c : cases) EXPECT_EQ(judge_response(c.request), c.status) << c.request;
}

TEST(HttpResponseHead, WhichBodyFollows) {
    auto body = [](const std::string& text, bool to_head = false) {
        return parse_response_head(text, {}, to_head)->body;
    };
    EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), HttpBody::Length);
    EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), HttpBody::None);
    EXPECT_EQ(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HttpBody::Chunked);
    EXPECT_EQ(body("HTTP/1.1 200 OK\r\n\r\n"), HttpBody::UntilClose);
    EXPECT_EQ(body("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"), HttpBody::None);
    EXPECT_EQ(body("HTTP/1.1 304 Not Modified\r\n\r\n"), HttpBody::None);
    EXPECT_EQ(body("HTTP/1.1 100 Continue\r\n\r\n"), HttpBody::None);
    EXPECT_EQ(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true), HttpBody::None);
}

// ---- chunked bodies

struct Decoded {
    int status; ///< 0 done, -1 not complete
    std::string body;
    std::string rest;
};

Decoded decode(std::string_view bytes, std::size_t step, std::size_t limit = 1000) {
    ChunkedDecoder decoder(limit);
    std::string body;
    std::size_t at = 0;
    while (at < bytes.size() && !decoder.done()) {
        auto taken = decoder.decode(bytes.substr(at, step), body);
        if (!taken) return {taken.error().status, body, ""};
        at += *taken;
    }
    return {decoder.done() ? 0 : -1, body, std::string(bytes.substr(at))};
}

TEST(HttpChunked, Table) {
    struct ChunkCase {
        std::string bytes;
        int status;
        std::string body;
    };
    const std::vector<ChunkCase> cases{
        {"0\r\n\r\n", 0, ""},
        {"5\r\nhello\r\n0\r\n\r\n", 0, "hello"},
        {"5\r\nhello\r\n1;ext=\"x\"\r\n!\r\n000\r\n\r\n", 0, "hello!"},
        {"A\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n", 0, "0123456789"},
        {"5\r\nhello\r\n0\r\n", -1, "hello"},
        {"5\nhello\r\n0\r\n\r\n", 400, ""},
        {"5\r\nhello\n0\r\n\r\n", 400, "hello"},
        {"5\r\nhelloX\r\n0\r\n\r\n", 400, "hello"},
        {"\r\n", 400, ""},
        {";x\r\n", 400, ""},
        {" 5\r\nhello\r\n0\r\n\r\n", 400, ""},
        {"5 \r\nhello\r\n0\r\n\r\n", 400, ""},
        {"0x5\r\nhello\r\n", 400, ""},
        {"-1\r\n", 400, ""},
        {"000000005\r\nhello\r\n", 400, ""}, // nine digits
        {"FFFFFFFF\r\n", 413, ""},
        {"3E9\r\n", 413, ""},
        {"5;" + std::string(300, 'x') + "\r\n", 400, ""},
        {"5;a\x01\r\n", 400, ""},
        {"0\r\nX: " + std::string(5000, 'y') + "\r\n\r\n", 400, ""},
        {"0\r\n: y\r\n\r\n", 400, ""},
        {"0\r\n y\r\n\r\n", 400, ""},
    };
    for (const ChunkCase& c : cases) {
        for (std::size_t step : {std::size_t{1}, std::size_t{3}, c.bytes.size()}) {
            auto got = decode(c.bytes, step);
            EXPECT_EQ(got.status, c.status) << c.bytes << " in steps of " << step;
            EXPECT_EQ(got.body, c.body) << c.bytes << " in steps of " << step;
        }
    }
}

TEST(HttpChunked, LimitIsOverAllChunks) {
    std::string bytes;
    for (int i = 0; i < 3; ++i) bytes += "4\r\nabcd\r\n";
    EXPECT_EQ(decode(bytes + "0\r\n\r\n", 1, 12).status, 0);
    EXPECT_EQ(decode(bytes + "0\r\n\r\n", 1, 11).status, 413);
}

TEST(HttpChunked, LeavesTheNextMessageAlone) {
    EXPECT_EQ(decode("1\r\nx\r\n0\r\n\r\nGET /", 100).rest, "GET /");
}

RC_GTEST_PROP(HttpChunkedProperties, AnyBodyInAnySplitComesBack,
              (const std::vector<std::string>& parts)) {
    std::string bytes, body;
    for (const auto& part : parts) {
        if (part.empty()) continue;
        char size[16];
        std::snprintf(size, sizeof size, "%zx\r\n", part.size());
        bytes += size + part + "\r\n";
        body += part;
    }
    bytes += "0\r\n\r\n";
    auto step = *rc::gen::inRange<std::size_t>(1, bytes.size() + 1);
    auto got = decode(bytes, step, body.size());
    RC_ASSERT(got.status == 0);
    RC_ASSERT(got.body == body);
}

RC_GTEST_PROP(HttpHeadProperties, TheEndIsFoundInAnySplit, ()) {
    std::string head = post + "Content-Length: 5\r\nX: y\r\n\r\n";
    std::string bytes = head + "hello";
    std::size_t scanned = 0;
    std::size_t have = 0;
    for (;;) {
        have = std::min(bytes.size(), have + *rc::gen::inRange<std::size_t>(1, 30));
        auto size = find_request_head_end(std::string_view(bytes).substr(0, have), scanned, {});
        RC_ASSERT(size.has_value());
        RC_ASSERT(*size == (have >= head.size() ? head.size() : 0));
        if (*size > 0) break;
    }
}

// ---- headers as a value

TEST(HttpHeadersValue, AddSetRemove) {
    HttpHeaders headers;
    headers.add("A", "1");
    headers.add("b", "2");
    headers.add("a", "3");
    EXPECT_EQ(headers.get("A"), "1");
    headers.set("a", "4");
    EXPECT_EQ(headers.count("A"), 1u);
    EXPECT_EQ(headers.get("A"), "4");
    headers.remove("B");
    EXPECT_EQ(headers.size(), 1u);
}

TEST(HttpHeadersValue, NoValueEndsItsLine) {
    HttpHeaders headers;
    headers.add("X", "a\r\nSet-Cookie: b\0c"s);
    EXPECT_EQ(headers.get("X"), "a  Set-Cookie: b c");
}

} // namespace
} // namespace holdfast::net
