#include "net/http_connection.h"

#include "net/client_network.h"
#include "net/waiter.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>

namespace holdfast::net {

namespace {

constexpr unsigned max_in_a_row = 16; ///< pipelined requests before others get a turn
constexpr std::size_t copied_body_bytes =
    16 * 1024; ///< larger ones are written from where they are
constexpr Duration linger_timeout = std::chrono::seconds{2};
/// So long a client may take for a request before its connection is given to another.
constexpr Duration client_patience = std::chrono::seconds{1};
constexpr std::string_view our_fault = "Something went wrong on our side.";

/// Headers that are the server's own business.
bool is_framing(std::string_view name) {
    constexpr std::array names{"Content-Length", "Transfer-Encoding", "Connection", "Date"};
    return std::any_of(names.begin(), names.end(),
                       [name](const char* n) { return equals_ignoring_case(name, n); });
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7)
std::string http_date(std::int64_t unix_second) {
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::chrono::sys_seconds at{std::chrono::seconds{unix_second}};
    auto day = std::chrono::floor<std::chrono::days>(at);
    std::chrono::year_month_day date{day};
    std::chrono::hh_mm_ss time{at - day};
    return fmt::format(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[std::chrono::weekday{day}.c_encoding()],
        static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
        time.seconds().count());
}

const std::string& date_line(HttpServerState& state) {
    std::int64_t second = unix_seconds(Env::current().wall());
    if (second != state.date_second) {
        state.date_second = second;
        state.date_line = "Date: " + http_date(second) + "\r\n";
    }
    return state.date_line;
}

} // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpServerState> state, TcpSocket socket,
                               std::string peer)
    : state_(std::move(state)),
      stream_(std::move(socket)),
      waiting_(*this),
      peer_(std::move(peer)),
      network_(client_network(peer_)) {
    ++state_->stats.connections;
    ++state_->networks[network_];
    link_before(state_->connections);
    waiting_.wait_in(state_->newcomers);
}

HttpConnection::~HttpConnection() {
    release_body();
    --state_->stats.connections;
    auto network = state_->networks.find(network_);
    if (--network->second == 0) state_->networks.erase(network);
}

HttpConnection* HttpServerState::least_needed(const std::string* network) const {
    const MonoTime now = MonotonicClock::now();
    auto first = [&](const ListHook& list, Duration waited) -> HttpConnection* {
        for (ListHook* at = list.next(); at != &list; at = at->next()) {
            auto& hook = *static_cast<HttpWaitHook*>(at);
            if (now - hook.since < waited) break;
            if (network == nullptr || hook.connection.network() == *network)
                return &hook.connection;
        }
        return nullptr;
    };
    if (auto* silent = first(newcomers, client_patience)) return silent;
    if (auto* unused = first(idle, Duration{0})) return unused;
    if (auto* slow = first(reading, client_patience)) return slow;
    return first(newcomers, Duration{0});
}

void HttpConnection::release_body() {
    state_->bodies.used -= body_bytes_;
    body_bytes_ = 0;
}

Task<void> HttpConnection::run(std::unique_ptr<HttpConnection> self) {
    if (!self->stream_.prepare()) co_return Result<void>{};
    while (co_await self->serve_one() == Next::Continue) {
        if (++self->in_a_row_ < max_in_a_row) continue;
        self->in_a_row_ = 0;
        co_await asio::post(asio::deferred);
    }
    co_return Result<void>{};
}

Task<void> HttpConnection::turn_away(std::unique_ptr<HttpConnection> self, HttpProblem problem) {
    self->waiting_.unlink(); // closing it makes no room
    if (!self->stream_.prepare()) co_return Result<void>{};
    (void)co_await self->refuse(problem);
    co_return Result<void>{};
}

asio::awaitable<HttpConnection::Next> HttpConnection::serve_one() {
    HttpParsed<HttpRequestHead> head{HttpRequestHead{}};
    std::size_t head_bytes = 0;
    if (co_await read_head(head, head_bytes) == Next::Close) co_return Next::Close;
    if (!head) co_return co_await refuse(head.error());

    HttpRequest request;
    request.method = head->method; // these point into the buffer: taken before it moves on
    request.path = head->path;
    request.query = head->query;
    request.headers = std::move(head->headers);
    request.peer = peer_;
    request.received = MonotonicClock::now();
    request.deadline = Deadline::at(request.received + state_->options.request_timeout);
    bool to_head = request.method == "HEAD";
    stream_.consume(head_bytes);
    if (head->length_missing && !stream_.buffered().empty()) {
        co_return co_await refuse({411, "length_required", "Send a Content-Length with the body."});
    }
    if (co_await receive_body(*head, request) == Next::Close) co_return Next::Close;
    waiting_.unlink();
    served_ = true;
    receiving_ = false;

    HttpServerStats& stats = state_->stats;
    ++stats.requests;
    ++stats.requests_running;
    HttpResponse response = co_await handle(std::move(request));
    --stats.requests_running;
    release_body();
    if (state_->draining && stats.requests_running == 0) state_->requests_done.set();
    bool keep = head->keep_alive && !state_->draining;
    co_return co_await answer(std::move(response),
                              {.keep_alive = keep,
                               .say_keep_alive = keep && head->minor_version == 0,
                               .without_body = to_head,
                               .input_unread = !stream_.buffered().empty()});
}

