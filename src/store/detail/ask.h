#pragma once

// ask: one pipeline on a connection of the pool. Private to PgStore; the callers' frames own the
// pipeline.

#include "db/pool.h"

namespace holdfast::store {

inline db::Task<std::vector<db::QueryResult>> ask(db::Pool& pool, db::Priority priority,
                                                  const db::Pipeline& pipeline,
                                                  db::Deadline deadline) {
    CO_TRY(db::Pooled connection, co_await pool.acquire(priority, deadline));
    co_return co_await connection->run(pipeline, deadline);
}

} // namespace holdfast::store
