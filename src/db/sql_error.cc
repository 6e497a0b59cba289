#include "db/sql_error.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <algorithm>
#include <array>
#include <cctype>

namespace holdfast::db {
namespace {

struct Known {
    std::string_view sqlstate; ///< five characters, or two for the rest of a class
    SqlCondition condition;
};

using enum ErrorClass;

/// The first entry that fits counts.
constexpr std::array known{
    Known{"08", {Unavailable, true, "connection_exception"}},
    Known{"22021", {Invalid, false, "character_not_in_repertoire"}},
    Known{"22P02", {Invalid, false, "invalid_text_representation"}},
    Known{"22001", {Invalid, false, "string_data_right_truncation"}},
    Known{"22003", {Invalid, false, "numeric_value_out_of_range"}},
    Known{"22012", {Invalid, false, "division_by_zero"}},
    Known{"22", {Invalid, false, {}}},
    Known{"23502", {Invalid, false, "not_null_violation"}},
    Known{"23503", {Invalid, false, "foreign_key_violation"}},
    Known{"23505", {Invalid, false, "unique_violation"}},
    Known{"23514", {Invalid, false, "check_violation"}},
    Known{"23", {Invalid, false, {}}},
    Known{"25006", {Unavailable, true, "read_only_database"}},
    Known{"25P03", {Unavailable, true, "idle_in_transaction_session_timeout"}},
    // The session lost its prepared statements (a pooler between us): a new one has them.
    Known{"26000", {Unavailable, true, "prepared_statement_missing"}},
    Known{"28P01", {Auth, false, "invalid_password"}},
    Known{"28", {Auth, false, "invalid_authorization"}},
    Known{"3D000", {Invalid, false, "no_such_database"}},
    Known{"40001", {Conflict, true, "serialization_failure"}},
    Known{"40P01", {Conflict, true, "deadlock_detected"}},
    Known{"40003", {Unknown, false, "statement_completion_unknown"}},
    Known{"40", {Conflict, true, "transaction_rollback"}},
    Known{"42501", {Forbidden, false, "insufficient_privilege"}},
    Known{"53100", {Overload, true, "disk_full"}},
    Known{"53200", {Overload, true, "out_of_memory"}},
    Known{"53300", {Overload, true, "too_many_connections"}},
    Known{"53", {Overload, true, {}}},
    Known{"54", {Invalid, false, "program_limit_exceeded"}},
    Known{"55P03", {Conflict, true, "lock_not_available"}},
    Known{"57014", {Deadline, true, "query_canceled"}},
    Known{"57P01", {Unavailable, true, "admin_shutdown"}},
    Known{"57P02", {Unavailable, true, "crash_shutdown"}},
    Known{"57P03", {Unavailable, true, "cannot_connect_now"}},
    Known{"57P04", {Unavailable, false, "database_dropped"}},
    Known{"57P05", {Unavailable, true, "idle_session_timeout"}},
    Known{"58", {Io, false, "system_error"}},
    Known{"P0001", {Invalid, false, "raise_exception"}},
    Known{"XX001", {Io, false, "data_corrupted"}},
    Known{"XX002", {Io, false, "index_corrupted"}},
};

std::string_view field(const pg_result* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text ? text : std::string_view{};
}

bool is_sqlstate(std::string_view text) {
    return text.size() == 5 && std::ranges::all_of(text, [](unsigned char c) {
               return std::isdigit(c) || std::isupper(c);
           });
}

} // namespace

SqlCondition condition_of(std::string_view sqlstate) {
    const auto fits = [&](const Known& entry) { return sqlstate.starts_with(entry.sqlstate); };
    const auto found = std::ranges::find_if(known, fits);
    return found != known.end() ? found->condition : SqlCondition{Bug, false, {}};
}

Error sql_error(const pg_result* result) {
    const std::string_view sqlstate = field(result, PG_DIAG_SQLSTATE);
    SqlCondition condition = condition_of(sqlstate);
    // Raised when a table changed under a prepared statement whose columns it alters; the routine's
    // name, unlike the message, is in no language.
    if (sqlstate == "0A000" && field(result, PG_DIAG_SOURCE_FUNCTION) == "RevalidateCachedQuery") {
        condition = {Unavailable, true, "cached_plan_changed"};
    }
    const std::string_view constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
    const std::string_view table = field(result, PG_DIAG_TABLE_NAME);
    const std::string_view column = field(result, PG_DIAG_COLUMN_NAME);

    Error error{.kind = condition.kind, .retryable = condition.retryable};
    if (!constraint.empty())
        error.code = constraint;
    else if (!condition.code.empty())
        error.code = condition.code;
    else
        error.code = fmt::format("sqlstate_{}", sqlstate);
    error.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
    error.sqlstate = sqlstate;
    error.param = table;
    if (!table.empty() && !column.empty()) error.param.append(".").append(column);
    return error;
}

Error connect_error(std::string_view message) {
    Error error{.kind = Unavailable,
                .code = "database_unreachable",
                .message = one_line(message),
                .retryable = true};
    // "... failed: FATAL:  28P01: password authentication failed for user ..."
    for (std::size_t at = message.find(":  "); at != message.npos; at = message.find(":  ", at)) {
        at += 3;
        const std::string_view candidate = message.substr(at, 5);
        if (!is_sqlstate(candidate) || !message.substr(at).substr(5).starts_with(":")) continue;
        const SqlCondition condition = condition_of(candidate);
        error.kind = condition.kind;
        error.retryable = condition.retryable;
        error.code = condition.code.empty() ? fmt::format("sqlstate_{}", candidate)
                                            : std::string(condition.code);
        error.sqlstate = candidate;
    }
    return error;
}

std::string one_line(std::string_view message) {
    std::string line;
    while (!message.empty()) {
        const std::size_t end = std::min(message.find('\n'), message.size());
        std::string_view part = message.substr(0, end);
        message.remove_prefix(std::min(end + 1, message.size()));
        while (!part.empty() && (part.front() == ' ' || part.front() == '\t'))
            part.remove_prefix(1);
        if (part.empty() || part.starts_with("LOCATION:")) continue;
        if (!line.empty()) line += ' ';
        line += part;
    }
    return line;
}

} // namespace holdfast::db
