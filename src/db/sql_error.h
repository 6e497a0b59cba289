#pragma once

// What a SQLSTATE of PostgreSQL means for us: who can do something about it, and whether trying
// again may help. All of these mean "not committed"; a lost answer has no SQLSTATE.
//
//   08 connection, 57P0x shutdown or starting, 25006 read-only (an old primary)
//                                    Unavailable, retryable
//   40001 serialization, 40P01 deadlock, 55P03 lock timeout
//                                    Conflict, retryable
//   53 out of connections, memory, disk; 54 limits
//                                    Overload, retryable (53); Invalid (54)
//   57014 statement timeout          Deadline, retryable
//   22 bad data, 23 constraint, P0001 raised by a trigger
//                                    Invalid
//   28 credentials                   Auth; 42501 privileges Forbidden
//   58, XX001, XX002 input/output and corrupted pages
//                                    Io
//   everything else (42 unknown column ...)  Bug: code and schema disagree
//
// Source: PostgreSQL 15 documentation, appendix A.

#include "base/result.h"

#include <string>
#include <string_view>

struct pg_result; // libpq's PGresult
struct pg_conn;   // libpq's PGconn

namespace holdfast::db {

struct SqlCondition {
    ErrorClass kind;
    bool retryable;
    std::string_view code; ///< snake_case, appendix A's names; empty: none of its own
};
SqlCondition condition_of(std::string_view sqlstate);

/// The Error for a result of the server: `code` is the violated constraint, else the condition,
/// else "sqlstate_xxxxx"; `param` is "table.column" as far as the server says. The message is the
/// server's primary one: its detail may hold whole rows.
Error sql_error(const pg_result* result);

/// The Error for an attempt to connect that failed. libpq gives no SQLSTATE there but in the text
/// (PQERRORS_VERBOSE). Without any: Unavailable "database_unreachable".
Error connect_error(std::string_view message);

/// libpq's message without line breaks and LOCATION, for one line of log.
std::string one_line(std::string_view message);

} // namespace holdfast::db
