// Connections to a real server: values, transactions, errors, sizes, timeouts.

#include "tests/db/db_harness.h"

#include <fmt/format.h>
#include <numeric>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;
using Connecting = DatabaseTest;
using Running = DatabaseTest;

struct Thing {
    [[maybe_unused]] static constexpr std::string_view id_prefix = "th_";
};

TEST_F(Connecting, TellsTheServerWhoWeAre) {
    auto connection = connected();
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW application_name"), "holdfast:test");
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW client_encoding"), "UTF8");
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW statement_timeout"), "8s");
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW lock_timeout"), "2s");
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW idle_in_transaction_session_timeout"),
              "10s");
    EXPECT_EQ(value_of<std::string>(*connection, "SHOW client_connection_check_interval"), "1s");
    EXPECT_EQ(value_of<std::int32_t>(*connection, "SELECT pg_backend_pid()"),
              connection->backend_pid());
    EXPECT_EQ(connection->server_version() / 10'000, 15);
}

TEST_F(Connecting, SaysWhatIsWrong) {
    auto wrong_database = options();
    wrong_database.set("dbname", "nothing");
    auto refused = try_connect(wrong_database);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "no_such_database");
    EXPECT_EQ(refused.error().sqlstate, "3D000");
    EXPECT_FALSE(refused.error().retryable);

    auto wrong_socket = options();
    wrong_socket.set("host", "/tmp/no/such/place");
    auto unreachable = try_connect(wrong_socket);
    ASSERT_FALSE(unreachable);
    EXPECT_EQ(unreachable.error().kind, ErrorClass::Unavailable);
    EXPECT_EQ(unreachable.error().code, "database_unreachable");
    EXPECT_TRUE(unreachable.error().retryable);

    auto wrong_name = options();
    wrong_name.set("host", "no-such-host.invalid");
    auto unknown = try_connect(wrong_name);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, "host_not_found");
}

