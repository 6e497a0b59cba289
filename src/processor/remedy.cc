#include "processor/remedy.h"

#include "base/damage.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast::processor {

namespace {

/// serialization_failure, deadlock_detected, lock_not_available.
constexpr std::array<std::string_view, 3> passing_conflicts{"40001", "40P01", "55P03"};

} // namespace

Remedy remedy_for(const Error& error) {
    if (error.kind == ErrorClass::Unknown) return Remedy::Resolve;
    auto conflict = std::ranges::find(passing_conflicts, error.sqlstate);
    if (conflict != passing_conflicts.end()) return Remedy::Again;
    if (is_damage(error)) return Remedy::Blame;
    switch (error.kind) {
        case ErrorClass::Unavailable:
        case ErrorClass::Overload:
        case ErrorClass::Deadline:
        case ErrorClass::Io: return Remedy::Reconnect;
        default: return error.retryable ? Remedy::Again : Remedy::Blame;
    }
}

Duration Backoff::next() {
    Duration span = next_;
    next_ = std::min(cap_, next_ * 2);
    auto half = static_cast<std::uint64_t>(span.count()) / 2;
    return Duration{static_cast<std::int64_t>(half + env_->random_below(half + 1))};
}

} // namespace holdfast::processor
