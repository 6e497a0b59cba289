// Every statement prepares on the schema, is listed in src/store/statements.sql, and, where
// requests wait for it, goes through an index. Under TEST_UPDATE=1 the list is written anew.

#include "tests/store/all_statements.h"
#include "tests/store/store_database.h"

#include "base/env.h"
#include "base/files.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <regex>

namespace holdfast::store {
namespace {

Statements all_statements() {
    Statements all = batch_statements();
    for (const auto& more : {read_statements(), other_statements()}) {
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

class StatementsTest : public testing::Test {
  protected:
    StatementsTest() : connection_(db_.connect()) {}

    Result<std::vector<db::QueryResult>> run(std::string sql) {
        db::Pipeline pipeline;
        pipeline.add_sql(std::move(sql));
        return db_.try_get(connection_->run(pipeline, Deadline::after(std::chrono::seconds{20})));
    }
    /// PREPAREs it under its name, with the types it declares.
    void prepare(const db::Statement& statement) {
        std::string types;
        for (db::Oid type : statement.param_oids.span()) {
            types += (types.empty() ? "" : ", ") +
                     db_.database().value(fmt::format("SELECT {}::regtype", type));
        }
        if (!types.empty()) types = "(" + types + ")";
        const auto done =
            run(fmt::format("PREPARE {} {} AS {}", statement.name, types, statement.sql));
        EXPECT_TRUE(done) << statement.sql << "\n" << to_string(done.error());
    }
    /// The plan, with every parameter NULL: under a generic plan the values do not matter.
    std::string plan(const db::Statement& statement) {
        std::string nulls;
        for (std::size_t i = 0; i < statement.param_oids.span().size(); ++i) {
            nulls += i == 0 ? "(NULL" : ", NULL";
        }
        if (!nulls.empty()) nulls += ")";
        auto result = run(fmt::format("EXPLAIN EXECUTE {}{}", statement.name, nulls));
        if (!result) throw std::runtime_error(to_string(result.error()));
        std::string text;
        for (db::Row row : (*result)[0]) text += *row.get<std::string>(0) + "\n";
        return text;
    }

    StoreDatabase db_;
    std::unique_ptr<db::Connection> connection_;
};

TEST_F(StatementsTest, AllPrepareOnTheSchema) {
    for (const db::Statement* statement : all_statements()) {
        if (std::string_view(statement->sql).starts_with("SET ")) continue; // PREPARE takes no SET
        prepare(*statement);
    }
}

TEST_F(StatementsTest, WhatRequestsWaitForGoesThroughIndexes) {
    Statements hot = batch_statements();
    const Statements reads = read_statements();
    hot.insert(hot.end(), reads.begin(), reads.end());
    for (const db::Statement* statement : hot) {
        prepare(*statement);
        const std::string text = plan(*statement);
        for (const char* bad : {"Seq Scan", "Bitmap", "Hash Join", "Merge Join"}) {
            EXPECT_THAT(text, testing::Not(testing::HasSubstr(bad))) << statement->sql;
        }
        // This is the plan of a connection that was opened before there were any rows, and it keeps
        // it: an index entered by the account alone would walk all rows of a merchant.
        const std::string_view name = statement->name;
        if (name == "read_balance" || name == "list_keys" || name == "floor_limits_of")
            continue; // all rows there are wanted
        EXPECT_FALSE(std::regex_search(text, std::regex(R"(Index Cond: \(account_id = [^)]*\)\n)")))
            << statement->sql << "\n"
            << text;
    }
}

TEST_F(StatementsTest, AreListedInTheSourceTree) {
    std::string expected =
        "-- Every statement of src/store as the database gets it. Kept current by"
        "\n-- tests/store/statements_test.cc: TEST_UPDATE=1 writes it anew.\n";
    for (const db::Statement* statement : all_statements()) {
        expected += fmt::format("\n-- {}\n{};\n", statement->name, statement->sql);
    }
    constexpr const char* path = "src/store/statements.sql"; // tests run in the source tree
    if (!environment_variable("TEST_UPDATE").empty()) {
        ASSERT_TRUE(write_file_durably(path, expected, 0644));
    }
    const auto listed = read_file(path);
    ASSERT_TRUE(listed);
    EXPECT_EQ(*listed, expected);
}

} // namespace
} // namespace holdfast::store
