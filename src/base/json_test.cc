#include "base/json.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace holdfast {
namespace {

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

TEST(Json, ParsesStrictly) {
    auto value = parse_json(R"({"a":[1,-2,true,null,"\u20ac"],"b":{}})");
    ASSERT_TRUE(value);
    EXPECT_EQ(to_json(*value), "{\"a\":[1,-2,true,null,\"\xe2\x82\xac\"],\"b\":{}}");

    for (std::string_view bad : {"", " ", "{", "{}x", "{} {}", "{'a':1}", "[1,]", "nul", "01",
                                 "NaN", "\"\xff\"", "\"\xed\xa0\x80\"", R"("\ud800")",
                                 R"("\u0000")", R"({"\u0000":1})", "// c\n1", "[-1e400]"}) {
        EXPECT_EQ(code_of(parse_json(bad)), "json_invalid") << bad;
    }
    EXPECT_TRUE(parse_json(" 1 "));
    EXPECT_EQ(to_json(*parse_json(R"({"a":1,"a":2})")), R"({"a":2})");
}

TEST(Json, HasLimits) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_EQ(code_of(parse_json(nested(32))), "");
    EXPECT_EQ(code_of(parse_json(nested(33))), "json_limit");
    EXPECT_EQ(code_of(parse_json(nested(100'000))), "json_limit");
    EXPECT_EQ(code_of(parse_json("[1,2]", {.bytes_max = 5})), "");
    EXPECT_EQ(code_of(parse_json("[1,2] ", {.bytes_max = 5})), "json_limit");
}

TEST(Json, IntegersAreIntegers) {
    auto v = *parse_json(R"({"n":5,"f":5.0,"e":1e3,"t":"5","big":9223372036854775808,
                             "min":-9223372036854775808,"null":null})");
    EXPECT_EQ(*json_integer(v, "n"), 5);
    EXPECT_EQ(*json_integer(v, "min"), std::numeric_limits<std::int64_t>::min());
    for (std::string_view field : {"f", "e", "t", "big", "null", "absent"}) {
        auto read = json_integer(v, field);
        EXPECT_EQ(code_of(read), "json_field") << field;
        EXPECT_EQ(read.error().param, field);
    }
    EXPECT_TRUE(json_integer(v, "n", 5, 5));
    EXPECT_EQ(code_of(json_integer(v, "n", 6)), "json_field");
    EXPECT_EQ(code_of(json_integer(v, "n", 0, 4)), "json_field");
}

TEST(Json, ReadsFieldsByType) {
    auto v = *parse_json(R"({"t":"x","b":true,"null":null,"o":{"i":1}})");
    EXPECT_EQ(*json_text(v, "t"), "x");
    EXPECT_EQ(code_of(json_text(v, "b")), "json_field");
    EXPECT_EQ(code_of(json_text(v, "absent")), "json_field");
    EXPECT_TRUE(*json_bool(v, "b"));
    EXPECT_EQ(code_of(json_bool(v, "t")), "json_field");
    EXPECT_EQ(*json_optional_text(v, "t"), "x");
    EXPECT_EQ(*json_optional_text(v, "null"), std::nullopt);
    EXPECT_EQ(*json_optional_text(v, "absent"), std::nullopt);
    EXPECT_EQ(code_of(json_optional_text(v, "b")), "json_field");
    EXPECT_NE(json_find(v, "o"), nullptr);
    EXPECT_EQ(json_find(*json_find(v, "t"), "x"), nullptr);
}

} // namespace
} // namespace holdfast
