#pragma once

// Table and Sql<table>: the statements that every table has alike, written once, at compile time,
// from the list of its columns. What is particular to one question is spelled out in *_sql.h. The
// texts as the database gets them are in statements.sql, which a test keeps current.
//
//   inline constexpr Table tokens{"tokens", {{"account_id", oid::uuid_array, Part::Key}, ...}};
//   pipeline.add(Sql<tokens>::insert, accounts, ids, ...);      // columns in the order of the
//   table
//
//   insert     all columns; arrays, one value per row
//   update     Key, State, marker, Guarded: the guarded columns are only written where the marker
//              `changed` is true, so that what seldom changes is not logged again with each update
//   read       rows of these keys: (accounts, ids)
//   lock       likewise, FOR NO KEY UPDATE SKIP LOCKED
//   lock_wait  likewise, waiting for each in the order of the keys
//   exists     which of these keys exist
//   position   (created, sequence) of one row
//
// `unnest` stands in the select list, where PostgreSQL walks the arrays in step without storing
// each of them first: a fifth less time per row than unnest in FROM.

#include "db/statement.h"
#include "store/sql_text.h"
#include "store/table.h"

#include <string_view>

namespace holdfast::store {

using db::ParamTypes;
using db::Statement;

namespace detail {

constexpr void add_columns(SqlText& sql, const Table& table, std::string_view prefix, bool given) {
    const std::size_t start = sql.size();
    for (std::size_t i = 0; i < table.count; ++i) {
        if (table.columns[i].part == Part::Given && !given) continue;
        sql.separate(start).add(prefix).add(table.columns[i].name);
    }
}

constexpr SqlText insert_sql(const Table& table) {
    SqlText sql;
    sql.add("INSERT INTO ").add(table.name).add(" (");
    add_columns(sql, table, "", false);
    sql.add(") SELECT ");
    const std::size_t start = sql.size();
    std::size_t parameter = 0;
    for (std::size_t i = 0; i < table.count; ++i) {
        if (table.columns[i].part == Part::Given) continue;
        sql.separate(start).add("unnest($").add(++parameter).add(")");
    }
    return sql;
}

/// What an update sets, and what it is given: keys, state, marker, guarded.
constexpr SqlText update_sql(const Table& table) {
    SqlText sql, given;
    sql.add("UPDATE ").add(table.name).add(" AS t SET ");
    const std::size_t start = sql.size();
    std::size_t parameter = 0;
    for (Part part : {Part::Key, Part::State, Part::Guarded}) {
        if (part == Part::Guarded && table.has(part)) {
            given.separate(0).add("unnest($").add(++parameter).add(") AS changed");
        }
        for (std::size_t i = 0; i < table.count; ++i) {
            const std::string_view name = table.columns[i].name;
            if (table.columns[i].part != part) continue;
            given.separate(0).add("unnest($").add(++parameter).add(") AS ").add(name);
            if (part == Part::Key) continue;
            sql.separate(start).add(name).add(" = ");
            if (part == Part::State) sql.add("u.").add(name);
            if (part == Part::Guarded) {
                sql.add("CASE WHEN u.changed THEN u.").add(name);
                sql.add(" ELSE t.").add(name).add(" END");
            }
        }
    }
    sql.add(" FROM (SELECT ").add({given.c_str(), given.size()});
    return sql.add(") AS u WHERE t.account_id = u.account_id AND t.id = u.id");
}

enum class KeyQuery : std::uint8_t { Read, Lock, LockWait, Exists };

/// The keys are the outer side, always: a subquery that is not flattened can only be run for each
/// of them. So the plan does not depend on statistics, and rows are locked in the order of the
/// keys.
constexpr SqlText key_sql(const Table& table, KeyQuery query) {
    SqlText sql, columns;
    if (query == KeyQuery::Exists)
        columns.add("t.account_id, t.id");
    else
        add_columns(columns, table, "t.", true);
    const std::string_view list(columns.c_str(), columns.size());
    sql.add("SELECT ").add(list);
    sql.add(
        " FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k"
        " CROSS JOIN LATERAL (SELECT ");
    sql.add(list).add(" FROM ").add(table.name);
    sql.add(" AS t WHERE t.account_id = k.account_id AND t.id = k.id");
    if (query == KeyQuery::Lock)
        sql.add(" FOR NO KEY UPDATE SKIP LOCKED");
    else if (query == KeyQuery::LockWait)
        sql.add(" FOR NO KEY UPDATE");
    else
        sql.add(" OFFSET 0");
    return sql.add(") AS t");
}

constexpr SqlText position_sql(const Table& table) {
    SqlText sql;
    sql.add("SELECT t.created, t.sequence FROM ").add(table.name);
    return sql.add(" AS t WHERE t.account_id = $1 AND t.id = $2");
}

constexpr ParamTypes insert_types(const Table& table) {
    ParamTypes types;
    for (std::size_t i = 0; i < table.count; ++i) {
        if (table.columns[i].part != Part::Given) types.append(table.columns[i].array_type);
    }
    return types;
}

constexpr ParamTypes update_types(const Table& table) {
    ParamTypes types;
    for (Part part : {Part::Key, Part::State, Part::Guarded}) {
        if (part == Part::Guarded && table.has(part)) types.append(oid::boolean_array);
        for (std::size_t i = 0; i < table.count; ++i) {
            if (table.columns[i].part == part) types.append(table.columns[i].array_type);
        }
    }
    return types;
}

} // namespace detail

template <const Table& table> class Sql {
    static constexpr SqlText name(std::string_view verb) {
        SqlText name;
        return name.add(verb).add(table.name);
    }
    static constexpr SqlText insert_name = name("insert_"), update_name = name("update_"),
                             read_name = name("read_"), lock_name = name("lock_"),
                             lock_wait_name = name("lock_wait_"), exists_name = name("exists_"),
                             position_name = name("position_");
    static constexpr SqlText insert_sql = detail::insert_sql(table),
                             update_sql = detail::update_sql(table),
                             read_sql = detail::key_sql(table, detail::KeyQuery::Read),
                             lock_sql = detail::key_sql(table, detail::KeyQuery::Lock),
                             lock_wait_sql = detail::key_sql(table, detail::KeyQuery::LockWait),
                             exists_sql = detail::key_sql(table, detail::KeyQuery::Exists),
                             position_sql = detail::position_sql(table);
    static constexpr ParamTypes keys{oid::uuid_array, oid::uuid_array};

  public:
    static constexpr Statement insert{insert_name.c_str(), insert_sql.c_str(),
                                      detail::insert_types(table)};
    static constexpr Statement update{update_name.c_str(), update_sql.c_str(),
                                      detail::update_types(table)};
    static constexpr Statement read{read_name.c_str(), read_sql.c_str(), keys};
    static constexpr Statement lock{lock_name.c_str(), lock_sql.c_str(), keys};
    static constexpr Statement lock_wait{lock_wait_name.c_str(), lock_wait_sql.c_str(), keys};
    static constexpr Statement exists{exists_name.c_str(), exists_sql.c_str(), keys};
    static constexpr Statement position{
        position_name.c_str(), position_sql.c_str(), {oid::uuid, oid::uuid}};
};

} // namespace holdfast::store
