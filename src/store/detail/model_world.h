#pragma once

// What a ModelStore holds: the committed rows, the locks of open batches, and the dice; and of the
// pair that a database is, what the standby has when that is less.

#include "store/lock_plan.h"
#include "store/model_store.h"

#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

namespace holdfast::store {

template <class T> struct ModelTable {
    struct Row {
        T value;
        std::int64_t sequence = 0;
    };
    std::map<core::RowKey, Row> rows;

    const T* find(const core::RowKey& key) const {
        auto it = rows.find(key);
        return it == rows.end() ? nullptr : &it->second.value;
    }
};

/// What is on a server's disk.
struct ModelData {
    std::tuple<ModelTable<core::Customer>, ModelTable<core::PaymentMethod>, ModelTable<core::Token>,
               ModelTable<core::PaymentIntent>, ModelTable<core::Charge>, ModelTable<core::Refund>,
               ModelTable<core::Operation>, ModelTable<core::Event>,
               ModelTable<core::BalanceTransaction>>
        tables;
    std::map<core::RowKey, std::vector<core::Entry>> entries; ///< by balance transaction
    std::map<core::RowKey, core::ReplayRecord> replays;
    std::map<core::LedgerAccount, std::int64_t> bases;
    std::vector<core::Delta> deltas;
    std::map<Uuid, std::vector<Seal>> chains;
    std::map<Id<core::Account>, core::Account> accounts;
    std::map<std::string, ApiKey> keys;
    struct HeldShare {
        std::int32_t ppm = 0;
        MonoTime until;
    };
    std::map<std::string, HeldShare> floor_shares; ///< by holder
    std::int64_t last_sequence = 0;

    template <class T> ModelTable<T>& table() { return std::get<ModelTable<T>>(tables); }
    template <class T> const ModelTable<T>& table() const {
        return std::get<ModelTable<T>>(tables);
    }
};

/// The primary, as its sessions see it.
struct ModelWorld : ModelData {
    using LockKey = std::pair<core::ObjectKind, core::RowKey>;
    using Locks = std::map<LockKey, const Lane*>; ///< held by the open batch of that lane

    Locks row_locks, claims;
    std::map<LockKey, MonoTime> outside_locks;    ///< of somebody else's session, until then
    std::vector<class CommitUnderWay*> under_way; ///< in the order of sending
    std::uint64_t era = 1;                        ///< sessions of an earlier one have ended
    std::optional<ModelData> standby;             ///< what it has, while the link is cut

    ModelFaults faults;
    std::mt19937_64 random;
    MonoTime away_until{}, silent_until{}, read_only_until{}, cut_until{};

    bool roll(int permille);
    /// The way to the database, or back. Errors: Deadline, Unavailable.
    Task<void> travel(Deadline deadline);
    /// Until the standby has what was written up to now. Errors: those of travel().
    Task<void> replicated(Deadline deadline);
    /// There, with something that is not a batch. Errors: those of travel() and writable().
    Task<void> travel_to_write(Deadline deadline);
    /// Takes long, but not beyond `deadline`.
    Task<void> stall(Deadline deadline);
    /// Error Unavailable "database_read_only".
    Result<void> writable() const;
    bool cut();

    void fail_over(Duration outage);
    void release(const Lane* lane);
    bool locked_outside(const LockKey& key) const;
    /// Applies a batch as one transaction would: all of it, or an Error and nothing.
    Result<void> apply(const core::UnitOfWork& work, const Seal& seal, const Lane* lane);
};

/// A COMMIT that was sent and not answered. When its connection breaks, or the primary dies, it has
/// happened or not, each half of the time; it is decided at that moment, with its locks held.
class CommitUnderWay {
  public:
    CommitUnderWay(ModelWorld& world, const core::UnitOfWork& work, const Seal& seal,
                   const Lane* lane);
    ~CommitUnderWay() { leave_to_chance(); }
    CommitUnderWay(const CommitUnderWay&) = delete;
    CommitUnderWay& operator=(const CommitUnderWay&) = delete;

    void leave_to_chance();
    /// It is decided otherwise; false when it was before.
    bool forget();

  private:
    ModelWorld& world_;
    const core::UnitOfWork& work_;
    const Seal& seal_;
    const Lane* lane_;
};

std::unique_ptr<Lane> make_model_lane(std::shared_ptr<ModelWorld> world, Uuid id);

} // namespace holdfast::store