TEST_F(Connecting, OverTcpWithAPasswordAndByName) {
    test::PgCluster cluster({.tcp = true});
    cluster.execute("CREATE ROLE app LOGIN PASSWORD 'right'");
    auto by_name = cluster.tcp_url("postgres", "app") + " password=right";
    by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
    auto connection = connected(options_of(by_name));
    EXPECT_EQ(value_of<std::string>(*connection, "SELECT current_user::text"), "app");

    auto refused = try_connect(options_of(cluster.tcp_url("postgres", "app") + " password=wrong"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorClass::Auth);
    EXPECT_EQ(refused.error().code, "invalid_password");
    EXPECT_EQ(refused.error().message.find("wrong"), std::string::npos);
}

TEST_F(Connecting, OverTlsWithLargeAnswersAndCancels) {
    test::PgCluster cluster({.tcp = true});
    const std::string data = cluster.execute("SHOW data_directory");
    const auto user = unprivileged_user({"postgres"});
    ASSERT_TRUE(user);
    SpawnOptions openssl{
        .argv = {"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                 "/CN=test", "-keyout", data + "/server.key", "-out", data + "/server.crt"},
        .user = *user};
    ASSERT_TRUE(holdfast::run(openssl, 30s));
    cluster.execute("CREATE ROLE app LOGIN PASSWORD 'right'");
    cluster.execute("ALTER SYSTEM SET ssl = on");
    cluster.execute("SELECT pg_reload_conf()");
    const auto url = cluster.tcp_url("postgres", "app") + " password=right sslmode=require";
    auto connection = try_connect(options_of(url));
    for (int tries = 0; tries < 100 && !connection; ++tries) { // until the setting has arrived
        connection = try_connect(options_of(url));
    }
    ASSERT_TRUE(connection) << to_string(connection.error());
    EXPECT_TRUE(
        value_of<bool>(**connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
    auto large = run_sql(**connection, "SELECT repeat('x', 5000000)");
    ASSERT_TRUE(large) << to_string(large.error());
    EXPECT_EQ((*large)[0].front().get<std::string_view>(0)->size(), 5'000'000u);
    Pipeline sleep(Effect::Read);
    sleep.add_sql("SELECT pg_sleep(30)");
    EXPECT_EQ(run(**connection, sleep, 100ms).error().code, "deadline_passed");
    EXPECT_TRUE(wait((*connection)->dispose(in(5s))));
}

TEST_F(Connecting, GivesUpAtItsDeadline) {
    test::PgCluster cluster;
    cluster.suspend(true);
    auto late = try_connect(options_of(cluster.url()), 200ms);
    cluster.suspend(false);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "deadline_passed");
    EXPECT_TRUE(try_connect(options_of(cluster.url()))) << "and it recovers by itself";
}

TEST_F(Running, EveryTypeThereAndBack) {
    static constexpr Statement everything{
        "everything",
        "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11",
        {oid::boolean, oid::int2, oid::int4, oid::int8, oid::text, oid::bytea, oid::jsonb,
         oid::uuid, oid::timestamptz, oid::date, oid::text}};
    auto connection = connected();
    const Id<Thing> id(*Uuid::from_base62("0000000000000000123abc"));
    const WallTime now = wall_from_micros(1'790'000'000'123'456);
    const Date day = std::chrono::sys_days{std::chrono::year{1969} / 7 / 20};
    const std::string bytes("\0\1\xff", 3);
    Pipeline pipeline;
    pipeline.add(everything, true, std::int16_t{-2}, std::int32_t{-3}, std::int64_t{-4}, "grüß",
                 Bytea{bytes}, Jsonb{R"({"a": [1, null]})"}, id, now, day,
                 std::optional<std::string>{});
    pipeline.add_sql("SELECT '1969-07-20'::date, '2026-09-21 14:13:20.123456+00'::timestamptz");
    auto results = run(*connection, pipeline);
    ASSERT_TRUE(results) << to_string(results.error());

    bool truth = false;
    std::int16_t two = 0;
    std::int32_t three = 0;
    std::int64_t four = 0;
    std::string text, blob, json;
    Id<Thing> id_back;
    WallTime now_back;
    Date day_back;
    std::optional<std::string> nothing = "something";
    auto read = (*results)[0].front().read(truth, two, three, four, text, blob, json, id_back,
                                           now_back, day_back, nothing);
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_TRUE(truth);
    EXPECT_EQ(two, -2);
    EXPECT_EQ(three, -3);
    EXPECT_EQ(four, -4);
    EXPECT_EQ(text, "grüß");
    EXPECT_EQ(blob, bytes);
    EXPECT_EQ(json, R"({"a": [1, null]})");
    EXPECT_EQ(id_back, id);
    EXPECT_EQ(now_back, now);
    EXPECT_EQ(day_back, day);
    EXPECT_EQ(nothing, std::nullopt);
    EXPECT_TRUE((*results)[1].front().read(day_back, now_back));
    EXPECT_EQ(day_back, day);
    EXPECT_EQ(now_back, now);
}

TEST_F(Running, ArraysForUnnest) {
    static constexpr Statement columns{
        "columns",
        "SELECT a, b, c, d FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[])"
        " AS t(a, b, c, d)",
        {oid::uuid_array, oid::text_array, oid::int8_array, oid::jsonb_array}};
    auto connection = connected();
    for (const int rows : {0, 1, 512}) {
        ParamArray<Uuid> ids;
        ParamArray<std::string_view> texts;
        ParamArray<std::int64_t> numbers;
        ParamArray<Jsonb> documents;
        Pipeline pipeline;
        for (int i = 0; i < rows; ++i) {
            Uuid id;
            id.bytes[15] = static_cast<std::uint8_t>(i);
            ids.append(id);
            if (i % 2)
                texts.append(std::nullopt);
            else
                texts.append("text");
            numbers.append(std::optional<std::int64_t>(i));
            documents.append(Jsonb{"{}"});
        }
        pipeline.add(columns, ids, texts, numbers, documents);
        auto results = run(*connection, pipeline);
        ASSERT_TRUE(results) << to_string(results.error());
        ASSERT_EQ((*results)[0].rows(), static_cast<std::size_t>(rows));
        std::int64_t expected = 0;
        for (Row row : (*results)[0]) {
            Uuid id;
            std::optional<std::string_view> text;
            std::int64_t number = -1;
            std::string document;
            ASSERT_TRUE(row.read(id, text, number, document));
            EXPECT_EQ(number, expected);
            EXPECT_EQ(text.has_value(), expected % 2 == 0);
            EXPECT_EQ(document, "{}");
            ++expected;
        }
    }
}

TEST_F(Running, ReadsArraysAndRefusesMismatches) {
    auto connection = connected();
    auto results = run_sql(*connection,
                           "SELECT ARRAY[1, 2, 3]::int8[], ARRAY[]::text[], NULL::int4,"
                           " 'infinity'::timestamptz, 7::int8, ARRAY[1, NULL]::int8[]");
    ASSERT_TRUE(results);
    const Row row = (*results)[0].front();
    EXPECT_EQ(row.get<std::vector<std::int64_t>>(0), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_EQ(row.get<std::vector<std::string>>(1), std::vector<std::string>{});
    EXPECT_EQ(row.get<std::optional<std::int32_t>>(2), std::nullopt);
    EXPECT_TRUE(row.is_null(2));
    EXPECT_EQ(row.get<std::int64_t>(4), 7);
    const auto code = [](const auto& result) { return result ? "read" : result.error().code; };
    EXPECT_EQ(code(row.get<std::int32_t>(2)), "result_mismatch") << "NULL";
    EXPECT_EQ(code(row.get<WallTime>(3)), "result_mismatch") << "infinity";
    EXPECT_EQ(code(row.get<std::int32_t>(4)), "result_mismatch") << "narrowing";
    EXPECT_EQ(code(row.get<Uuid>(4)), "result_mismatch") << "another type";
    EXPECT_EQ(code(row.get<std::vector<std::int64_t>>(5)), "result_mismatch") << "NULL inside";
    EXPECT_EQ(code(row.get<std::int64_t>(6)), "result_mismatch") << "no such column";
    std::int64_t only = 0;
    EXPECT_EQ(code(row.read(only)), "result_mismatch") << "too few columns";
}

TEST_F(Running, OneTransactionOverTwoRoundTrips) {
    database_.value("CREATE TABLE t (a bigint PRIMARY KEY)");
    static constexpr Statement insert{"insert", "INSERT INTO t VALUES ($1)", {oid::int8}};
    auto connection = connected();
    Pipeline first;
    first.begin();
    first.add(insert, std::int64_t{1});
    ASSERT_TRUE(run(*connection, first));
    EXPECT_TRUE(connection->in_transaction());
    EXPECT_EQ(database_.value("SELECT count(*) FROM t"), "0");
    Pipeline second;
    const auto inserted = second.add(insert, std::int64_t{2});
    const auto committed = second.commit();
    auto results = run(*connection, second);
    ASSERT_TRUE(results);
    EXPECT_EQ((*results)[inserted].affected(), 1);
    EXPECT_EQ((*results)[committed].tag(), "COMMIT");
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(database_.value("SELECT count(*) FROM t"), "2");
}

TEST_F(Running, AnErrorRollsBackTheWholePipelineAndTheConnectionGoesOn) {
    database_.value("CREATE TABLE t (a bigint CONSTRAINT t_positive CHECK (a > 0))");
    static constexpr Statement insert{"insert", "INSERT INTO t VALUES ($1)", {oid::int8}};
    static constexpr Statement later{"later", "SELECT count(*) FROM t"};
    auto connection = connected();
    Pipeline pipeline;
    pipeline.add(insert, std::int64_t{1});
    pipeline.add(insert, std::int64_t{0});
    pipeline.add(later); // never prepared: skipped
    auto refused = run(*connection, pipeline);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorClass::Invalid);
    EXPECT_EQ(refused.error().code, "t_positive");
    EXPECT_EQ(refused.error().param, "t");
    EXPECT_EQ(refused.error().sqlstate, "23514");
    EXPECT_FALSE(connection->broken());

    pipeline.clear();
    pipeline.add(later);
    auto counted = run(*connection, pipeline);
    ASSERT_TRUE(counted) << to_string(counted.error());
    EXPECT_EQ((*counted)[0].front().get<std::int64_t>(0), 0);
}

TEST_F(Running, AfterAnErrorNoTransactionIsOpen) {
    auto connection = connected();
    Pipeline pipeline;
    pipeline.begin();
    pipeline.add_sql("SELECT 1 / 0");
    auto refused = run(*connection, pipeline);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "division_by_zero");
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_FALSE(connection->broken());
    EXPECT_EQ(value_of<std::int32_t>(*connection, "SELECT 1"), 1);

    pipeline.clear();
    pipeline.commit();
    auto late = run(*connection, pipeline);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "no_transaction");
}

TEST_F(Running, ADeferredConstraintRefusesTheCommit) {
    database_.value("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    auto connection = connected();
    for (const bool explicitly : {true, false}) {
        Pipeline pipeline;
        if (explicitly) pipeline.begin();
        pipeline.add_sql("INSERT INTO t VALUES (1), (1)");
        if (explicitly) pipeline.commit();
        auto refused = run(*connection, pipeline);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, "t_a_key");
        EXPECT_EQ(refused.error().sqlstate, "23505");
        EXPECT_FALSE(connection->broken());
        EXPECT_EQ(value_of<std::int64_t>(*connection, "SELECT count(*) FROM t"), 0);
    }
}

TEST_F(Running, ASnapshotSeesOneMoment) {
    database_.value("CREATE TABLE t (a int)");
    auto connection = connected();
    Pipeline pipeline(Effect::Read);
    pipeline.begin_snapshot();
    pipeline.limit({.statement = 3'000ms, .lock = 1'000ms});
    pipeline.add_sql("SELECT count(*) FROM t");
    ASSERT_TRUE(run(*connection, pipeline));
    database_.value("INSERT INTO t VALUES (1)");
    EXPECT_EQ(value_of<std::int64_t>(*connection, "SELECT count(*) FROM t"), 0);
    pipeline.clear();
    pipeline.add_sql("INSERT INTO t VALUES (2)");
    auto refused = run(*connection, pipeline);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "read_only_database");
}

TEST_F(Running, LargeParametersAndResultsDontBlockEachOther) {
    static constexpr Statement echo{"echo", "SELECT $1, length($1)", {oid::text}};
    auto connection = connected();
    const std::string large(5'000'000, 'x');
    Pipeline pipeline;
    for (int i = 0; i < 4; ++i) pipeline.add(echo, large);
    auto results = run(*connection, pipeline);
    ASSERT_TRUE(results) << to_string(results.error());
    for (const QueryResult& result : *results) {
        EXPECT_EQ(result.front().get<std::string_view>(0)->size(), large.size());
    }
}

TEST_F(Running, ALimitOnResultsBreaksTheConnection) {
    auto small = options();
    small.max_result_bytes = 1'000'000;
    auto connection = connected(small);
    Pipeline pipeline(Effect::Read);
    pipeline.add_sql("SELECT repeat('x', 100000) FROM generate_series(1, 1000)");
    auto refused = run(*connection, pipeline);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "result_too_large");
    EXPECT_TRUE(connection->broken());
    EXPECT_TRUE(wait(connection->dispose(in(2s))));
}

