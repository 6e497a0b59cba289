#include "db/wire.h"
#include "db/params.h"
#include "db/pipeline.h"
#include "db/query_result.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <rapidcheck/gtest.h>
#include <limits>

namespace holdfast::db {
namespace {

template <class T> std::string sent(const T& value) {
    std::string bytes;
    Wire<T>::append(bytes, value);
    return bytes;
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const unsigned char byte : bytes) {
        out += "0123456789abcdef"[byte >> 4];
        out += "0123456789abcdef"[byte & 15];
    }
    return out;
}

TEST(Wire, BytesAsTheServerHasThem) {
    EXPECT_EQ(hex(sent(true)), "01");
    EXPECT_EQ(hex(sent(std::int16_t{-2})), "fffe");
    EXPECT_EQ(hex(sent(std::int32_t{258})), "00000102");
    EXPECT_EQ(hex(sent(std::int64_t{-1})), "ffffffffffffffff");
    EXPECT_EQ(hex(sent(Jsonb{"{}"})), "017b7d");
    // 2000-01-01 is where PostgreSQL counts from.
    EXPECT_EQ(hex(sent(wall_from_micros(946'684'800'000'001))), "0000000000000001");
    EXPECT_EQ(hex(sent(Date{std::chrono::year{1999} / 12 / 31})), "ffffffff");
}

RC_GTEST_PROP(Wire, IntegersAndTimesComeBack, (std::int64_t number)) {
    std::int64_t back = 0;
    RC_ASSERT(Wire<std::int64_t>::read(oid::int8, sent(number), back));
    RC_ASSERT(back == number);
    const WallTime time = wall_from_micros(number / 4);
    WallTime time_back;
    RC_ASSERT(Wire<WallTime>::read(oid::timestamptz, sent(time), time_back));
    RC_ASSERT(time_back == time);
}

TEST(Wire, WidensAndNeverNarrows) {
    std::int64_t wide = 0;
    EXPECT_TRUE(Wire<std::int64_t>::read(oid::int2, sent(std::int16_t{-7}), wide));
    EXPECT_EQ(wide, -7);
    std::int32_t narrow = 0;
    EXPECT_FALSE(Wire<std::int32_t>::read(oid::int8, sent(std::int64_t{1}), narrow));
    EXPECT_FALSE(Wire<std::int32_t>::read(oid::int4, "abc", narrow)) << "a short value";
    EXPECT_FALSE(Wire<std::int32_t>::read(oid::text, "abcd", narrow)) << "another type";
}

TEST(Wire, InfinityIsNoTime) {
    WallTime time;
    Date date;
    for (const auto us :
         {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_FALSE(Wire<WallTime>::read(oid::timestamptz, sent(us), time));
    }
    for (const auto days :
         {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
        EXPECT_FALSE(Wire<Date>::read(oid::date, sent(days), date));
    }
}

TEST(ParamArray, IsAPostgresArray) {
    ParamArray<std::int16_t> numbers;
    EXPECT_EQ(hex(numbers.bytes()),
              "00000001"
              "00000000"
              "00000015"
              "00000000"
              "00000001");
    numbers.append(std::int16_t{5});
    numbers.append(std::nullopt);
    numbers.append(std::optional<std::int16_t>(6));
    EXPECT_EQ(numbers.size(), 3u);
    EXPECT_EQ(hex(numbers.bytes()),
              "00000001"
              "00000001"
              "00000015"
              "00000003"
              "00000001"
              "00000002"
              "0005"
              "ffffffff"
              "00000002"
              "0006");
    numbers.clear();
    EXPECT_TRUE(numbers.empty());
    EXPECT_EQ(hex(numbers.bytes()),
              "00000001"
              "00000000"
              "00000015"
              "00000000"
              "00000001");
}

RC_GTEST_PROP(ParamArray, ReadsAsItWasBuilt, (const std::vector<std::string>& values)) {
    ParamArray<std::string> array;
    for (const auto& value : values) array.append(value);
    std::vector<std::string> back;
    RC_ASSERT(Wire<std::vector<std::string>>::read(oid::text_array, array.bytes(), back));
    RC_ASSERT(back == values);
}

TEST(ArrayReader, RefusesWhatIsNoArray) {
    ParamArray<std::int64_t> array;
    for (std::int64_t i = 0; i < 3; ++i) array.append(i);
    const std::string whole(array.bytes());
    std::vector<std::int64_t> values;
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const auto part = std::string_view(whole).substr(0, length);
        EXPECT_FALSE(Wire<std::vector<std::int64_t>>::read(oid::int8_array, part, values))
            << length;
    }
    std::string lying = whole; // 2^31 - 1 elements
    lying.replace(12, 4, "\x7f\xff\xff\xff");
    EXPECT_FALSE(Wire<std::vector<std::int64_t>>::read(oid::int8_array, lying, values));
    std::string nested = whole;
    nested[3] = 2;
    EXPECT_FALSE(Wire<std::vector<std::int64_t>>::read(oid::int8_array, nested, values));
    EXPECT_FALSE(Wire<std::vector<std::int64_t>>::read(oid::text_array, whole, values));
}

inline constexpr Statement two_params{"two_params", "SELECT $1, $2", {oid::int8, oid::text_array}};

TEST(Pipeline, CopiesParametersOneAfterTheOther) {
    Pipeline pipeline;
    ParamArray<std::string_view> texts;
    texts.append("a");
    EXPECT_EQ(pipeline.add(two_params, std::optional<std::int64_t>(), texts), 0u);
    texts.clear();
    EXPECT_EQ(pipeline.add_sql("SELECT $1", "text"), 1u);
    ASSERT_EQ(pipeline.size(), 2u);
    const auto values = pipeline.values(pipeline.steps()[0]);
    ASSERT_EQ(values.size(), 2u);
    EXPECT_EQ(values[0].length, -1) << "NULL";
    EXPECT_EQ(values[1].length, 25) << "copied before clear()";
    const auto& text = pipeline.values(pipeline.steps()[1])[0];
    EXPECT_EQ(text.type, oid::text);
    EXPECT_EQ(pipeline.bytes().substr(text.offset, static_cast<std::size_t>(text.length)), "text");
}

TEST(Pipeline, KnowsWhatItCommits) {
    Pipeline pipeline;
    pipeline.begin();
    EXPECT_TRUE(pipeline.begins());
    EXPECT_FALSE(pipeline.commits());
    pipeline.commit();
    EXPECT_TRUE(pipeline.commits());
    pipeline.clear();
    EXPECT_TRUE(pipeline.empty());
    EXPECT_FALSE(pipeline.begins() || pipeline.commits());
}

TEST(PipelineDeathTest, RefusesArgumentsOfOtherTypes) {
    Pipeline pipeline;
    EXPECT_DEATH(pipeline.add(two_params, std::int64_t{1}), "two_params");
    EXPECT_DEATH(pipeline.add(two_params, std::int32_t{1}, ParamArray<std::string>()),
                 "two_params");
    pipeline.clear();
    pipeline.commit();
    EXPECT_DEATH(pipeline.add_sql("SELECT 1"), "last");
}

/// A result as libpq would have made it, of one row.
QueryResult made_result(std::vector<PGresAttDesc> columns, std::vector<std::string> values) {
    PGresult* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
    PQsetResultAttrs(result, static_cast<int>(columns.size()), columns.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
        PQsetvalue(result, 0, static_cast<int>(i), values[i].data(),
                   static_cast<int>(values[i].size()));
    }
    return QueryResult(result);
}

TEST(QueryResult, NamesTheColumnThatDoesNotFit) {
    std::string name = "amount_minor";
    const auto result = made_result({{.name = name.data(), .format = 1, .typid = oid::int8}},
                                    {sent(std::int64_t{5})});
    EXPECT_EQ(result.front().get<std::int64_t>(0), 5);
    const auto wrong = result.front().get<std::string>(0);
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, "result_mismatch");
    EXPECT_NE(wrong.error().message.find("amount_minor"), std::string::npos);
}

TEST(QueryResult, TextFormatIsNotRead) {
    std::string name = "n";
    const auto result =
        made_result({{.name = name.data(), .format = 0, .typid = oid::text}}, {"text"});
    EXPECT_FALSE(result.front().get<std::string>(0));
}

TEST(QueryResult, AnEmptyOneHasNothing) {
    const QueryResult nothing;
    EXPECT_EQ(nothing.rows(), 0u);
    EXPECT_EQ(nothing.affected(), 0);
    EXPECT_EQ(nothing.tag(), "");
    for ([[maybe_unused]] Row row : nothing) FAIL();
}

} // namespace
} // namespace holdfast::db
