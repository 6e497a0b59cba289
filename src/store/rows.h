#pragma once

// Rows <-> core. read_row makes an object of a row as the `select` statements of sql_table.h return
// it; metadata_json and guarded_part are what writing needs. An unreadable row is Error
// result_mismatch, or that of the codec in core/snapshot.h: schema and build disagree.

#include "core/snapshot.h"
#include "core/unit_of_work.h"
#include "db/query_result.h"
#include "store/store.h"

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::store {

/// T in Customer, PaymentMethod, Token, PaymentIntent, Charge, Refund, Operation,
/// BalanceTransaction, Event, ReplayRecord.
template <class T> Result<T> read_row(db::Row row);

template <class T> Result<std::vector<T>> read_rows(const db::QueryResult& result) {
    std::vector<T> values;
    values.reserve(result.rows());
    for (db::Row row : result) {
        TRY(T value, read_row<T>(row));
        values.push_back(std::move(value));
    }
    return values;
}

/// The column `metadata`: NULL when empty.
std::optional<std::string> metadata_json(const core::Metadata& metadata);
Result<core::Metadata> parse_metadata(std::string_view json);

/// The operation's column `details`: all but what has columns that an update writes.
std::string operation_details(core::Operation operation);

/// One byte string of everything in an object's guarded columns, to see whether they changed.
/// T in the tables that have such columns.
template <class T> std::string guarded_part(const T& value);

} // namespace holdfast::store
