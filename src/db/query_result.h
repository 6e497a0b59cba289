#pragma once

// QueryResult: what one statement answered. Row: one row of it.
//
//   for (Row row : results[found]) {
//       core::Refund refund;
//       CO_TRY_VOID(row.read(refund.account, refund.id, refund.amount_minor, refund.reason));
//       ...
//   }
//
// read() takes all columns in their order; get<T>(column) takes one. Both check type, length and
// NULL against the C++ type (db/wire.h) and answer Error "result_mismatch" (Bug) naming the column:
// schema and code then disagree. NULL needs an optional<T>.
//
// Representation: owns libpq's PGresult, binary columns; rows and string_views point into it.

#include "base/result.h"
#include "db/wire.h"

#include <cstddef>
#include <memory>

struct pg_result; // libpq's PGresult

namespace holdfast::db {

class Row;

class QueryResult {
  public:
    /// An empty result, for fakes in tests.
    QueryResult() = default;
    /// Takes it over.
    explicit QueryResult(pg_result* result) : result_(result) {}

    std::size_t rows() const;
    std::size_t columns() const;
    bool empty() const { return rows() == 0; }
    std::int64_t affected() const; ///< rows inserted, updated or deleted; or selected
    std::string_view tag() const;  ///< "INSERT 0 3", "COMMIT"

    Row operator[](std::size_t row) const;
    Row front() const;

    class Iterator;
    Iterator begin() const;
    Iterator end() const;

    pg_result* native() const { return result_.get(); }

  private:
    struct Free {
        void operator()(pg_result* result) const;
    };
    std::unique_ptr<pg_result, Free> result_;
};

class Row {
  public:
    Row(const pg_result* result, int row) : result_(result), row_(row) {}

    template <class T> Result<T> get(std::size_t column) const {
        T value{};
        if (!read_one(column, value)) return mismatch(column);
        return value;
    }

    template <class... T> Result<void> read(T&... values) const {
        TRY_VOID(expect_columns(sizeof...(T)));
        std::size_t column = 0;
        const bool ok = ((read_one(column, values) && ++column) && ...);
        if (!ok) return mismatch(column);
        return {};
    }

    bool is_null(std::size_t column) const;

  private:
    struct Cell {
        Oid type;
        bool null;
        std::string_view bytes;
    };
    Cell cell(std::size_t column) const; ///< type 0 when there is no such column
    Result<void> expect_columns(std::size_t count) const;
    std::unexpected<Error> mismatch(std::size_t column) const;

    template <class T> bool read_one(std::size_t column, T& value) const {
        const Cell c = cell(column);
        return !c.null && Wire<T>::read(c.type, c.bytes, value);
    }
    template <class T> bool read_one(std::size_t column, std::optional<T>& value) const {
        const Cell c = cell(column);
        if (c.type == 0) return false;
        if (c.null) {
            value.reset();
            return true;
        }
        return Wire<T>::read(c.type, c.bytes, value.emplace());
    }

    const pg_result* result_;
    int row_;
};

class QueryResult::Iterator {
  public:
    Iterator(const pg_result* result, std::size_t row) : result_(result), row_(row) {}
    Row operator*() const { return {result_, static_cast<int>(row_)}; }
    Iterator& operator++() {
        ++row_;
        return *this;
    }
    bool operator==(const Iterator& other) const { return row_ == other.row_; }

  private:
    const pg_result* result_;
    std::size_t row_;
};

/// Walks a binary array of one dimension.
class ArrayReader {
  public:
    /// False when `bytes` are no array of one dimension.
    static std::optional<ArrayReader> open(std::string_view bytes);
    Oid element_type() const { return type_; }
    std::size_t size() const { return size_; }
    /// False at a malformed or missing element; a NULL is an empty optional.
    bool next(std::optional<std::string_view>& element);

  private:
    std::string_view rest_;
    Oid type_ = 0;
    std::size_t size_ = 0;
};

template <class T> struct Wire<std::vector<T>> {
    static bool read(Oid type, std::string_view bytes, std::vector<T>& values) {
        auto array = type == Wire<T>::array_oid ? ArrayReader::open(bytes) : std::nullopt;
        if (!array) return false;
        values.clear();
        values.reserve(array->size());
        for (std::size_t i = 0; i < array->size(); ++i) {
            std::optional<std::string_view> element;
            T value{};
            if (!array->next(element) || !element) return false;
            if (!Wire<T>::read(array->element_type(), *element, value)) return false;
            values.push_back(std::move(value));
        }
        return true;
    }
};

} // namespace holdfast::db
