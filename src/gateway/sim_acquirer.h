#pragma once

// SimAcquirer: an acquirer inside the simulator, with the books of the real one (books.h) and a
// network between it and its callers that loses, delays and doubles messages.
//
// It is a SimProcess of its own: a caller that is killed does not take its messages along, they
// arrive and are booked all the same. The books outlive every caller.
//
//   SimAcquirer acquirer(sim, env, {.faults = plan});
//   auto answer = co_await acquirer.execute(operation, deadline);      // from any SimProcess
//   acquirer.books().purchases_of("order-1");                          // what was really charged
//
// A caller gets Approved, Declined ... ; Unavailable ("acquirer_unavailable") only when nothing was
// sent; Unknown ("acquirer_answer_lost") otherwise, at its deadline or when its connection was cut.
// A cancelled caller gets code "cancelled", and Unknown too.
//
// Owner: the test; what is under way when it is destroyed never arrives.

#include "gateway/books.h"
#include "gateway/faults.h"
#include "net/gate.h"
#include "net/sim_loop.h"

#include <memory>

namespace holdfast::gateway {

struct SimAcquirerOptions {
    FaultPlan faults;
    std::int32_t unreachable_ppm = 0;                     ///< connections refused: nothing is sent
    Duration latency_max = std::chrono::milliseconds{20}; ///< of a message, one way
};

class SimAcquirer final : public Connector {
  public:
    SimAcquirer(net::SimLoop& world, Env& env, SimAcquirerOptions options);
    ~SimAcquirer() override { process_.kill(); }

    Task<Vaulted> tokenize(Id<core::Account> account, CardData card, Deadline deadline) override;
    Task<Vaulted> look_up(std::string vault_token, Deadline deadline) override;
    Task<AcquirerAnswer> execute(core::Operation operation, Deadline deadline) override;
    Task<AcquirerAnswer> inquire(Id<core::Operation> reference, Deadline deadline) override;
    Task<AcquirerAnswer> reverse(Id<core::Operation> reference, Deadline deadline) override;
    Task<std::vector<BookLine>> list_since(std::string position, int limit,
                                           Deadline deadline) override;

    const Books& books() const { return books_; }
    void set_faults(FaultPlan plan) { faults_.set(plan); }
    /// As long as it is not, every call is Unavailable; what is under way still arrives.
    void set_reachable(bool reachable) { reachable_ = reachable; }
    /// No message is under way.
    bool idle() const { return gate_.running() == 0; }

  private:
    struct Message {
        CallKind call;
        core::Operation operation; ///< of inquire and reverse: the id only
        MonoTime arrives;
        std::optional<Result<AcquirerAnswer>> answer;
    };
    using MessagePtr = std::shared_ptr<Message>;

    Task<AcquirerAnswer> ask(CallKind call, core::Operation operation, Deadline deadline);
    Task<void> deliver(MessagePtr message);
    Result<AcquirerAnswer> decide(const Message& message);
    Duration latency();
    bool refused();

    Env& env_;
    SimAcquirerOptions options_;
    Books books_{[](const BookEntry&) {}};
    FaultInjector faults_;
    HmacKey fingerprint_key_{"simulated"};
    bool reachable_ = true;
    net::SimProcess process_;
    net::Gate gate_;
};

} // namespace holdfast::gateway
