#pragma once

// Table: the columns of one table, as far as statements are made from them (sql_table.h). The
// tables themselves are in tables.h.

#include "db/wire.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace holdfast::store {

using db::Oid;
namespace oid = db::oid;

enum class Part : std::uint8_t {
    Key,
    Fixed,   ///< never changes
    State,   ///< written with every update
    Guarded, ///< written with an update that says so
    Given,   ///< by the database: read, not written
};

struct Column {
    std::string_view name;
    Oid array_type = 0;
    Part part = Part::State;
};

struct Table {
    static constexpr std::size_t columns_max = 32;

    constexpr Table(std::string_view table_name, std::initializer_list<Column> list)
        : name(table_name) {
        for (const Column& column : list) columns[count++] = column;
    }
    constexpr bool has(Part part) const {
        return std::ranges::any_of(columns, columns + count,
                                   [part](const Column& c) { return c.part == part; });
    }

    std::string_view name;
    Column columns[columns_max];
    std::size_t count = 0;
};

} // namespace holdfast::store
