#pragma once

// What a ModelStore holds: the committed rows, the locks of open batches, and the dice.

#include "store/lock_plan.h"
#include "store/model_store.h"

#include <map>
#include <random>
#include <tuple>

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

struct ModelWorld {
    using LockKey = std::pair<core::ObjectKind, core::RowKey>;
    using Locks = std::map<LockKey, const Lane*>; ///< held by the open batch of that lane

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

    Locks row_locks, claims;

    ModelFaults faults;
    std::mt19937_64 random;
    MonoTime away_until{};

    template <class T> ModelTable<T>& table() { return std::get<ModelTable<T>>(tables); }
    template <class T> const ModelTable<T>& table() const {
        return std::get<ModelTable<T>>(tables);
    }

    bool roll(int permille);
    bool away() const { return MonotonicClock::now() < away_until; }
    /// The way to the database, or back. Errors: Deadline, Unavailable.
    Task<void> travel(Deadline deadline);
    /// Takes long, but not beyond `deadline`.
    Task<void> stall(Deadline deadline);

    void release(const Lane* lane);
    /// Applies a batch as one transaction would: all of it, or an Error and nothing.
    Result<void> apply(const core::UnitOfWork& work, const Seal& seal, const Lane* lane);
};

std::unique_ptr<Lane> make_model_lane(std::shared_ptr<ModelWorld> world, Uuid id);

} // namespace holdfast::store