asio::awaitable<HttpConnection::Next> HttpConnection::read_head(HttpParsed<HttpRequestHead>& head,
                                                                std::size_t& head_bytes) {
    const HttpLimits& limits = state_->options.limits;
    std::size_t scanned = 0;
    bool begun = false;
    const HttpServerOptions& options = state_->options;
    Deadline deadline = Deadline::after(served_ ? options.idle_timeout : options.head_timeout);
    for (;;) {
        std::string_view have = stream_.buffered();
        if (!have.empty()) {
            auto size = find_request_head_end(have, scanned, limits);
            if (!size) {
                head = std::unexpected(size.error());
                co_return Next::Continue;
            }
            if (*size > 0) {
                head_bytes = *size;
                head = parse_request_head(have.substr(0, *size), limits);
                co_return Next::Continue;
            }
            if (!begun) deadline = Deadline::after(options.head_timeout);
            if (!begun && served_) waiting_.wait_in(state_->reading);
            begun = receiving_ = true;
        } else if (served_) {
            waiting_.wait_in(state_->idle);
        }
        in_a_row_ = 0;
        Io io = co_await stream_.fill(limits.head_bytes + 1, deadline);
        if (io != Io::Done) co_return co_await read_failed(io, begun);
    }
}

asio::awaitable<HttpConnection::Next> HttpConnection::receive_body(const HttpRequestHead& head,
                                                                   HttpRequest& request) {
    if (head.body == HttpBody::None) co_return Next::Continue;
    if (served_) waiting_.wait_in(state_->reading);
    const HttpServerOptions& options = state_->options;
    if (head.expects_continue && stream_.buffered().empty()) {
        Io io = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n", "",
                                       Deadline::after(state_->options.write_timeout));
        if (io != Io::Done) co_return Next::Close;
    }
    auto outcome = co_await read_http_body(stream_,
                                           {.kind = head.body,
                                            .length = head.content_length,
                                            .limit = options.limits.body_bytes,
                                            .deadline = Deadline::after(options.body_timeout),
                                            .slowest = Deadline::after(options.body_grace),
                                            .rate_min = options.body_rate_min,
                                            .budget = &state_->bodies},
                                           request.body);
    body_bytes_ = request.body.size();
    if (!outcome.parsed) co_return co_await refuse(outcome.parsed.error());
    if (outcome.io != Io::Done) co_return co_await read_failed(outcome.io, true);
    co_return Next::Continue;
}

asio::awaitable<HttpResponse> HttpConnection::handle(HttpRequest request) {
    try {
        Result<HttpResponse> response = co_await state_->handler(std::move(request));
        if (response) co_return std::move(*response);
        const Error& error = response.error();
        int status = status_of(error.kind);
        // What went wrong inside is for the log of whoever made the error, not for strangers.
        if (status == 500) co_return state_->options.render_error({500, error.code, our_fault});
        co_return state_->options.render_error({status, error.code, error.message});
    } catch (const std::exception& e) {
        ++state_->stats.handler_bugs;
        BUG(std::string("an HTTP handler threw: ") + e.what());
    } catch (...) {
        ++state_->stats.handler_bugs;
        BUG("an HTTP handler threw something");
    }
    co_return state_->options.render_error({500, "internal_error", our_fault});
}

asio::awaitable<HttpConnection::Next> HttpConnection::answer(HttpResponse response, Reply reply) {
    if (response.delivery == HttpDelivery::Never) co_return Next::Close;
    write_head(response, reply);
    std::string_view body;
    if (!reply.without_body && !has_no_body(response.status)) {
        if (response.body.size() <= copied_body_bytes)
            out_ += response.body;
        else
            body = response.body;
    }
    if (response.delivery == HttpDelivery::Twice) out_ += std::string(out_).insert(0, body);
    Io io = co_await stream_.write(out_, body, Deadline::after(state_->options.write_timeout));
    if (io == Io::TimedOut) ++state_->stats.timeouts;
    if (io != Io::Done) co_return Next::Close;
    if (!reply.keep_alive && reply.input_unread) {
        co_await stream_.linger(Deadline::after(linger_timeout));
    }
    co_return reply.keep_alive ? Next::Continue : Next::Close;
}

asio::awaitable<HttpConnection::Next> HttpConnection::refuse(HttpProblem problem) {
    ++state_->stats.refused_requests;
    HttpResponse response = state_->options.render_error(problem);
    if (problem.status == 503 || problem.status == 429) response.headers.set("Retry-After", "1");
    co_return co_await answer(std::move(response), {.input_unread = true});
}

asio::awaitable<HttpConnection::Next> HttpConnection::read_failed(Io io, bool begun) {
    if (io != Io::TimedOut) co_return Next::Close;
    ++state_->stats.timeouts;
    if (!begun) co_return Next::Close;
    co_return co_await refuse({408, "request_timeout", "The request took too long to arrive."});
}

void HttpConnection::write_head(const HttpResponse& response, const Reply& reply) {
    out_.clear();
    auto to = std::back_inserter(out_);
    fmt::format_to(to, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    out_ += date_line(*state_);
    for (std::size_t i = 0; i < response.headers.size(); ++i) {
        HttpField field = response.headers[i];
        if (is_framing(field.name)) continue;
        out_.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    if (!has_no_body(response.status)) {
        fmt::format_to(to, "Content-Length: {}\r\n", response.body.size());
    }
    if (!reply.keep_alive)
        out_ += "Connection: close\r\n";
    else if (reply.say_keep_alive)
        out_ += "Connection: keep-alive\r\n";
    out_ += "\r\n";
}

} // namespace holdfast::net
