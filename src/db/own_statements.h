#pragma once

// The statements that src/db itself sends: the ends of transactions and the timeouts of the
// session. Prepared like any other, so that they cost a few bytes each.

#include "db/statement.h"

namespace holdfast::db::own_statements {

inline constexpr Statement begin{"hf_begin", "BEGIN"};
inline constexpr Statement begin_snapshot{"hf_begin_snapshot",
                                          "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
inline constexpr Statement commit{"hf_commit", "COMMIT"};
inline constexpr Statement rollback{"hf_rollback", "ROLLBACK"};

/// Both in one statement; the values hold for the session, until they are set again.
inline constexpr Statement set_timeouts{
    "hf_set_timeouts",
    "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)",
    {oid::text, oid::text}};

} // namespace holdfast::db::own_statements
