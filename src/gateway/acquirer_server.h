#pragma once

// AcquirerServer: the simulated card acquirer, behind `holdfast acquirer`.
//
// A process of its own with books of its own on disk (books.h, books_file.h): an independent
// witness of what was really charged. It speaks the protocol of
// docs/reference/acquirer-protocol.md and nothing of it depends on Holdfast's database.
//
//   POST /v1/operations, GET /v1/operations/REF, POST /v1/operations/REF/reverse,
//   GET /v1/lines, POST /v1/cards, GET /v1/cards/TOKEN       signed (signature.h)
//   POST /browser/v1/cards          from the payer's browser: CORS, no signature, merchant id only
//   GET, PUT /admin/faults          how it misbehaves (fault_json.h)
//   GET /admin/books, /admin/lines, /admin/purchases         what is in the books
//   GET /livez, /readyz
//
// An answer leaves only when what it says is on disk. A card number is never logged or kept.
//
//   TRY(auto acquirer, AcquirerServer::create(loop, env, offload, options));
//   acquirer->start();
//   log::info("listening", {{"port", acquirer->port()}});
//   ... co_await acquirer->drain(deadline);
//
// Limits: options, request_bytes_max, cards_max (503 "vault_full"), the books' group
// (503 "books_busy"). When the books can't be written it answers 500 and /readyz 503 until it is
// started again. Thread: that of the Loop. drain() before destruction.

#include "gateway/books.h"
#include "gateway/books_file.h"
#include "gateway/faults.h"
#include "gateway/signature.h"
#include "net/http_server.h"
#include "net/timer.h"

#include <memory>

namespace holdfast::gateway {

struct AcquirerServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  ///< 0: any free one, see port()
    bool reuse_port = false; ///< somebody keeps the port reserved
    std::string books_directory;
    SecretString secret;      ///< shared with the payment-api
    SecretString admin_token; ///< Authorization: Bearer; empty: there is no admin API
    std::size_t connections_max = 1024;
};

class AcquirerServer {
  public:
    static constexpr std::size_t request_bytes_max = 64 << 10;
    static constexpr std::int64_t cards_max = 1'000'000;
    static constexpr std::size_t page_max = 1000;

    /// Reads the books (blocks) and binds. Errors: those of BooksFile and HttpServer.
    static Result<std::unique_ptr<AcquirerServer>> create(net::Loop& loop, Env& env,
                                                          Offload& offload,
                                                          AcquirerServerOptions options);
    ~AcquirerServer();

    void start() { http_->start(); }
    std::uint16_t port() const { return http_->port(); }
    const Books& books() const { return books_; }

    /// Answers what is under way without further delay, writes the books out, closes them. Late
    /// bookings that have not happened yet are messages that got lost.
    Task<void> drain(Deadline deadline);

  private:
    AcquirerServer(net::Loop& loop, Env& env, AcquirerServerOptions options);

    Task<net::HttpResponse> handle(net::HttpRequest request);
    Task<net::HttpResponse> handle_signed(net::HttpRequest request);
    Task<net::HttpResponse> handle_browser(net::HttpRequest request);
    Task<net::HttpResponse> handle_admin(net::HttpRequest request);

    /// What a signed request comes to, before it is signed.
    struct Reply {
        Result<std::string> body;
        net::HttpDelivery delivery = net::HttpDelivery::Once;
    };
    net::asio::awaitable<Reply> dispatch(net::HttpRequest& request);
    net::asio::awaitable<Reply> call(CallKind kind, core::Operation operation);
    Task<AcquirerAnswer> decide(CallKind kind, core::Operation operation);
    Task<void> decide_late(core::Operation operation, CallKind kind, Duration late);
    Task<std::string> tokenize(std::string body);
    Result<std::string> look_up(std::string_view vault_token) const;
    Result<std::string> lines(std::string_view query) const;
    Result<std::string> purchases(std::string_view query) const;
    std::string summary() const;
    Result<void> has_room() const;
    net::HttpResponse readiness() const;

    Env& env_;
    AcquirerServerOptions options_;
    Signer signer_;
    HmacKey fingerprint_key_;
    std::unique_ptr<BooksFile> file_;
    Books books_;
    FaultInjector faults_;
    net::Event draining_; ///< ends every wait that a fault asked for
    net::Gate late_;
    std::unique_ptr<net::HttpServer> http_;
};

} // namespace holdfast::gateway
