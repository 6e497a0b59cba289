#pragma once

// RecentRows: what this instance has lately made durable, in memory, for the time when the database
// can't be asked.
//
// The lanes note every payment, payment method, customer and replay record that a batch has
// changed; the oldest go when there are more than rows_max of a kind. Somebody else may have
// changed a row since: who decides by it must have the decision checked by the database later
// (stand_in.h).
//
// Plain data structure, on the loop of the instance.

#include "core/unit_of_work.h"

#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace holdfast::processor {

struct RowKeyHash {
    std::size_t operator()(const core::RowKey& key) const noexcept {
        return std::hash<Uuid>{}(key.id);
    }
};

/// Calls `each` with every row of `rows` that was inserted or updated.
template <class T, class Each> void for_each_change(const core::Rows<T>& rows, Each each) {
    for (const auto* keys : {&rows.inserted(), &rows.updated()})
        for (const core::RowKey& key : *keys) each(key, *rows.find(key));
}

/// The rows noted last, at most `max` of them.
template <class T> class RecentMap {
  public:
    explicit RecentMap(std::size_t max) : max_(max) {}

    void note(const core::RowKey& key, const T& row) {
        if (auto found = index_.find(key); found != index_.end()) {
            rows_.erase(found->second);
            index_.erase(found);
        }
        rows_.emplace_back(key, row);
        index_.emplace(key, std::prev(rows_.end()));
        if (rows_.size() <= max_) return;
        index_.erase(rows_.front().first);
        rows_.pop_front();
    }
    const T* find(const core::RowKey& key) const {
        auto found = index_.find(key);
        return found == index_.end() ? nullptr : &found->second->second;
    }
    std::size_t size() const { return rows_.size(); }

  private:
    using Entries = std::list<std::pair<core::RowKey, T>>;
    std::size_t max_;
    Entries rows_;
    std::unordered_map<core::RowKey, typename Entries::iterator, RowKeyHash> index_;
};

class RecentRows {
  public:
    explicit RecentRows(std::size_t rows_max)
        : payments(rows_max),
          methods(rows_max),
          charges(rows_max),
          customers(rows_max),
          replays(rows_max) {}

    /// The part of a batch that is worth noting.
    struct Changes {
        std::vector<core::PaymentIntent> payments;
        std::vector<core::PaymentMethod> methods;
        std::vector<core::Customer> customers;
        std::vector<core::ReplayRecord> replays;
    };
    static Changes changes_of(const core::UnitOfWork& work);
    /// They are durable now.
    void note(const Changes& changes);

    RecentMap<core::PaymentIntent> payments;
    RecentMap<core::PaymentMethod> methods;
    RecentMap<core::Charge> charges; ///< of stand-in only: no decision needs one
    RecentMap<core::Customer> customers;
    RecentMap<core::ReplayRecord> replays;
};

} // namespace holdfast::processor