TEST_F(Running, TimeoutsFollowTheDeadlineAndTheLimit) {
    auto connection = connected();
    const auto shown = [&](Pipeline& pipeline, Duration time) {
        const auto statement = pipeline.add_sql("SHOW statement_timeout");
        const auto lock = pipeline.add_sql("SHOW lock_timeout");
        auto results = run(*connection, pipeline, time);
        if (!results) return to_string(results.error());
        return (*results)[statement].front().get<std::string>(0).value() + " " +
               (*results)[lock].front().get<std::string>(0).value();
    };
    Pipeline pipeline;
    EXPECT_EQ(shown(pipeline, 60s), "8s 2s");
    pipeline.clear();
    EXPECT_EQ(shown(pipeline, 900ms), "1s 1s") << "rounded up to a power of two of 125 ms";
    pipeline.clear();
    pipeline.limit({.statement = 30s, .lock = 100ms});
    EXPECT_EQ(shown(pipeline, 60s), "30s 100ms");

    // They outlive a rollback of the transaction that they were sent with.
    pipeline.clear();
    pipeline.limit({.statement = 5s, .lock = 50ms});
    pipeline.begin();
    pipeline.add_sql("SELECT 1 / 0");
    EXPECT_FALSE(run(*connection, pipeline, 60s));
    pipeline.clear();
    pipeline.limit({.statement = 5s, .lock = 50ms});
    EXPECT_EQ(shown(pipeline, 60s), "5s 50ms");
}

