// What the statements of requests cost on one merchant with a million payments, before and after
// ANALYZE. A generic plan can be free of sequential scans and still walk one merchant's history:
// only the pages it touches tell. Buffers are counted per key or per row returned.

#include "tests/store/all_statements.h"
#include "tests/store/store_database.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace holdfast::store {
namespace {

constexpr int payments = 1'000'000;
constexpr int keys = 200;

/// Deterministic ids, spread like derived ones: md5 of a number.
constexpr const char* load_sql = R"(
INSERT INTO payment_intents (account_id, id, created, request_fingerprint, version, failed_attempts,
    operations, amount_minor, amount_capturable_minor, amount_received_minor, currency, status,
    capture_method, confirmation_method, customer, latest_charge, details)
SELECT '00000000-0000-0000-0000-000000000001', md5('pi' || n)::uuid,
       timestamptz '2026-01-01' + n * interval '1 s', 1, 2, 0, 1, 1099, 0, 1099, 'usd', 'succeeded',
       'automatic', 'automatic', md5('cus' || n % 5000)::uuid, md5('ch' || n)::uuid, '\x00'
  FROM generate_series(1, {0}) AS n;
INSERT INTO charges (account_id, id, created, payment_intent, customer, amount_minor, currency,
    card, billing_details, version, amount_captured_minor, amount_refunded_minor, captured, status,
    authorization_code, details)
SELECT '00000000-0000-0000-0000-000000000001', md5('ch' || n)::uuid,
       timestamptz '2026-01-01' + n * interval '1 s', md5('pi' || n)::uuid,
       md5('cus' || n % 5000)::uuid, 1099, 'usd', '\x00', '\x00', 1, 1099, 0, true, 'succeeded',
       'A', '\x00'
  FROM generate_series(1, {0}) AS n;
INSERT INTO events (account_id, id, created, object_id, type, object_kind, idempotency_key, object)
SELECT '00000000-0000-0000-0000-000000000001', md5('evt' || n)::uuid,
       timestamptz '2026-01-01' + n * interval '1 s', md5('pi' || n)::uuid,
       'payment_intent.succeeded', 'payment_intent', '', '\x00'
  FROM generate_series(1, {0}) AS n;
)";

class PlansTest : public testing::Test {
  protected:
    PlansTest() : connection_(db_.connect()) {
        for (const char* table : {"payment_intents", "charges", "events"}) {
            db_.database().value(
                fmt::format("ALTER TABLE {} SET (autovacuum_enabled = false)", table));
        }
        db_.database().value(fmt::format(fmt::runtime(load_sql), payments));
    }

    std::string run(std::string sql) {
        db::Pipeline pipeline;
        pipeline.limit({std::chrono::minutes{2}, std::chrono::minutes{2}});
        pipeline.add_sql(std::move(sql));
        auto results =
            db_.get(connection_->run(pipeline, Deadline::after(std::chrono::minutes{2})));
        std::string text;
        for (db::Row row : results[0]) text += *row.get<std::string>(0) + "\n";
        return text;
    }
    void prepare(const db::Statement& statement, const std::string& types) {
        run(fmt::format("PREPARE {} ({}) AS {}", statement.name, types, statement.sql));
    }
    /// Pages touched by one execution, planning aside.
    int buffers(const db::Statement& statement, const std::string& arguments) {
        const std::string plan = run(fmt::format(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING off) EXECUTE {} ({})", statement.name, arguments));
        SCOPED_TRACE(plan);
        const auto line = plan.find("Buffers: shared ");
        EXPECT_NE(line, std::string::npos) << plan;
        int pages = 0;
        for (const char* kind : {"hit=", "read="}) {
            const auto at = plan.find(kind, line);
            if (at != std::string::npos && at < plan.find('\n', line)) {
                pages += std::stoi(plan.substr(at + std::string_view(kind).size()));
            }
        }
        return pages;
    }

    /// Two array literals: keys spread over the table.
    std::string key_arrays(const char* kind) {
        return db_.database().value(fmt::format(
            "SELECT quote_literal(array_agg('00000000-0000-0000-0000-000000000001'::uuid)::text) ||"
            " ', ' || quote_literal(array_agg(md5('{}' || n * 4999)::uuid)::text)"
            " FROM generate_series(1, {}) AS n",
            kind, keys));
    }

    void check_all(const char* when) {
        SCOPED_TRACE(when);
        constexpr int pages_per_key =
            8; // a B-tree of a million keys has four levels; one heap page
        constexpr int pages_per_list = 40;
        const auto per_key = [&](const db::Statement& statement, const char* kind) {
            EXPECT_LE(buffers(statement, key_arrays(kind)), keys * pages_per_key) << statement.name;
        };
        per_key(Sql<payment_intents>::read, "pi");
        per_key(Sql<payment_intents>::lock, "pi");
        per_key(Sql<payment_intents>::lock_wait, "pi");
        per_key(Sql<payment_intents>::exists, "pi");
        per_key(Sql<charges>::read, "ch");
        per_key(Sql<events>::read, "evt");
        EXPECT_LE(buffers(LatestCharges::read, key_arrays("pi")), 2 * keys * pages_per_key);

        const std::string account = "'00000000-0000-0000-0000-000000000001'";
        const std::string all = account + ", '1970-01-01', 0, '9999-01-01', 0, 11";
        const std::string middle = account + ", '1970-01-01', 0, '2026-01-05', 0, 11";
        const auto per_list = [&](const db::Statement& statement, const std::string& arguments) {
            EXPECT_LE(buffers(statement, arguments), pages_per_list) << statement.name;
        };
        const std::string customer = ", md5('cus17')::uuid", payment = ", md5('pi17')::uuid";
        per_list(List<all_payment_intents>::newest, all);
        per_list(List<all_payment_intents>::newest, middle);
        per_list(List<all_payment_intents>::oldest, all);
        per_list(List<payment_intents_by_customer>::newest, all + customer);
        per_list(List<charges_by_customer>::newest, all + customer);
        per_list(List<charges_by_payment_intent>::newest, all + payment + ", NULL");
        per_list(List<all_charges>::newest, middle);
        per_list(List<all_events>::newest, all + ", NULL");
    }

    StoreDatabase db_;
    std::unique_ptr<db::Connection> connection_;
};

TEST_F(PlansTest, TouchFewPagesOnAMillionPaymentsOfOneMerchant) {
    for (const auto* statement : {&Sql<payment_intents>::read, &Sql<payment_intents>::lock,
                                  &Sql<payment_intents>::lock_wait, &Sql<payment_intents>::exists,
                                  &Sql<charges>::read, &Sql<events>::read, &LatestCharges::read}) {
        prepare(*statement, "uuid[], uuid[]");
    }
    const std::string page = "uuid, timestamptz, bigint, timestamptz, bigint, integer";
    for (const auto* statement : {&List<all_payment_intents>::newest,
                                  &List<all_payment_intents>::oldest, &List<all_charges>::newest}) {
        prepare(*statement, page);
    }
    prepare(List<payment_intents_by_customer>::newest, page + ", uuid");
    prepare(List<charges_by_customer>::newest, page + ", uuid");
    prepare(List<charges_by_payment_intent>::newest, page + ", uuid, uuid");
    prepare(List<all_events>::newest, page + ", text[]");
    check_all("never analysed");
    db_.database().value("ANALYZE payment_intents, charges, events");
    check_all("analysed");
}

} // namespace
} // namespace holdfast::store
