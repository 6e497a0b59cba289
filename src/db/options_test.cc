// The small decisions: URLs, host names, SQLSTATEs, timeouts, cancel keys.

#include "db/cancel.h"
#include "db/connect_options.h"
#include "db/resolve.h"
#include "db/sql_error.h"
#include "db/timeouts.h"

#include <gtest/gtest.h>
#include <map>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

ConnectOptions parsed(std::string text) {
    auto options = ConnectOptions::parse(SecretString(std::move(text)));
    EXPECT_TRUE(options);
    return *options;
}

TEST(ConnectOptions, TakesThePasswordOut) {
    const auto options =
        parsed("postgresql://app:hunt%40er2@db.example:6432/shop?sslmode=require&sslpassword=deep");
    EXPECT_EQ(options.password.reveal(), "hunt@er2");
    EXPECT_EQ(options.value("password"), "");
    EXPECT_EQ(options.value("host"), "db.example");
    EXPECT_EQ(options.value("dbname"), "shop");
    EXPECT_EQ(options.redacted(), "postgresql://app@db.example:6432/shop?sslmode=require");
}

TEST(ConnectOptions, HasDefaultsThatTheTextOverrides) {
    EXPECT_EQ(parsed("dbname=a").value("tcp_user_timeout"), "2000");
    EXPECT_EQ(parsed("dbname=a").value("keepalives_idle"), "1");
    EXPECT_EQ(parsed("dbname=a tcp_user_timeout=9000").value("tcp_user_timeout"), "9000");
    EXPECT_EQ(parsed("host=/run/pg dbname=a").redacted(), "postgresql://%2Frun%2Fpg/a");
}

TEST(ConnectOptions, NeverRepeatsWhatItCantParse) {
    for (const auto* text : {"postgresql://app:hunter2@[::1/shop", "password=hunter2 nonsense",
                             "postgresql://app:hunter2@h/d?hunter2=1"}) {
        const auto refused = ConnectOptions::parse(SecretString(text));
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code, "database_url_invalid");
        EXPECT_EQ(to_string(refused.error()).find("hunter2"), std::string::npos);
    }
}

std::vector<std::string> fake_lookup(const std::string& name) {
    static const std::map<std::string, std::vector<std::string>> known{
        {"one", {"10.0.0.1"}}, {"two", {"10.0.0.2", "fe80::2"}}};
    const auto found = known.find(name);
    return found != known.end() ? found->second : std::vector<std::string>{};
}

TEST(Resolve, NamesBecomeAddresses) {
    auto options = parsed("host=one,/run/pg,two,gone,10.9.9.9 port=1,2,3,4,5");
    ASSERT_TRUE(needs_lookup(options));
    auto found = with_addresses(options, fake_lookup);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->value("host"), "one,/run/pg,two,two,10.9.9.9");
    EXPECT_EQ(found->value("hostaddr"), "10.0.0.1,,10.0.0.2,fe80::2,");
    EXPECT_EQ(found->value("port"), "1,2,3,3,5");
    EXPECT_FALSE(needs_lookup(*found));
}

TEST(Resolve, LeavesAloneWhatNeedsNone) {
    for (const auto* text : {"host=/run/pg", "host=10.0.0.1", "host=::1", "dbname=a",
                             "host=one hostaddr=10.0.0.1", "host=@abstract"}) {
        EXPECT_FALSE(needs_lookup(parsed(text))) << text;
    }
}

TEST(Resolve, SaysWhatIsWrong) {
    const auto nowhere = with_addresses(parsed("host=gone"), fake_lookup);
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, "host_not_found");
    EXPECT_TRUE(nowhere.error().retryable);
    const auto uneven = with_addresses(parsed("host=one,two,gone port=1,2"), fake_lookup);
    ASSERT_FALSE(uneven);
    EXPECT_EQ(uneven.error().code, "database_url_invalid");
}

