#include "api/errors.h"

#include "base/json.h"

#include <gtest/gtest.h>
#include <boost/json/value.hpp>

namespace holdfast::api {
namespace {

TEST(ErrorReply, DamagedDataIsToldAndNotToBeAskedForAgain) {
    const Reply reply = error_reply({.kind = ErrorClass::Io,
                                     .code = "data_corrupted",
                                     .message = "base/1/2",
                                     .sqlstate = "XX001"});
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.should_retry, false);
    auto json = parse_json(reply.body);
    ASSERT_TRUE(json.has_value());
    const auto* error = json_find(*json, "error");
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(*json_text(*error, "code"), "data_damaged");
    EXPECT_EQ(*json_text(*error, "type"), "api_error");
    EXPECT_EQ(reply.body.find("base/1/2"), std::string::npos);
}

TEST(ErrorReply, OtherFaultsOfOursAreNotNamed) {
    const Reply reply = error_reply({.kind = ErrorClass::Bug, .code = "sqlstate_42703"});
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.should_retry, std::nullopt);
    EXPECT_EQ(reply.body.find("42703"), std::string::npos);
}

} // namespace
} // namespace holdfast::api
