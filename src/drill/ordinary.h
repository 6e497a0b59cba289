#pragma once

// Ordinary: a payment API as most are built, on the same PostgreSQL pair and the same acquirer, for
// `--unprotected`: what the same fault does there shows that it is real.
//
//   a transaction per payment, with the acquirer called inside it; one row per merchant that holds
//   its balance; a fixed pool of pool_usual connections; no timeouts anywhere; no retries; an error
//   of the database is a 500
//
// It answers POST /v1/payment_intents, POST /v1/payment_intents/ID/confirm, GET of one and of the
// newest ten, and says the same of /v1/charges: enough for the drill's clients. Runs in the drill's
// process, on the drill's loop.
//
// Owner: a Drill, which calls close(). Limits: those of the HTTP server.

#include "base/metrics.h"
#include "base/offload.h"
#include "db/pool.h"
#include "drill/platform.h"
#include "drill/stage.h"
#include "drill/witnesses.h"
#include "gateway/signed_http_connector.h"
#include "net/http_server.h"

#include <memory>
#include <string>

namespace holdfast::drill {

class Ordinary {
  public:
    static constexpr std::size_t pool_usual = 50;

    /// Makes its tables, then serves. What it needs of `stage` outlives it.
    static net::Task<std::unique_ptr<Ordinary>> create(Stage& stage, std::size_t pool_size);

    std::string api_base() const;
    net::Task<void> close(net::Deadline deadline);

  private:
    Ordinary(Stage& stage, std::size_t pool_size, db::ConnectOptions options,
             std::unique_ptr<gateway::SignedHttpConnector> acquirer);

    net::Task<net::HttpResponse> handle(net::HttpRequest request);
    net::Task<net::HttpResponse> create_payment(std::string form);
    net::Task<net::HttpResponse> confirm(std::string id);
    net::Task<net::HttpResponse> retrieve(std::string id);
    net::Task<net::HttpResponse> list();

    Env& env_;
    Registry registry_;
    db::FixedLimits limits_;
    db::Pool pool_;
    std::unique_ptr<gateway::SignedHttpConnector> acquirer_;
    std::unique_ptr<net::HttpServer> server_;
};

/// The witness of its tables, and whether its balance is the sum of its payments.
net::Task<LedgerWitness> read_ordinary_ledger(Stage& stage);
net::Task<LedgerCheck> check_ordinary_ledger(Stage& stage);

} // namespace holdfast::drill
