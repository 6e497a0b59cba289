#pragma once

// Reading every operation, for the comparison of our books with the acquirer's.

#include "core/unit_of_work.h"
#include "db/pool.h"

#include <vector>

namespace holdfast::store {

/// The operations behind `after` in the order of their keys, at most `limit`. Start with a nil key.
db::Task<std::vector<core::Operation>> operations_after(db::Pool& pool, core::RowKey after,
                                                        int limit, db::Deadline deadline);

} // namespace holdfast::store
