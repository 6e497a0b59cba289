#pragma once

// BreakingConnector: a Connector with a circuit breaker in front (base/circuit_breaker.h).
//
//   BreakingConnector connector(env, acquirer, {.endpoint = "acquirer"}, registry);
//
// While the breaker is open a call ends at once with Unavailable "acquirer_breaker_open". That is
// true of it as Connector defines Unavailable: certainly not sent. What may have been sent before
// stays what it was; who conducts an operation (processor/operations.h) asks or sends again later.
//
// A failure is what says that the acquirer can't be talked to: Unavailable and Unknown. Whatever
// it answered otherwise, a refusal too, is a success. A call that was cancelled, or failed with
// less than `fair_time` to its deadline, says nothing about the acquirer.
//
// Owns nothing: `acquirer` and `env` outlive it. On the loop of its process. Metrics:
// holdfast_breaker_*{endpoint}.

#include "base/circuit_breaker.h"
#include "base/metrics.h"
#include "gateway/connector.h"

#include <memory>
#include <string>

namespace holdfast::gateway {

struct BreakingOptions {
    std::string endpoint = "acquirer"; ///< label of its metrics
    BreakerOptions breaker;
    Duration fair_time = std::chrono::milliseconds{500};
};

class BreakingConnector final : public Connector {
  public:
    BreakingConnector(Env& env, Connector& acquirer, BreakingOptions options,
                      Registry* metrics = nullptr);

    Task<Vaulted> tokenize(Id<core::Account> account, CardData card, Deadline deadline) override;
    Task<Vaulted> look_up(std::string vault_token, Deadline deadline) override;
    Task<AcquirerAnswer> execute(core::Operation operation, Deadline deadline) override;
    Task<AcquirerAnswer> inquire(Id<core::Operation> reference, Deadline deadline) override;
    Task<AcquirerAnswer> reverse(Id<core::Operation> reference, Deadline deadline) override;
    Task<std::vector<BookLine>> list_since(std::string position, int limit,
                                           Deadline deadline) override;

    CircuitBreaker::State state() const { return breaker_->state(); }

  private:
    template <class T> Task<T> guarded(Task<T> call, Deadline deadline);

    Connector& acquirer_;
    Duration fair_time_;
    std::shared_ptr<CircuitBreaker> breaker_; ///< kept alive by the calls under way
};

} // namespace holdfast::gateway
