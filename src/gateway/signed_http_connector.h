#pragma once

// SignedHttpConnector: a Connector to any acquirer that speaks the signed-JSON protocol of
// docs/reference/acquirer-protocol.md; `holdfast acquirer` is one.
//
//   auto connector = SignedHttpConnector::create(loop, env, {.base_url = "http://127.0.0.1:4100",
//                                                            .secret = std::move(secret)});
//   CO_TRY(auto answer, co_await (*connector)->execute(operation, deadline));
//
// What a failure means, which is all that matters here:
//   Unavailable  certainly not done: nothing was sent ("acquirer_unavailable"), or the acquirer
//                said so itself ("request_expired" and others of status 503)
//   Unknown      everything that is not understood: no answer before the deadline, a lost
//                connection, 5xx ("acquirer_failed"), an answer that is unreadable, not signed, or
//                signed for another request ("acquirer_answer_unverified")
//   others       the acquirer's own signed refusal, by status; nothing was done
// An operation is sent once per call: whether to repeat it is for the caller to decide.
//
// Limits: connections_max to the acquirer, each call its Deadline; a call that finds them all busy
// waits. Owner: the process; on its loop. The HttpClient's own limits bound what is read.

#include "gateway/connector.h"
#include "gateway/signature.h"
#include "net/http_client.h"

#include <memory>

namespace holdfast::gateway {

struct SignedHttpOptions {
    std::string base_url; ///< "http://host:port", optionally with a path in front of /v1
    SecretString secret;
    std::size_t connections_max = 64;
    Offload* offload = nullptr; ///< to resolve the host's name; not needed for an address
};

class SignedHttpConnector final : public Connector {
  public:
    /// Error Invalid "http_url".
    static Result<std::unique_ptr<SignedHttpConnector>> create(net::Loop& loop, Env& env,
                                                               SignedHttpOptions options);

    Task<Vaulted> tokenize(Id<core::Account> account, CardData card, Deadline deadline) override;
    Task<Vaulted> look_up(std::string vault_token, Deadline deadline) override;
    Task<AcquirerAnswer> execute(core::Operation operation, Deadline deadline) override;
    Task<AcquirerAnswer> inquire(Id<core::Operation> reference, Deadline deadline) override;
    Task<AcquirerAnswer> reverse(Id<core::Operation> reference, Deadline deadline) override;
    Task<std::vector<BookLine>> list_since(std::string position, int limit,
                                           Deadline deadline) override;

    const net::HttpClientStats& stats() const { return client_.stats(); }
    /// Exports stats(); the Registry may outlive it.
    void observe(Registry& registry) const { client_.observe(registry, "acquirer"); }

  private:
    SignedHttpConnector(net::Loop& loop, Env& env, const SignedHttpOptions& options,
                        net::HttpUrl url);

    enum class Repeat : std::uint8_t { Never, IfUnanswered };
    /// The body of the acquirer's verified answer of status 200.
    Task<std::string> ask(std::string method, std::string path, std::string body, Repeat repeat,
                          Deadline deadline);
    std::string next_nonce();

    Env& env_;
    net::HttpUrl url_;
    Signer signer_;
    net::HttpClient client_;
    std::string nonce_start_; ///< random: nonces of two processes don't meet
    std::uint64_t nonces_ = 0;
};

} // namespace holdfast::gateway
