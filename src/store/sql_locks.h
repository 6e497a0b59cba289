#pragma once

// The advisory locks of the schema's database, so that no two uses meet. Those with two parts are
// named here; claims use the space of one 64-bit number (lock_plan.h), migrations another pair
// (guard/migrations.h).

#include <cstdint>

namespace holdfast::store::sql {

/// First parts: "lane" with the number of the lane, "job" with which one.
inline constexpr std::int32_t lane_locks = 0x6c616e65, job_locks = 0x6a6f6200;

enum class Job : std::int32_t { FoldBalances = 1, FloorShares = 2 };

} // namespace holdfast::store::sql
