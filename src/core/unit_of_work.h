#pragma once

// UnitOfWork: the rows one batch has locked or read, and everything it will write.
//
// The store fills it, `decide` (decide.h) reads and edits it for one command after the other, and
// the store writes what changed. Commands of one batch see each other's changes, so several
// commands on one object in one batch work in order. A command that fails must leave it untouched:
// decide checks first and edits last.

#include "core/answer.h"
#include "core/ledger.h"
#include "core/objects.h"
#include "core/operation.h"

#include <map>
#include <set>
#include <vector>

namespace holdfast::core {

/// Names one row. All tables are keyed by (account, id).
struct RowKey {
    Id<Account> account;
    Uuid id;
    auto operator<=>(const RowKey&) const = default;
};

template <class T> class Rows {
  public:
    const T* find(const RowKey& key) const {
        auto it = rows_.find(key);
        return it == rows_.end() ? nullptr : &it->second;
    }
    const T* find(Id<Account> account, Id<T> id) const { return find(RowKey{account, id.uuid()}); }

    /// A row as the database has it.
    void load(T row) {
        RowKey key{row.account, row.id.uuid()};
        rows_.insert_or_assign(key, std::move(row));
    }
    /// A new row; CHECKs that it is not there.
    const T& insert(T row) {
        RowKey key{row.account, row.id.uuid()};
        auto [it, fresh] = rows_.emplace(key, std::move(row));
        CHECK(fresh);
        inserted_.insert(key);
        return it->second;
    }
    /// The row for change; counts one version per batch of changes. CHECKs that it is there.
    T& edit(Id<Account> account, Id<T> id) {
        RowKey key{account, id.uuid()};
        auto it = rows_.find(key);
        CHECK(it != rows_.end());
        if (!inserted_.contains(key)) updated_.insert(key);
        if constexpr (requires { it->second.version; }) ++it->second.version;
        return it->second;
    }

    const std::set<RowKey>& inserted() const { return inserted_; }
    const std::set<RowKey>& updated() const { return updated_; }
    bool dirty() const { return !inserted_.empty() || !updated_.empty(); }
    bool operator==(const Rows&) const = default;

  private:
    std::map<RowKey, T> rows_;
    std::set<RowKey> inserted_, updated_;
};

/// An event in the transactional outbox; `snapshot` is the object right after the change.
struct Event {
    static constexpr std::string_view id_prefix = "evt_";
    Id<Event> id;
    Id<Account> account;
    WallTime created;
    std::string type; ///< payment_intent.succeeded ...
    Uuid object_id;
    Snapshot object;
    Uuid request_id;
    std::string idempotency_key;
    std::int64_t sequence = 0; ///< given by the database; orders events of one instant
    bool operator==(const Event&) const = default;
};

struct UnitOfWork {
    Rows<Customer> customers;
    Rows<PaymentMethod> payment_methods;
    Rows<Token> tokens;
    Rows<PaymentIntent> payment_intents;
    Rows<Charge> charges;
    Rows<Refund> refunds;
    Rows<Operation> operations;
    std::map<RowKey, ReplayRecord> replays; ///< loaded, by (account, replay_key)

    std::vector<Event> events;
    std::vector<LedgerTransaction> transactions;
    std::vector<ReplayRecord> new_replays;
    bool operator==(const UnitOfWork&) const = default;
};

/// How a command needs a row. Lock roots only: a payment intent's lock covers its charges,
/// refunds and operations. Claim is for a row that this command wants to create under a derived
/// id: the claim excludes other creators, and the row is loaded if it exists already.
enum class Access : std::uint8_t { Read, Lock, Claim };

struct RowRef {
    ObjectKind kind = ObjectKind::PaymentIntent;
    RowKey key;
    Access access = Access::Read;
    auto operator<=>(const RowRef&) const = default;
};

/// Everything a command must find in the UnitOfWork, if it exists. Locking or claiming a payment
/// intent also loads its latest charge, its active operation and its payment method.
struct Needs {
    std::vector<RowRef> rows;
    std::optional<RowKey> replay; ///< (account, replay_key)
};

} // namespace holdfast::core
