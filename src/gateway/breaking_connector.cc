#include "gateway/breaking_connector.h"

#include "base/log.h"

namespace holdfast::gateway {

namespace {

using State = CircuitBreaker::State;
constexpr State states[] = {State::Closed, State::HalfOpen, State::Open};

void note_change(const std::string& endpoint, State state) {
    const auto level = state == State::Open ? log::Level::Warn : log::Level::Info;
    log::write(level, "breaker_changed", {{"endpoint", endpoint}, {"state", to_string(state)}});
}

void export_metrics(Registry& registry, const std::string& endpoint,
                    const std::shared_ptr<CircuitBreaker>& breaker) {
    std::weak_ptr<CircuitBreaker> weak = breaker;
    auto read = [weak](auto ask) {
        return [weak, ask] {
            auto alive = weak.lock();
            return alive ? static_cast<double>(ask(*alive)) : 0.0;
        };
    };
    for (State state : states)
        registry.observe_gauge("holdfast_breaker_state", "1 for the state of the breaker.",
                               read([state](auto& b) { return b.state() == state ? 1 : 0; }),
                               {{"endpoint", endpoint}, {"state", std::string(to_string(state))}});
    registry.observe_counter("holdfast_breaker_opened_total", "Times that the breaker opened.",
                             read([](auto& b) { return b.opened(); }), {{"endpoint", endpoint}});
    registry.observe_counter("holdfast_breaker_refused_total",
                             "Calls that were not made because the breaker was open.",
                             read([](auto& b) { return b.refused(); }), {{"endpoint", endpoint}});
}

Error breaker_open() {
    return {.kind = ErrorClass::Unavailable,
            .code = "acquirer_breaker_open",
            .message = "The acquirer has been failing; this call was not made.",
            .retryable = true};
}

/// The acquirer could not be talked to, or nobody can tell what it said.
bool is_failure(const Error& error) {
    return error.kind == ErrorClass::Unavailable || error.kind == ErrorClass::Unknown;
}

} // namespace

BreakingConnector::BreakingConnector(Env& env, Connector& acquirer, BreakingOptions options,
                                     Registry* metrics)
    : acquirer_(acquirer),
      fair_time_(options.fair_time),
      breaker_(std::make_shared<CircuitBreaker>(
          env, options.breaker,
          [endpoint = options.endpoint](State state) { note_change(endpoint, state); })) {
    if (metrics != nullptr) export_metrics(*metrics, options.endpoint, breaker_);
}

template <class T> Task<T> BreakingConnector::guarded(Task<T> call, Deadline deadline) {
    auto breaker = breaker_; // before the permit, which refers to it
    const Duration fair_time = fair_time_;
    auto permit = breaker->admit();
    if (!permit) co_return fail(breaker_open());
    const bool fair = deadline.left() >= fair_time;
    Result<T> result = co_await std::move(call);
    if (result || !is_failure(result.error()))
        permit->succeeded();
    else if (fair && result.error().code != "cancelled")
        permit->failed();
    co_return result;
}

Task<Vaulted> BreakingConnector::tokenize(Id<core::Account> account, CardData card,
                                          Deadline deadline) {
    return guarded(acquirer_.tokenize(account, std::move(card), deadline), deadline);
}

Task<Vaulted> BreakingConnector::look_up(std::string vault_token, Deadline deadline) {
    return guarded(acquirer_.look_up(std::move(vault_token), deadline), deadline);
}

Task<AcquirerAnswer> BreakingConnector::execute(core::Operation operation, Deadline deadline) {
    return guarded(acquirer_.execute(std::move(operation), deadline), deadline);
}

Task<AcquirerAnswer> BreakingConnector::inquire(Id<core::Operation> reference, Deadline deadline) {
    return guarded(acquirer_.inquire(reference, deadline), deadline);
}

Task<AcquirerAnswer> BreakingConnector::reverse(Id<core::Operation> reference, Deadline deadline) {
    return guarded(acquirer_.reverse(reference, deadline), deadline);
}

Task<std::vector<BookLine>> BreakingConnector::list_since(std::string position, int limit,
                                                          Deadline deadline) {
    return guarded(acquirer_.list_since(std::move(position), limit, deadline), deadline);
}

} // namespace holdfast::gateway