TEST_F(Running, TheServerEndsWhatTakesTooLong) {
    auto connection = connected();
    Pipeline pipeline;
    pipeline.limit({.statement = 100ms, .lock = 50ms});
    pipeline.add_sql("SELECT pg_sleep(5)");
    auto late = run(*connection, pipeline);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorClass::Deadline);
    EXPECT_EQ(late.error().sqlstate, "57014");
    EXPECT_FALSE(connection->broken());

    database_.value("CREATE TABLE t AS SELECT 1 AS a");
    auto holder = connected();
    Pipeline hold;
    hold.begin();
    hold.add_sql("SELECT a FROM t FOR UPDATE");
    ASSERT_TRUE(run(*holder, hold));
    pipeline.clear();
    pipeline.limit({.statement = 1s, .lock = 50ms});
    pipeline.add_sql("UPDATE t SET a = 2");
    auto locked = run(*connection, pipeline);
    ASSERT_FALSE(locked);
    EXPECT_EQ(locked.error().kind, ErrorClass::Conflict);
    EXPECT_EQ(locked.error().code, "lock_not_available");
    EXPECT_TRUE(locked.error().retryable);
}

TEST_F(Running, APlanThatATableChangeInvalidatedNeedsANewSession) {
    database_.value("CREATE TABLE t AS SELECT 1 AS a");
    static constexpr Statement all{"all", "SELECT * FROM t"};
    auto connection = connected();
    Pipeline pipeline(Effect::Read);
    pipeline.add(all);
    ASSERT_TRUE(run(*connection, pipeline));
    database_.value("ALTER TABLE t ADD COLUMN b int");
    auto refused = run(*connection, pipeline);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "cached_plan_changed");
    EXPECT_TRUE(refused.error().retryable);
    EXPECT_TRUE(connection->broken());
}

TEST_F(Running, ScriptsRunCommandsThatNoPipelineTakes) {
    auto connection = connected();
    const Timeouts timeouts{.statement = 5s, .lock = 100ms};
    ASSERT_TRUE(wait(connection->run_script("CREATE TABLE t (a int); INSERT INTO t VALUES (1);",
                                            timeouts, in(ample))));
    ASSERT_TRUE(wait(
        connection->run_script("CREATE INDEX CONCURRENTLY t_a ON t (a)", timeouts, in(ample))));
    auto refused =
        wait(connection->run_script("INSERT INTO t VALUES (2); SELECT 1 / 0", timeouts, in(ample)));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "division_by_zero");
    refused = wait(connection->run_script("BEGIN; SELECT 1 / 0; COMMIT", timeouts, in(ample)));
    ASSERT_FALSE(refused);
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(value_of<std::int64_t>(*connection, "SELECT count(*) FROM t"), 1);

    refused = wait(connection->run_script("COPY t FROM STDIN", timeouts, in(ample)));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(connection->broken());
}

} // namespace
} // namespace holdfast::db
