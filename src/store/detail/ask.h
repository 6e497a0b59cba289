#pragma once

// ask: one pipeline on a connection of the pool, which it holds in the name of its first statement.
// Private to PgStore; the callers' frames own the pipeline.
//
// A conflict that the database had (a table locked for too long, a deadlock) is Unavailable here:
// of its own state, not of the object that was asked for.

#include "db/pool.h"

namespace holdfast::store {

inline db::Task<std::vector<db::QueryResult>> ask(db::Pool& pool, db::Priority priority,
                                                  const db::Pipeline& pipeline,
                                                  db::Deadline deadline) {
    CO_TRY(db::Pooled connection, co_await pool.acquire(priority, pipeline.name(), deadline));
    auto results = co_await connection->run(pipeline, deadline);
    if (!results && results.error().kind == ErrorClass::Conflict)
        results.error().kind = ErrorClass::Unavailable;
    co_return results;
}

} // namespace holdfast::store
