#include "app/acquirer.h"

#include "app/signals.h"
#include "base/files.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/offload.h"
#include "gateway/acquirer_server.h"
#include "net/block_on.h"
#include "net/loop_watch.h"

namespace holdfast::app {
namespace {

constexpr Duration drain_patience = std::chrono::seconds{8};

} // namespace

Result<void> acquirer(const AcquirerOptions& options) {
    TRY_VOID(log::start({}));
    TRY(auto secret, read_secret_file(options.secret_file));
    TRY(auto admin_token, read_secret_file(options.admin_token_file));
    Registry registry;
    Offload offload({.name = "books"});
    net::Loop loop{1};
    net::LoopWatch watch(registry);
    TRY(auto server, gateway::AcquirerServer::create(loop, Env::current(), offload,
                                                     {.address = options.address,
                                                      .port = options.port,
                                                      .reuse_port = true,
                                                      .books_directory = options.books,
                                                      .secret = std::move(secret),
                                                      .admin_token = std::move(admin_token)}));
    server->start();
    log::info("acquirer_listening", {{"port", server->port()}});
    until_asked_to_stop(loop);
    auto drained = net::block_on(loop, server->drain(net::Deadline::after(drain_patience)));
    if (!drained) log::error("acquirer_drain_failed", {{"error", to_string(drained.error())}});
    log::stop();
    return drained;
}

} // namespace holdfast::app
