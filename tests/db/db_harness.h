#pragma once

// What the suites about connections share: a loop, an Offload, a fresh database, and short names
// for running a coroutine on them.

#include "base/offload.h"
#include "db/connection.h"
#include "net/block_on.h"
#include "tests/support/pg_fixture.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::db {

inline Deadline in(Duration duration) { return Deadline::after(duration); }
inline constexpr std::chrono::seconds ample{10};

class DatabaseTest : public testing::Test {
  protected:
    explicit DatabaseTest(test::PgCluster& cluster = test::PgCluster::shared())
        : database_(cluster) {}

    ConnectOptions options() const { return options_of(database_.url()); }
    static ConnectOptions options_of(const std::string& url) {
        auto parsed = ConnectOptions::parse(SecretString(url));
        EXPECT_TRUE(parsed);
        parsed->role = "test";
        return *parsed;
    }

    template <class T> Result<T> wait(Task<T> task) {
        return net::block_on(loop_, std::move(task));
    }
    Result<std::unique_ptr<Connection>> try_connect(ConnectOptions options, Duration time = ample) {
        return wait(connect(loop_, offload_, std::move(options), in(time)));
    }
    std::unique_ptr<Connection> connected(ConnectOptions options) {
        auto connection = try_connect(std::move(options));
        if (!connection) throw std::runtime_error(to_string(connection.error()));
        return std::move(*connection);
    }
    std::unique_ptr<Connection> connected() { return connected(options()); }

    Result<std::vector<QueryResult>> run(Connection& connection, const Pipeline& pipeline,
                                         Duration time = ample) {
        return wait(connection.run(pipeline, in(time)));
    }
    /// One statement without parameters, as a pipeline of its own.
    Result<std::vector<QueryResult>> run_sql(Connection& connection, std::string sql,
                                             Duration time = ample) {
        Pipeline pipeline;
        pipeline.add_sql(std::move(sql));
        return run(connection, pipeline, time);
    }
    template <class T> T value_of(Connection& connection, std::string sql) {
        auto results = run_sql(connection, std::move(sql));
        if (!results) throw std::runtime_error(to_string(results.error()));
        auto value = (*results)[0].front().get<T>(0);
        if (!value) throw std::runtime_error(to_string(value.error()));
        return *value;
    }

    net::Loop loop_{1};
    Offload offload_{{.name = "test"}};
    test::PgDatabase database_;
};

} // namespace holdfast::db
