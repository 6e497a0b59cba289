#include "gateway/acquirer_server.h"

#include "base/form.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "gateway/fault_json.h"
#include "gateway/wire.h"

#include <charconv>
#include <span>

namespace holdfast::gateway {

namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view operations_path = "/v1/operations";
constexpr std::string_view cards_path = "/v1/cards";
constexpr std::string_view browser_path = "/browser/v1/cards";
constexpr std::string_view reverse_suffix = "/reverse";
constexpr Duration request_timeout = std::chrono::seconds{60};

HttpResponse json_response(int status, std::string body) {
    HttpResponse response;
    response.status = status;
    response.headers.add("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

HttpResponse error_response(const Error& error) {
    return json_response(error_status(error), encode_error(error));
}

HttpResponse respond(const Result<std::string>& body) {
    return body ? json_response(200, *body) : error_response(body.error());
}

Error no_such_path() {
    return {.kind = ErrorClass::NotFound,
            .code = "path_unknown",
            .message = "There is nothing at this path for this method."};
}

std::unexpected<Error> bad_parameter(std::string_view name) {
    return fail({.kind = ErrorClass::Invalid,
                 .code = "parameter_invalid",
                 .message = "The value of this parameter can't be used.",
                 .param = std::string(name)});
}

/// An integer parameter of a query, or `otherwise`.
Result<std::int64_t> integer_of(const FormNode& query, std::string_view name,
                                std::int64_t otherwise) {
    if (query.find(name) == nullptr) return otherwise;
    const std::string* text = query.find_text(name);
    if (text == nullptr) return bad_parameter(name);
    std::int64_t value = 0;
    auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (problem != std::errc() || end != text->data() + text->size()) return bad_parameter(name);
    return value;
}

Result<std::size_t> limit_of(const FormNode& query) {
    TRY(std::int64_t limit, integer_of(query, "limit", 100));
    if (limit < 1 || limit > static_cast<std::int64_t>(AcquirerServer::page_max)) {
        return bad_parameter("limit");
    }
    return static_cast<std::size_t>(limit);
}

Result<core::Operation> reference_of(std::string_view text) {
    auto id = Id<core::Operation>::parse(text);
    if (!id) return bad_parameter("reference");
    core::Operation operation;
    operation.id = *id;
    return operation;
}

/// The handler's copy of a request that may hold a card number.
struct WipedAtEnd {
    std::string& text;
    ~WipedAtEnd() { wipe(text.data(), text.size()); }
};

} // namespace

// --- Life -------------------------------------------------------------------------------------

AcquirerServer::AcquirerServer(net::Loop& loop, Env& env, AcquirerServerOptions options)
    : env_(env),
      options_(std::move(options)),
      signer_(options_.secret),
      fingerprint_key_(options_.secret.reveal()),
      books_([this](const BookEntry& entry) { file_->add(entry); }),
      draining_(loop, net::Event::Reset::Manual),
      late_(loop, "late_bookings") {}

AcquirerServer::~AcquirerServer() = default;

Result<std::unique_ptr<AcquirerServer>> AcquirerServer::create(net::Loop& loop, Env& env,
                                                               Offload& offload,
                                                               AcquirerServerOptions options) {
    net::HttpServerOptions http{.address = options.address,
                                .port = options.port,
                                .reuse_port = options.reuse_port,
                                .max_connections = options.connections_max,
                                .request_timeout = request_timeout};
    http.limits.body_bytes = request_bytes_max;
    std::unique_ptr<AcquirerServer> self(new AcquirerServer(loop, env, std::move(options)));
    auto replay = [&books = self->books_](const BookEntry& entry) { return books.replay(entry); };
    TRY(self->file_,
        BooksFile::open(loop, offload, self->options_.books_directory + "/books", replay));
    TRY(self->http_,
        net::HttpServer::create(loop, std::move(http), [server = self.get()](HttpRequest request) {
            return server->handle(std::move(request));
        }));
    const BookTotals totals = self->books_.totals();
    log::info("books_open", {{"operations", totals.operations}, {"cards", totals.cards}});
    return self;
}

Task<void> AcquirerServer::drain(Deadline deadline) {
    draining_.set();
    auto drained = co_await http_->drain(deadline);
    CO_TRY_VOID(co_await late_.close(deadline));
    CO_TRY_VOID(co_await file_->close(deadline));
    co_return drained;
}

// --- Routes -----------------------------------------------------------------------------------

Task<HttpResponse> AcquirerServer::handle(HttpRequest request) {
    const std::string_view path = request.path;
    if (path.starts_with("/v1/")) return handle_signed(std::move(request));
    if (path == browser_path) return handle_browser(std::move(request));
    return handle_admin(std::move(request));
}

Task<HttpResponse> AcquirerServer::handle_signed(HttpRequest request) {
    WipedAtEnd wiped{request.body};
    std::string target = request.path;
    if (!request.query.empty()) target.append("?").append(request.query);
    auto nonce = signer_.verify(request.headers.get(signature_header),
                                SignedRequest{request.method, target, request.body}, env_.wall());
    if (!nonce) {
        log::warn("request_not_verified", {{"code", nonce.error().code}, {"peer", request.peer}});
        co_return error_response(nonce.error());
    }
    Reply reply = co_await dispatch(request);
    HttpResponse response = respond(reply.body);
    response.delivery = reply.delivery;
    response.headers.add(
        signature_header,
        signer_.sign(SignedAnswer{*nonce, response.status, response.body}, env_.wall()));
    co_return response;
}

net::asio::awaitable<AcquirerServer::Reply> AcquirerServer::dispatch(HttpRequest& request) {
    const bool get = request.method == "GET", post = request.method == "POST";
    std::string_view path = request.path;
    if (path == operations_path && post) {
        auto operation = decode_operation(request.body);
        if (!operation) co_return Reply{std::unexpected(operation.error())};
        co_return co_await call(CallKind::Execute, std::move(*operation));
    }
    if (path.starts_with(operations_path)) {
        path.remove_prefix(std::min(path.size(), operations_path.size() + 1));
        const bool reverse = post && path.ends_with(reverse_suffix);
        if (!reverse && !get) co_return Reply{fail(no_such_path())};
        if (reverse) path.remove_suffix(reverse_suffix.size());
        auto named = reference_of(path);
        if (!named) co_return Reply{std::unexpected(named.error())};
        co_return co_await call(reverse ? CallKind::Reverse : CallKind::Inquire, std::move(*named));
    }
    if (path == cards_path && post) co_return Reply{co_await tokenize(std::move(request.body))};
    if (path.starts_with(cards_path) && get) {
        path.remove_prefix(std::min(path.size(), cards_path.size() + 1));
        co_return Reply{look_up(path)};
    }
    if (path == "/v1/lines" && get) co_return Reply{lines(request.query)};
    co_return Reply{fail(no_such_path())};
}

Task<HttpResponse> AcquirerServer::handle_browser(HttpRequest request) {
    WipedAtEnd wiped{request.body};
    HttpResponse response;
    if (request.method == "OPTIONS") {
        response.status = 204;
        response.headers.add("Access-Control-Allow-Methods", "POST, OPTIONS");
        response.headers.add("Access-Control-Allow-Headers", "Content-Type");
        response.headers.add("Access-Control-Max-Age", "86400");
    } else if (request.method == "POST") {
        response = respond(co_await tokenize(request.body));
    } else {
        response = error_response(no_such_path());
    }
    // Any shop's page: what is given out is a vault token, good only for who holds the secret.
    response.headers.add("Access-Control-Allow-Origin", "*");
    response.headers.add("Cache-Control", "no-store");
    co_return response;
}

Task<HttpResponse> AcquirerServer::handle_admin(HttpRequest request) {
    const std::string_view path = request.path;
    const bool get = request.method == "GET";
    if (path == "/livez" && get) co_return json_response(200, R"({"alive":true})");
    if (path == "/readyz" && get) co_return readiness();
    const std::string& token = options_.admin_token.reveal();
    if (!path.starts_with("/admin/") || token.empty()) co_return error_response(no_such_path());
    if (!constant_time_equal(request.headers.get("Authorization"), "Bearer " + token)) {
        co_return error_response({.kind = ErrorClass::Auth,
                                  .code = "admin_token_wrong",
                                  .message = "Send Authorization: Bearer with the admin token."});
    }
    if (path == "/admin/faults" && request.method == "PUT") {
        auto plan = parse_fault_plan(request.body);
        if (!plan) co_return error_response(plan.error());
        faults_.set(*plan);
        log::info("faults_set", {{"plan", render_fault_plan(faults_)}});
        co_return json_response(200, render_fault_plan(faults_));
    }
    if (!get) co_return error_response(no_such_path());
    if (path == "/admin/faults") co_return json_response(200, render_fault_plan(faults_));
    CO_TRY_VOID(co_await file_->durable(request.deadline)); // the books as they will be found again
    if (path == "/admin/books") co_return json_response(200, summary());
    if (path == "/admin/lines") co_return respond(lines(request.query));
    if (path == "/admin/purchases") co_return respond(purchases(request.query));
    co_return error_response(no_such_path());
}

HttpResponse AcquirerServer::readiness() const {
    if (!file_->failed()) return json_response(200, R"({"ready":true})");
    return json_response(503, R"({"ready":false,"reason":"books_failed"})");
}

// --- Operations -------------------------------------------------------------------------------

net::asio::awaitable<AcquirerServer::Reply> AcquirerServer::call(CallKind kind,
                                                                 core::Operation operation) {
    const Fate fate = faults_.next(kind);
    if (fate.delay > Duration{0}) (void)co_await draining_.wait(Deadline::after(fate.delay));
    if (fate.is(FaultKind::BookLate)) {
        (void)late_.spawn(decide_late(std::move(operation), kind, fate.late));
        co_return Reply{"", net::HttpDelivery::Never};
    }
    const bool decided = !fate.is(FaultKind::Disconnect) && fate.decided;
    Result<AcquirerAnswer> answer{AcquirerAnswer{}};
    if (decided) {
        if (fate.is(FaultKind::AnswerTwice)) (void)co_await decide(kind, operation);
        answer = co_await decide(kind, std::move(operation));
    }
    if (fate.is(FaultKind::Disconnect) || fate.is(FaultKind::LoseAnswer)) {
        co_return Reply{"", net::HttpDelivery::Never};
    }
    if (fate.is(FaultKind::ServerError)) {
        co_return Reply{fail(ErrorClass::Bug, "internal_error", "The acquirer failed on purpose.")};
    }
    if (!answer) co_return Reply{std::unexpected(std::move(answer).error())};
    co_return Reply{encode_answer(*answer), fate.is(FaultKind::AnswerTwice)
                                                ? net::HttpDelivery::Twice
                                                : net::HttpDelivery::Once};
}

/// Whether more can be booked: nothing was done when it can't.
Result<void> AcquirerServer::has_room() const {
    if (!file_->full()) return {};
    return fail(ErrorClass::Overload, "books_busy", "The disk of the acquirer's books is slow.");
}

Task<AcquirerAnswer> AcquirerServer::decide(CallKind kind, core::Operation operation) {
    if (kind != CallKind::Inquire) CO_TRY_VOID(has_room());
    Result<AcquirerAnswer> answer{AcquirerAnswer{}};
    switch (kind) {
        case CallKind::Execute: answer = books_.execute(operation, env_.wall()); break;
        case CallKind::Inquire: answer = books_.inquire(operation.id); break;
        case CallKind::Reverse: answer = books_.reverse(operation.id, env_.wall()); break;
    }
    // A refusal too may rest on an entry that is not on disk yet.
    CO_TRY_VOID(co_await file_->durable(Deadline::after(request_timeout)));
    co_return answer;
}

Task<void> AcquirerServer::decide_late(core::Operation operation, CallKind kind, Duration late) {
    CO_TRY(bool draining, co_await draining_.wait(Deadline::after(late)));
    if (draining) co_return Result<void>{};
    auto answer = co_await decide(kind, operation);
    log::info("decided_late",
              {{"reference", operation.id},
               {"finding", answer ? to_string(answer->finding) : answer.error().code}});
    co_return Result<void>{};
}

Task<std::string> AcquirerServer::tokenize(std::string body) {
    WipedAtEnd wiped{body};
    CO_TRY(TokenizeMessage message, decode_tokenize(body));
    WipedAtEnd number{message.card.number};
    WipedAtEnd cvc{message.card.cvc};
    CO_TRY_VOID(has_room());
    if (books_.totals().cards >= cards_max) {
        co_return fail(ErrorClass::Overload, "vault_full", "The vault holds no more cards.");
    }
    Uuid random;
    env_.fill_random(std::as_writable_bytes(std::span(random.bytes)));
    CO_TRY(Vaulted vaulted,
           books_.tokenize(message.account, message.card, fingerprint_key_, random, env_.wall()));
    CO_TRY_VOID(co_await file_->durable(Deadline::after(request_timeout)));
    co_return encode_vaulted(vaulted);
}

// --- Reading ----------------------------------------------------------------------------------

Result<std::string> AcquirerServer::look_up(std::string_view vault_token) const {
    TRY(Vaulted vaulted, books_.look_up(vault_token));
    return encode_vaulted(vaulted);
}

Result<std::string> AcquirerServer::lines(std::string_view query) const {
    TRY(FormNode parameters, parse_form(query));
    Books::Range range;
    TRY(range.limit, limit_of(parameters));
    if (const std::string* after = parameters.find_text("after")) range.after = *after;
    constexpr std::int64_t earliest = INT64_MIN, latest = INT64_MAX;
    TRY(std::int64_t from, integer_of(parameters, "from", earliest));
    TRY(std::int64_t until, integer_of(parameters, "until", latest));
    range.from = wall_from_micros(from);
    range.until = wall_from_micros(until);
    TRY(auto found, books_.lines(range));
    return encode_lines(found);
}

Result<std::string> AcquirerServer::purchases(std::string_view query) const {
    TRY(FormNode parameters, parse_form(query));
    TRY(std::size_t limit, limit_of(parameters));
    TRY(std::int64_t skip, integer_of(parameters, "skip", 0));
    if (skip < 0) return bad_parameter("skip");
    const std::string* purchase_id = parameters.find_text("purchase_id");
    auto found = purchase_id ? books_.purchases_of(*purchase_id)
                             : books_.purchases(static_cast<std::size_t>(skip), limit);
    JsonWriter w(64 + found.size() * 128);
    w.begin_object();
    w.key("purchases");
    w.begin_array();
    for (const Purchase& purchase : found) {
        w.begin_object();
        w.field("purchase_id", purchase.purchase_id);
        w.field("currency", purchase.currency.code());
        w.field("charges", purchase.charges);
        w.field("net", purchase.net_minor);
        w.field("held", purchase.held_minor);
        w.end_object();
    }
    w.end_array();
    w.end_object();
    return std::move(w).take();
}

std::string AcquirerServer::summary() const {
    const BookTotals totals = books_.totals();
    const BooksFileStats& file = file_->stats();
    JsonWriter w;
    w.begin_object();
    w.field("lines", totals.lines);
    w.field("operations", totals.operations);
    w.field("cards", totals.cards);
    w.field("doubled", totals.doubled);
    w.field("repeats", totals.repeats);
    w.field("refused_late", totals.refused_late);
    w.field("entries_written", file.entries);
    w.field("syncs", file.syncs);
    w.field("bytes_written", file.bytes);
    w.end_object();
    return std::move(w).take();
}

} // namespace holdfast::gateway
