#pragma once

// An acquirer and a connector to it on one loop, over real sockets and a real file.

#include "gateway/acquirer_server.h"
#include "gateway/signed_http_connector.h"
#include "gateway/wire.h"
#include "net/block_on.h"
#include "net/timer.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace holdfast::gateway {

using namespace std::chrono_literals;
using core::Operation;
using core::OperationKind;

inline const std::string admin_token = "admin-token";

/// A directory that goes away with the test.
class Directory {
  public:
    explicit Directory(Env& env)
        : path_(testing::TempDir() + "hf-acquirer-" + Uuid::time_ordered(env).base62()) {
        std::filesystem::create_directories(path_);
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }
    std::string books() const { return path_ + "/books"; }

  private:
    std::string path_;
};

inline AcquirerServerOptions server_options(const Directory& directory) {
    return {.books_directory = directory.path(),
            .secret = SecretString("shared-secret"),
            .admin_token = SecretString(admin_token)};
}

inline Operation sale(Env& env, std::string purchase, std::int64_t minor = 1000) {
    Operation op;
    op.id = Id<Operation>::time_ordered(env);
    op.account = Id<core::Account>::time_ordered(env);
    op.kind = OperationKind::Sale;
    op.amount = {minor, {}};
    op.vault_token = "test_visa";
    op.valid_until = env.wall() + 15s;
    op.metadata["purchase_id"] = std::move(purchase);
    return op;
}

inline Operation upon(Env& env, const Operation& original, OperationKind kind, std::int64_t minor) {
    Operation op = sale(env, original.metadata.at("purchase_id"), minor);
    op.kind = kind;
    op.vault_token.clear();
    op.original = original.id;
    return op;
}

/// "approved", "declined lost_card", "unknown acquirer_answer_lost" ...
inline std::string text_of(const Result<AcquirerAnswer>& answer) {
    if (!answer) return std::string(to_string(answer.error().kind)) + " " + answer.error().code;
    if (answer->finding != Finding::Declined) return std::string(to_string(answer->finding));
    return "declined " + (answer->failure.decline_code.empty() ? answer->failure.code
                                                               : answer->failure.decline_code);
}

struct AcquirerTest : testing::Test {
    Env& env = Env::current();
    net::Loop loop{1};
    Offload offload{{.name = "acquirer", .threads = 1}};
    Directory directory{env};
    std::unique_ptr<AcquirerServer> server;
    std::unique_ptr<SignedHttpConnector> connector;

    AcquirerTest() { start(); }
    ~AcquirerTest() override {
        connector.reset();
        stop();
    }

    void start() {
        auto created = AcquirerServer::create(loop, env, offload, server_options(directory));
        ASSERT_TRUE(created) << to_string(created.error());
        server = std::move(*created);
        server->start();
        connector = connect("shared-secret");
    }
    void stop() {
        if (!server) return;
        auto drained = net::block_on(loop, server->drain(net::Deadline::after(5s)));
        EXPECT_TRUE(drained) << to_string(drained.error());
        server.reset();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
    std::unique_ptr<SignedHttpConnector> connect(std::string secret) {
        auto made = SignedHttpConnector::create(
            loop, env, {.base_url = url(), .secret = SecretString(std::move(secret))});
        return made ? std::move(*made) : nullptr;
    }

    std::string execute(const Operation& op, Duration limit = 5s) {
        return text_of(net::block_on(loop, connector->execute(op, net::Deadline::after(limit))));
    }
    std::string inquire(const Operation& op) {
        return text_of(net::block_on(loop, connector->inquire(op.id, net::Deadline::after(5s))));
    }
    std::string reverse(const Operation& op) {
        return text_of(net::block_on(loop, connector->reverse(op.id, net::Deadline::after(5s))));
    }
    void pause(Duration duration) { EXPECT_TRUE(net::block_on(loop, net::sleep_for(duration))); }

    net::HttpResponse http(net::HttpClientRequest request, std::string bearer = {}) {
        net::HttpClient client(loop, {});
        request.host = "127.0.0.1";
        request.port = server->port();
        if (!bearer.empty()) request.headers.add("Authorization", "Bearer " + bearer);
        auto response =
            net::block_on(loop, client.request(std::move(request), net::Deadline::after(5s)));
        EXPECT_TRUE(response) << to_string(response.error());
        return response ? *response : net::HttpResponse{.status = 0};
    }
    net::HttpResponse get(std::string target, std::string bearer = admin_token) {
        return http({.target = std::move(target)}, std::move(bearer));
    }
    void set_faults(std::string json) {
        auto response = http({.method = "PUT", .target = "/admin/faults", .body = std::move(json)},
                             admin_token);
        EXPECT_EQ(response.status, 200) << response.body;
    }
};

} // namespace holdfast::gateway
