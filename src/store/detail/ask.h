#pragma once

// ask: one pipeline on a connection of the pool, which it holds in the name of its first statement.
// Private to store; the callers' frames own the pipeline.
//
// What only reads and has lost its server is asked again, reads_max times, as soon as there is a
// connection: an outage costs time, not an error. What writes is asked once.
//
// A conflict that the database had (a table locked for too long, a deadlock) is Unavailable here:
// of its own state, not of the object that was asked for.

#include "db/pool.h"

namespace holdfast::store {

inline constexpr int reads_max = 3;

/// Each connection by `connected`, the answer by `deadline`.
inline db::Task<std::vector<db::QueryResult>> ask(db::Pool& pool, db::Priority priority,
                                                  const db::Pipeline& pipeline,
                                                  db::Deadline deadline, db::Deadline connected,
                                                  int rounds) {
    for (;; --rounds) {
        CO_TRY(db::Pooled connection, co_await pool.acquire(priority, pipeline.name(), connected));
        auto results = co_await connection->run(pipeline, deadline);
        const bool lost =
            !results && results.error().kind == ErrorClass::Unavailable && connection->broken();
        if (lost && rounds > 1) continue;
        if (!results && results.error().kind == ErrorClass::Conflict)
            results.error().kind = ErrorClass::Unavailable;
        co_return results;
    }
}

inline db::Task<std::vector<db::QueryResult>> ask(db::Pool& pool, db::Priority priority,
                                                  const db::Pipeline& pipeline,
                                                  db::Deadline deadline) {
    const int rounds = pipeline.effect() == db::Effect::Read ? reads_max : 1;
    return ask(pool, priority, pipeline, deadline, deadline, rounds);
}

} // namespace holdfast::store
