#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace holdfast {
namespace {

Result<int> parse(bool good) {
    if (!good) return fail(ErrorClass::Invalid, "parameter_invalid", "Not a number.");
    return 7;
}

Result<std::unique_ptr<int>> boxed(bool good) {
    TRY(int value, parse(good));
    return std::make_unique<int>(value);
}

Result<void> both(bool good) {
    TRY(auto box, boxed(good)); // move-only values pass through
    if (*box != 7) return fail(ErrorClass::Bug, "unexpected", "");
    TRY_VOID(parse(good)); // a value nobody needs
    return {};
}

TEST(Result, TryPassesValuesAndErrors) {
    EXPECT_TRUE(both(true).has_value());
    auto failed = both(false);
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, "parameter_invalid");
    EXPECT_EQ(failed.error().kind, ErrorClass::Invalid);
}

TEST(Error, PrintsWhatALogNeeds) {
    EXPECT_EQ(to_string(Error{.kind = ErrorClass::Unavailable,
                              .code = "database_away",
                              .message = "No writable server.",
                              .sqlstate = "57P01"}),
              "unavailable: database_away: No writable server. (sqlstate 57P01)");
    EXPECT_EQ(to_string(Error{.kind = ErrorClass::NotFound,
                              .code = "not_found",
                              .message = "No such customer",
                              .param = "customer"}),
              "not_found: No such customer (param customer)");
}

TEST(Bug, IsCountedAndReported) {
    static int reported;
    reported = 0;
    set_failure_hooks({.on_bug = [](std::string_view what) {
        ++reported;
        EXPECT_NE(what.find("result_test.cc"), what.npos);
        EXPECT_NE(what.find("strange"), what.npos);
    }});
    const auto before = bugs_found();
    BUG("strange");
    set_failure_hooks({});
    EXPECT_EQ(bugs_found(), before + 1);
    EXPECT_EQ(reported, 1);
}

TEST(CheckDeathTest, StopsWithExpressionNoteAndHook) {
    GTEST_FLAG_SET(death_test_style, "fast");
    const int two = 2;
    CHECK(two == 2);
    EXPECT_DEATH(CHECK(two == 3), "CHECK failed: two == 3 at .*result_test.cc");
    EXPECT_DEATH(CHECK_MSG(two == 3, "arithmetic broke"), "arithmetic broke");
    EXPECT_DEATH(
        {
            set_failure_hooks({.before_abort = [](std::string_view) {
                std::fputs("recorder dumped\n", stderr);
                CHECK_MSG(false, "again inside the hook"); // must not recurse
            }});
            CHECK(two == 3);
        },
        "recorder dumped");
}

} // namespace
} // namespace holdfast
