#include "db/query_result.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <charconv>

namespace holdfast::db {

void QueryResult::Free::operator()(pg_result* result) const { PQclear(result); }

std::size_t QueryResult::rows() const {
    return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0;
}

std::size_t QueryResult::columns() const {
    return result_ ? static_cast<std::size_t>(PQnfields(result_.get())) : 0;
}

std::int64_t QueryResult::affected() const {
    if (!result_) return 0;
    const std::string_view digits = PQcmdTuples(result_.get());
    std::int64_t count = 0; // stays 0 for commands that count nothing
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    return count;
}

std::string_view QueryResult::tag() const {
    return result_ ? PQcmdStatus(result_.get()) : std::string_view{};
}

Row QueryResult::operator[](std::size_t row) const {
    CHECK(row < rows());
    return {result_.get(), static_cast<int>(row)};
}

Row QueryResult::front() const { return (*this)[0]; }

QueryResult::Iterator QueryResult::begin() const { return {result_.get(), 0}; }
QueryResult::Iterator QueryResult::end() const { return {result_.get(), rows()}; }

Row::Cell Row::cell(std::size_t column) const {
    const int index = static_cast<int>(column);
    if (column >= static_cast<std::size_t>(PQnfields(result_))) return {0, true, {}};
    if (PQfformat(result_, index) != 1) return {0, true, {}};
    return {PQftype(result_, index),
            PQgetisnull(result_, row_, index) != 0,
            {PQgetvalue(result_, row_, index),
             static_cast<std::size_t>(PQgetlength(result_, row_, index))}};
}

bool Row::is_null(std::size_t column) const { return cell(column).null; }

Result<void> Row::expect_columns(std::size_t count) const {
    const auto there = static_cast<std::size_t>(PQnfields(result_));
    if (there == count) return {};
    return fail(ErrorClass::Bug, "result_mismatch",
                fmt::format("A result has {} columns where {} are read.", there, count));
}

std::unexpected<Error> Row::mismatch(std::size_t column) const {
    const Cell c = cell(column);
    const char* name = c.type != 0 ? PQfname(result_, static_cast<int>(column)) : nullptr;
    return fail(
        ErrorClass::Bug, "result_mismatch",
        fmt::format("Column {} ({}) of a result, type {}, {}, is not what is read from it.", column,
                    name ? name : "missing", c.type,
                    c.null ? std::string("NULL") : fmt::format("{} bytes", c.bytes.size())));
}

std::optional<ArrayReader> ArrayReader::open(std::string_view bytes) {
    constexpr std::size_t empty_header = 12, header = 20;
    if (bytes.size() < empty_header) return std::nullopt;
    ArrayReader reader;
    reader.type_ = wire::load<Oid>(bytes.data() + 8);
    const auto dimensions = wire::load<std::int32_t>(bytes.data());
    if (dimensions == 0) return reader;
    if (dimensions != 1 || bytes.size() < header) return std::nullopt;
    const auto size = wire::load<std::int32_t>(bytes.data() + 12);
    reader.rest_ = bytes.substr(header);
    // Each element has at least its length: a lying count must not make anybody reserve memory.
    if (size < 0 || static_cast<std::size_t>(size) > reader.rest_.size() / 4) return std::nullopt;
    reader.size_ = static_cast<std::size_t>(size);
    return reader;
}

bool ArrayReader::next(std::optional<std::string_view>& element) {
    if (rest_.size() < 4) return false;
    const auto length = wire::load<std::int32_t>(rest_.data());
    rest_.remove_prefix(4);
    element.reset();
    if (length == -1) return true;
    if (length < 0 || static_cast<std::size_t>(length) > rest_.size()) return false;
    element = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(static_cast<std::size_t>(length));
    return true;
}

} // namespace holdfast::db