TEST(SqlError, ClassesOfConditions) {
    const auto kind = [](std::string_view sqlstate) { return condition_of(sqlstate).kind; };
    EXPECT_EQ(kind("08006"), ErrorClass::Unavailable);
    EXPECT_EQ(kind("57P03"), ErrorClass::Unavailable);
    EXPECT_EQ(kind("25006"), ErrorClass::Unavailable);
    EXPECT_EQ(kind("40001"), ErrorClass::Conflict);
    EXPECT_EQ(kind("40P01"), ErrorClass::Conflict);
    EXPECT_EQ(kind("55P03"), ErrorClass::Conflict);
    EXPECT_EQ(kind("53300"), ErrorClass::Overload);
    EXPECT_EQ(kind("57014"), ErrorClass::Deadline);
    EXPECT_EQ(kind("22P05"), ErrorClass::Invalid);
    EXPECT_EQ(kind("23505"), ErrorClass::Invalid);
    EXPECT_EQ(kind("28P01"), ErrorClass::Auth);
    EXPECT_EQ(kind("42501"), ErrorClass::Forbidden);
    EXPECT_EQ(kind("42P01"), ErrorClass::Bug);
    EXPECT_EQ(kind("XX001"), ErrorClass::Io);
    EXPECT_EQ(kind("40003"), ErrorClass::Unknown);
    EXPECT_FALSE(condition_of("23505").retryable);
    EXPECT_TRUE(condition_of("40P01").retryable);
}

TEST(SqlError, FindsTheStateInAMessage) {
    const auto error = connect_error(
        "connection to server at \"db\" (10.0.0.1), port 5432 failed: "
        "FATAL:  53300: sorry, too many clients already\n"
        "LOCATION:  InitProcess, proc.c:353\n");
    EXPECT_EQ(error.kind, ErrorClass::Overload);
    EXPECT_EQ(error.code, "too_many_connections");
    EXPECT_EQ(error.message.find("LOCATION"), std::string::npos);
    const auto plain = connect_error(
        "connection to server failed: No such file or directory\n"
        "\tIs the server running locally?\n");
    EXPECT_EQ(plain.code, "database_unreachable");
    EXPECT_EQ(
        plain.message,
        "connection to server failed: No such file or directory Is the server running locally?");
    EXPECT_EQ(connect_error("odd:  ab:  12345 no colon").code, "database_unreachable");
}

TEST(Timeouts, AreRoundedUpAndCapped) {
    const Timeouts limits{.statement = 8s, .lock = 2s};
    EXPECT_EQ(effective_timeouts(limits, 1min), limits);
    EXPECT_EQ(effective_timeouts(limits, 1'001ms), (Timeouts{2s, 2s}));
    EXPECT_EQ(effective_timeouts(limits, 1'000ms), (Timeouts{1s, 1s}));
    EXPECT_EQ(effective_timeouts(limits, 0us), (Timeouts{125ms, 125ms}));
    EXPECT_EQ(effective_timeouts({.statement = 8s, .lock = 50ms}, 1s), (Timeouts{1s, 50ms}));
    EXPECT_EQ(effective_timeouts({}, 900ms), (Timeouts{1s, 1s})) << "0 means no limit of one's own";
    EXPECT_GT(effective_timeouts({}, 24h * 365).statement, 0s);
}

TEST(CancelKey, IsFoundInTheTrace) {
    const auto key =
        parse_trace_line("2026-11-21 10:00:00.123456\tB\t12\tBackendKeyData\t 4711 -1234567890\n");
    ASSERT_TRUE(key);
    EXPECT_EQ(key->pid, 4711);
    EXPECT_EQ(key->secret, -1234567890);
    EXPECT_FALSE(parse_trace_line("F\t12\tPasswordMessage\t \"4711 42\""));
    EXPECT_FALSE(parse_trace_line("B\t12\tBackendKeyData\t NNNN NNNN"));
    EXPECT_FALSE(parse_trace_line("B\t12\tBackendKeyData\t 4711"));
}

TEST(ConnectOptions, EachHostIsLookedAtWhateverItIsNow) {
    auto options = ConnectOptions::parse(SecretString(
        std::string("postgresql://app@/shop?host=a,b&port=1,2&target_session_attrs=read-write")));
    ASSERT_TRUE(options.has_value());
    const auto each = options->each_host();
    ASSERT_EQ(each.size(), 2U);
    EXPECT_EQ(each[1].value("host"), "b");
    EXPECT_EQ(each[1].value("port"), "2");
    for (const ConnectOptions& one : each) EXPECT_EQ(one.value("target_session_attrs"), "any");
}

} // namespace
} // namespace holdfast::db
