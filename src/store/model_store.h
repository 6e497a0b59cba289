#pragma once

// ModelStore: the Store in memory, for the simulator and for unit tests. It means the same as
// PgStore, and tests/store holds both to it: row locks live as long as the batch that took them, a
// busy row is reported and not waited for, claims exclude creators, seals decide lost answers.
//
// It is stricter than a database where that finds bugs: changing a row that the batch has not
// locked (a child without its payment intent, too), or inserting a lock root that it has not
// claimed under a derived id, stops the test.
//
// Faults are decided by a seed, so a run can be repeated:
//   latency         every call takes a random time between two bounds (timers of the loop, so
//                   simulated time under SimEnv)
//   commit_fails    the database refuses the commit: certainly nothing was written
//   commit_stalls   a commit takes seconds, with its locks held, as with a standby that is slow
//   answer_lost     the connection breaks while the commit is under way: the batch is durable or
//                   gone, each half of the time, and resolve() tells
//   take_away()     every call fails as Unavailable for a while; a commit under way loses its
//                   answer
//   silence()       no call is answered for a while; what still waits then goes on
//   make_read_only()  reads work, batches are refused
//   lock_payments() somebody else's session holds payments
//   cut_link()      the standby gets nothing: commits wait for it, with their locks held. Who gives
//                   up waiting leaves a batch that everybody can see and that may yet be gone
//   fail_over()     the primary dies and the standby takes over, with everything acknowledged.
//                   Commits under way have reached it, each half of the time, but not over a link
//                   that was cut: then all that only the primary showed is gone
// A process that is killed destroys its Lanes: their batches vanish, but for a commit that was
// sent, and their locks are free.
//
//   ModelStore store({.seed = 7, .latency_max = std::chrono::milliseconds{5}});
//   CO_TRY(auto lane, co_await store.open_lane(deadline));
//
// Ownership: outlives its Lanes; belongs to no process, so it survives the crash of any. One
// thread.

#include "store/audit_report.h"
#include "store/store.h"

#include <memory>

namespace holdfast::store {

struct ModelFaults {
    std::uint64_t seed = 1;
    Duration latency_min{0};
    Duration latency_max{0};
    int commit_fails_permille = 0;
    int answer_lost_permille = 0;
    int commit_stalls_permille = 0;
    Duration stall_max = std::chrono::seconds{6};
};

class ModelStore : public Store {
  public:
    explicit ModelStore(ModelFaults faults = {});
    ~ModelStore() override;

    void set_faults(ModelFaults faults);
    void take_away(Duration duration);
    void silence(Duration duration);
    void make_read_only(Duration duration);
    void lock_payments(int permille, Duration duration);
    void cut_link(Duration duration);
    void fail_over(Duration outage);
    /// All of that is over.
    void heal();
    /// Is it on the standby, too? What only the primary shows may yet be gone.
    bool is_durable(const core::Operation& operation) const;

    /// The checks of audit.h, over what is in memory.
    AuditReport audit() const;
    /// Committed rows, for tests. `T` in Customer, PaymentMethod, Token, PaymentIntent, Charge,
    /// Refund, Operation, Event, BalanceTransaction.
    template <class T> std::vector<T> all() const;
    std::vector<core::LedgerTransaction> ledger() const;
    std::vector<Seal> seals() const;

    Task<std::unique_ptr<Lane>> open_lane(Deadline) override;

    Task<std::optional<core::Customer>> find(Id<core::Account>, Id<core::Customer>,
                                             Deadline) override;
    Task<std::optional<core::PaymentMethod>> find(Id<core::Account>, Id<core::PaymentMethod>,
                                                  Deadline) override;
    Task<std::optional<core::Token>> find(Id<core::Account>, Id<core::Token>, Deadline) override;
    Task<std::optional<core::PaymentIntent>> find(Id<core::Account>, Id<core::PaymentIntent>,
                                                  Deadline) override;
    Task<std::optional<core::Charge>> find(Id<core::Account>, Id<core::Charge>, Deadline) override;
    Task<std::optional<core::Refund>> find(Id<core::Account>, Id<core::Refund>, Deadline) override;
    Task<std::optional<core::BalanceTransaction>> find(Id<core::Account>,
                                                       Id<core::BalanceTransaction>,
                                                       Deadline) override;
    Task<std::optional<core::Event>> find(Id<core::Account>, Id<core::Event>, Deadline) override;

    Task<Page<core::Customer>> list_customers(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::PaymentMethod>> list_payment_methods(Id<core::Account>, ListQuery,
                                                         Deadline) override;
    Task<Page<core::PaymentIntent>> list_payment_intents(Id<core::Account>, ListQuery,
                                                         Deadline) override;
    Task<Page<core::Charge>> list_charges(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::Refund>> list_refunds(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::BalanceTransaction>> list_balance_transactions(Id<core::Account>, ListQuery,
                                                                   Deadline) override;
    Task<Page<core::Event>> list_events(Id<core::Account>, ListQuery, Deadline) override;
    Task<Balance> balance(Id<core::Account>, Deadline) override;

    Task<std::vector<core::Operation>> stale_operations(WallTime before, int limit,
                                                        Deadline) override;
    Task<std::int64_t> fold_balances(int limit, Deadline) override;
    Task<std::int64_t> expire_replays(WallTime before, int limit, Deadline) override;

    Task<void> create_account(core::Account, Deadline) override;
    Task<std::optional<core::Account>> find_account(Id<core::Account>, Deadline) override;
    Task<std::vector<core::Account>> list_accounts(Deadline) override;
    Task<void> set_floor_limit(Id<core::Account>, core::FloorLimit, Deadline) override;
    Task<bool> remove_floor_limit(Id<core::Account>, core::Currency, Deadline) override;
    Task<FloorShare> renew_floor_share(std::string holder, std::int32_t wanted_ppm, Duration lease,
                                       Deadline) override;
    Task<void> insert_key(ApiKey, Deadline) override;
    Task<std::optional<ApiKey>> find_key(std::string hash, Deadline) override;
    Task<std::vector<ApiKey>> list_keys(Id<core::Account>, Deadline) override;
    Task<std::vector<ApiKey>> working_keys(int limit, Deadline) override;
    Task<bool> expire_key(std::string hash, WallTime when, Deadline) override;
    Task<void> ping(Deadline) override;

  private:
    std::shared_ptr<struct ModelWorld> world_; ///< shared with the lanes
};

} // namespace holdfast::store
