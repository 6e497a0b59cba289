#include "net/http_client.h"

#include "net/http_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>

namespace holdfast::net {

namespace {

constexpr int max_interim_answers = 8; ///< 1xx before the answer
constexpr std::size_t copied_body_bytes = 16 * 1024;

bool is_framing(std::string_view name) {
    constexpr std::array names{"Content-Length", "Transfer-Encoding", "Connection", "Host"};
    return std::any_of(names.begin(), names.end(),
                       [name](const char* n) { return equals_ignoring_case(name, n); });
}

bool is_visible(char c) { return c > ' ' && c < 0x7F; }

Result<void> check(const HttpClientRequest& request) {
    bool target_ok = request.target.starts_with('/') &&
                     std::all_of(request.target.begin(), request.target.end(), is_visible);
    bool host_ok = !request.host.empty() &&
                   std::all_of(request.host.begin(), request.host.end(), is_visible) &&
                   request.host.find_first_of("/@?#") == std::string::npos;
    if (!is_http_token(request.method) || !target_ok || !host_ok || request.port == 0) {
        return fail(ErrorClass::Invalid, "http_request",
                    "The method, host or target is malformed.");
    }
    return {};
}

std::string write_head(const HttpClientRequest& request) {
    std::string head;
    head.reserve(256 + request.target.size());
    auto to = std::back_inserter(head);
    bool v6 = request.host.find(':') != std::string::npos;
    fmt::format_to(to, "{} {} HTTP/1.1\r\nHost: {}{}{}", request.method, request.target,
                   v6 ? "[" : "", request.host, v6 ? "]" : "");
    if (request.port != HttpUrl{}.port) fmt::format_to(to, ":{}", request.port);
    head += "\r\n";
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        HttpField field = request.headers[i];
        if (is_framing(field.name)) continue;
        head.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    bool sends_body =
        request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (sends_body || !request.body.empty()) {
        fmt::format_to(to, "Content-Length: {}\r\n", request.body.size());
    }
    head += "\r\n";
    return head;
}

struct Exchange {
    HttpResponse response;
    std::string_view failed; ///< code of what went wrong, empty: nothing
    std::string_view detail;
    bool sent = false;     ///< a byte of the request has left
    bool answered = false; ///< a byte of an answer has come
    bool timed_out = false;
    bool reusable = false;
};

void note_failure(Exchange& exchange, Io io) {
    exchange.timed_out = io == Io::TimedOut;
    switch (io) {
        case Io::TimedOut:
            exchange.failed = "http_answer_late";
            exchange.detail = "the deadline passed";
            return;
        case Io::Stopped:
            exchange.failed = exchange.sent ? "http_answer_lost" : "cancelled";
            exchange.detail = "the request was cancelled";
            return;
        case Io::End:
        case Io::Failed:
        case Io::Done: break;
    }
    exchange.failed = "http_answer_lost";
    exchange.detail = "the connection was closed";
}

/// Reads answers until one that is not interim.
asio::awaitable<void> read_head(HttpStream& stream, const HttpClientOptions& options, bool to_head,
                                Deadline deadline, Exchange& exchange, HttpResponseHead& head) {
    for (int interim = 0; interim <= max_interim_answers; ++interim) {
        std::size_t scanned = 0;
        HttpParsed<std::size_t> size = 0;
        for (;;) {
            size = find_response_head_end(stream.buffered(), scanned, options.limits);
            if (!size || *size > 0) break;
            Io io = co_await stream.fill(options.limits.head_bytes + 1, deadline);
            if (io != Io::Done) co_return note_failure(exchange, io);
            exchange.answered = true;
        }
        std::string_view text = stream.buffered().substr(0, size.value_or(0));
        auto parsed = size ? parse_response_head(text, options.limits, to_head)
                           : HttpParsed<HttpResponseHead>(std::unexpected(size.error()));
        stream.consume(text.size());
        if (!parsed) {
            exchange.failed = "http_bad_answer";
            exchange.detail = parsed.error().message;
            co_return;
        }
        head = std::move(*parsed);
        if (head.status >= 200) co_return;
    }
    exchange.failed = "http_bad_answer";
    exchange.detail = "too many interim answers";
}

asio::awaitable<Exchange> exchange_over(HttpStream& stream, const HttpClientOptions& options,
                                        const HttpClientRequest& request, Deadline deadline) {
    Exchange exchange;
    std::string head = write_head(request);
    std::string_view body = request.body;
    if (body.size() <= copied_body_bytes) {
        head += body;
        body = {};
    }
    Io io = co_await stream.write(head, body, deadline, &exchange.sent);
    if (io != Io::Done) {
        note_failure(exchange, io);
        co_return exchange;
    }
    HttpResponseHead answer;
    co_await read_head(stream, options, request.method == "HEAD", deadline, exchange, answer);
    if (!exchange.failed.empty()) co_return exchange;

    HttpBodyBudget unbounded{std::numeric_limits<std::size_t>::max()};
    auto outcome = co_await read_http_body(stream,
                                           {.kind = answer.body,
                                            .length = answer.content_length,
                                            .limit = options.limits.body_bytes,
                                            .deadline = deadline,
                                            .budget = &unbounded},
                                           exchange.response.body);
    if (!outcome.parsed) {
        exchange.failed = "http_bad_answer";
        exchange.detail = outcome.parsed.error().message;
    } else if (outcome.io != Io::Done) {
        note_failure(exchange, outcome.io);
    }
    exchange.response.status = answer.status;
    exchange.response.headers = std::move(answer.headers);
    exchange.reusable = exchange.failed.empty() && answer.keep_alive && stream.buffered().empty();
    co_return exchange;
}

Error error_of(const Exchange& exchange, const HttpClientRequest& request) {
    Error error;
    error.code = exchange.failed;
    error.message =
        fmt::format("{} {}:{}: {}", request.method, request.host, request.port, exchange.detail);
    if (exchange.sent)
        error.kind = ErrorClass::Unknown;
    else if (exchange.timed_out)
        error.kind = ErrorClass::Deadline;
    else
        error.kind = ErrorClass::Unavailable;
    return error;
}

} // namespace

Result<HttpUrl> parse_http_url(std::string_view url) {
    auto refuse = [&] {
        return fail(ErrorClass::Invalid, "http_url",
                    fmt::format("'{}' is not of the form http://host:port/path.", url));
    };
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme)) return refuse();
    std::string_view rest = url.substr(scheme.size());
    HttpUrl parsed;
    std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, path);
    if (path < rest.size()) parsed.target = rest.substr(path);
    if (parsed.target.front() == '?') parsed.target.insert(0, "/");

    std::string_view port;
    if (authority.starts_with('[')) {
        std::size_t end = authority.find(']');
        if (end == std::string_view::npos) return refuse();
        parsed.host = authority.substr(1, end - 1);
        authority.remove_prefix(end + 1);
        if (!authority.empty() && authority.front() != ':') return refuse();
        port = authority;
    } else {
        std::size_t colon = std::min(authority.find(':'), authority.size());
        parsed.host = authority.substr(0, colon);
        port = authority.substr(colon);
    }
    if (!port.empty()) {
        port.remove_prefix(1);
        auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
        if (ec != std::errc() || end != port.data() + port.size()) return refuse();
    }
    bool fragment = parsed.target.find('#') != std::string::npos;
    HttpClientRequest probe{.host = parsed.host, .port = parsed.port, .target = parsed.target};
    if (fragment || !check(probe)) return refuse();
    return parsed;
}

