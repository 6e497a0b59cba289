#pragma once

// Timeouts: limits that the server itself enforces, so that nothing runs on for somebody who has
// stopped waiting, also when we are gone. Every transaction is started with its own.
//
// effective_timeouts() shortens the configured limits to the time that is left. Setting them costs
// a statement, so the time left is rounded up to a power of two of 125 ms: transactions of one kind
// then find the values of the one before and set nothing.

#include "base/env.h"

#include <chrono>

namespace holdfast::db {

/// Whole milliseconds; 0 = none.
struct Timeouts {
    std::chrono::milliseconds statement{};
    std::chrono::milliseconds lock{};
    bool operator==(const Timeouts&) const = default;
};

inline constexpr std::chrono::milliseconds shortest_statement_timeout{125};

/// At most `limits`; the lock timeout is at most the statement timeout.
Timeouts effective_timeouts(Timeouts limits, Duration left);

} // namespace holdfast::db
