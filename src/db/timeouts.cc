#include "db/timeouts.h"

#include <algorithm>

namespace holdfast::db {
namespace {

/// The lesser of two limits of which 0 means none.
std::chrono::milliseconds tighter(std::chrono::milliseconds a, std::chrono::milliseconds b) {
    if (a.count() == 0) return b;
    return b.count() == 0 ? a : std::min(a, b);
}

} // namespace

Timeouts effective_timeouts(Timeouts limits, Duration left) {
    constexpr std::chrono::milliseconds longest = std::chrono::hours{24};
    auto rounded = shortest_statement_timeout;
    while (rounded < left && rounded < longest) rounded *= 2;
    const auto statement = tighter(limits.statement, rounded);
    return {.statement = statement, .lock = tighter(limits.lock, statement)};
}

} // namespace holdfast::db
