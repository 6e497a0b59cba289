#include "base/json_writer.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
    JsonWriter w;
    w.begin_object();
    w.field("id", "pi_1");
    w.field("amount", std::int64_t{-5});
    w.field("live", false);
    w.null("review");
    w.key("list");
    w.begin_array();
    w.value(1);
    w.value(2);
    w.begin_object();
    w.end_object();
    w.end_array();
    w.key("raw");
    w.raw("{\"a\":1}");
    w.field("none", std::optional<std::string>{});
    w.end_object();
    EXPECT_EQ(std::move(w).take(),
              R"({"id":"pi_1","amount":-5,"live":false,"review":null,"list":[1,2,{}],)"
              R"("raw":{"a":1},"none":null})");
}

TEST(JsonWriter, EscapesWhatJsonAndPagesNeed) {
    JsonWriter w;
    w.value("a\"b\\c\n\x01 </script> a/b \xc3\xa9");
    EXPECT_EQ(std::move(w).take(), "\"a\\\"b\\\\c\\n\\u0001 <\\/script> a/b \xc3\xa9\"");
}

TEST(JsonWriterDeathTest, UnclosedObjectIsABrokenInvariant) {
    EXPECT_DEATH(
        {
            JsonWriter w;
            w.begin_object();
            (void)std::move(w).take();
        },
        "depth_ == 0");
}

} // namespace
} // namespace holdfast
