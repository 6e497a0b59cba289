#include "store/lock_plan.h"

#include "base/bytes.h"

#include <algorithm>
#include <bit>

namespace holdfast::store {

using core::Access;
using core::ObjectKind;
using core::RowKey;
using core::RowRef;

namespace {

bool is_lock_root(ObjectKind kind) {
    return kind == ObjectKind::Customer || kind == ObjectKind::PaymentMethod ||
           kind == ObjectKind::Token || kind == ObjectKind::PaymentIntent;
}

template <class T> void sort_unique(std::vector<T>& values) {
    std::ranges::sort(values);
    const auto rest = std::ranges::unique(values);
    values.erase(rest.begin(), rest.end());
}

std::int64_t claim_number(ObjectKind kind, const RowKey& key) {
    std::string name(1, static_cast<char>(kind));
    name += chars(key.account.uuid().bytes);
    name += chars(key.id.bytes);
    return std::bit_cast<std::int64_t>(fnv1a(name));
}

} // namespace

LockPlan::LockPlan(const std::vector<core::Needs>& needs) {
    for (const core::Needs& one : needs) {
        refs_.insert(refs_.end(), one.rows.begin(), one.rows.end());
        if (one.replay) replays_.push_back(*one.replay);
    }
    sort_unique(replays_);
    // A RowRef sorts by kind, key and access, so each list below comes out sorted by key.
    sort_unique(refs_);
    for (const RowRef& ref : refs_) {
        Keys& keys = keys_[static_cast<std::size_t>(ref.kind)];
        if (ref.access == Access::Read) {
            keys.read.push_back(ref.key);
            continue;
        }
        CHECK(is_lock_root(ref.kind));
        if (keys.lock.empty() || keys.lock.back() != ref.key) keys.lock.push_back(ref.key);
        if (ref.access == Access::Claim) {
            claims_.push_back({ref.kind, ref.key, claim_number(ref.kind, ref.key)});
        }
    }
    std::ranges::sort(claims_, {}, &Claim::number);
}

std::vector<RowRef> LockPlan::wanted(ObjectKind kind, const RowKey& key) const {
    std::vector<RowRef> found;
    for (Access access : {Access::Lock, Access::Claim}) {
        RowRef ref{kind, key, access};
        if (std::ranges::binary_search(refs_, ref)) found.push_back(ref);
    }
    return found;
}

} // namespace holdfast::store