struct HttpClient::Pool : HttpPool {
    using HttpPool::HttpPool;
};

HttpClient::HttpClient(Loop& loop, HttpClientOptions options)
    : pool_(std::make_shared<Pool>(loop, options)) {}

HttpClient::~HttpClient() { pool_->close_idle(); }

const HttpClientStats& HttpClient::stats() const { return pool_->stats; }
void HttpClient::close_idle() { pool_->close_idle(); }

void HttpClient::observe(Registry& registry, const std::string& name) const {
    export_stats(registry, pool_, name);
}

Task<HttpResponse> HttpClient::request(HttpClientRequest request, Deadline deadline) {
    auto pool = pool_; // the client may go away while this runs
    CO_TRY_VOID(check(request));
    ++pool->stats.requests;
    for (bool fresh = false;; fresh = true) {
        CO_TRY(auto lease, co_await pool->acquire(request.host, request.port, fresh, deadline));
        if (deadline.passed()) {
            co_return fail(ErrorClass::Deadline, "http_no_connection",
                           "The time had passed before the request could be sent.");
        }
        Exchange exchange =
            co_await exchange_over(*lease->stream, pool->options(), request, deadline);
        if (exchange.failed.empty()) {
            if (exchange.reusable) lease->keep();
            co_return std::move(exchange.response);
        }
        // The peer had given up this idle connection; on a new one it gets its chance, once.
        bool stale = lease->reused && !exchange.answered && exchange.failed == "http_answer_lost";
        if (stale && (!exchange.sent || request.safe_to_resend)) {
            ++pool->stats.resent;
            continue;
        }
        if (exchange.sent) ++pool->stats.unknown;
        co_return fail(error_of(exchange, request));
    }
}

} // namespace holdfast::net
