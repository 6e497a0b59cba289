#include "base/form.h"

#include "base/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast {
namespace {

/// a=1&b[c]=2&d[]=3 as {a:"1",b:{c:"2"},d:["3"]}.
std::string show(const FormNode& node) {
    if (node.is_text()) return '"' + node.text + '"';
    std::string out;
    for (const FormNode& child : node.children) {
        if (!out.empty()) out += ',';
        if (node.is_map()) out += child.name + ':';
        out += show(child);
    }
    return node.is_map() ? '{' + out + '}' : '[' + out + ']';
}

std::string parsed(std::string_view encoded, const FormLimits& limits = {}) {
    auto form = parse_form(encoded, limits);
    if (form) return show(*form);
    EXPECT_EQ(form.error().kind, ErrorClass::Invalid);
    return form.error().code + " " + form.error().param;
}

struct Case {
    std::string_view encoded, expected;
};

TEST(Form, ParsesWhatClientsSend) {
    const Case cases[] = {
        {"", "{}"},
        {"&&", "{}"},
        {"amount=1099&currency=usd", R"({amount:"1099",currency:"usd"})"},
        {"name=Jenny+Rosen%21", R"({name:"Jenny Rosen!"})"},
        {"name=%e2%82%AC", "{name:\"\xe2\x82\xac\"}"},
        {"a=b=c", R"({a:"b=c"})"},
        {"a", R"({a:""})"},
        {"metadata=", R"({metadata:""})"},
        {"metadata[k]=", R"({metadata:{k:""}})"},
        {"metadata%5Bk%5d=v", R"({metadata:{k:"v"}})"},
        {"metadata[a b]=v&metadata[c+d]=w", R"({metadata:{a b:"v",c d:"w"}})"},
        {"a[b][c]=1&x=2&a[b][d]=3&a[e]=4", R"({a:{b:{c:"1",d:"3"},e:"4"},x:"2"})"},
        {"expand[]=x&expand[]=y", R"({expand:["x","y"]})"},
        {"expand[0]=x&expand[1]=y", R"({expand:{0:"x",1:"y"}})"},
        {"i[][p]=1&i[][q]=2&i[][p]=3&i[][q]=4", R"({i:[{p:"1",q:"2"},{p:"3",q:"4"}]})"},
        {"i[][p][a]=1&i[][p][b]=2&i[][p][a]=3", R"({i:[{p:{a:"1",b:"2"}},{p:{a:"3"}}]})"},
        {"i[][p][]=1&i[][p][]=2", R"({i:[{p:["1","2"]}]})"},
        {"i[]=1&i[][p]=2", R"({i:["1",{p:"2"}]})"},
    };
    for (const auto& [encoded, expected] : cases) EXPECT_EQ(parsed(encoded), expected) << encoded;
}

TEST(Form, RefusesWhatCouldMeanSomethingElse) {
    const Case cases[] = {
        {"a=%", "parameter_invalid_encoding a"},
        {"a=%4", "parameter_invalid_encoding a"},
        {"a=%zz", "parameter_invalid_encoding a"},
        {"a=%00", "parameter_invalid_encoding a"},
        {"a[b]=x%c0%af", "parameter_invalid_encoding a[b]"},
        {"a=\xff", "parameter_invalid_encoding a"},
        {"%ff=1", "parameter_invalid_encoding "},
        {"%=1", "parameter_invalid_encoding "},
        {"=1", "parameter_invalid_key "},
        {"[a]=1", "parameter_invalid_key [a]"},
        {"a[b=1", "parameter_invalid_key a[b"},
        {"a]b=1", "parameter_invalid_key a]b"},
        {"a[b]c=1", "parameter_invalid_key a[b]c"},
        {"a[b]]=1", "parameter_invalid_key a[b]]"},
        {"a[b[c]]=1", "parameter_invalid_key a[b[c]]"},
        {"a=1&a=1", "parameter_invalid_duplicate a"},
        {"a[b]=1&a[b]=2", "parameter_invalid_duplicate a[b]"},
        {"a=1&a[b]=2", "parameter_invalid_shape a[b]"},
        {"a[b]=1&a=2", "parameter_invalid_shape a"},
        {"a=1&a[]=2", "parameter_invalid_shape a[]"},
        {"a[]=1&a=2", "parameter_invalid_shape a"},
        {"a[]=1&a[0]=2", "parameter_invalid_shape a[0]"},
        {"a[0]=1&a[]=2", "parameter_invalid_shape a[]"},
        {"a[][b]=1&a[][b][c]=2&a[][b]=3&a[0]=4", "parameter_invalid_shape a[][b][c]"},
    };
    for (const auto& [encoded, expected] : cases) EXPECT_EQ(parsed(encoded), expected) << encoded;
}

TEST(Form, HasLimits) {
    const FormLimits limits{.bytes_max = 40, .pairs_max = 3, .depth_max = 3, .key_bytes_max = 10};
    EXPECT_EQ(parsed("a=1&b=2&&c=3", limits), R"({a:"1",b:"2",c:"3"})");
    EXPECT_EQ(parsed("a=1&b=2&c=3&d=4", limits), "parameter_limit ");
    EXPECT_EQ(parsed("a[b][c]=1", limits), R"({a:{b:{c:"1"}}})");
    EXPECT_EQ(parsed("a[b][c][]=1", limits), "parameter_limit a[b][c][]");
    EXPECT_EQ(parsed("abcdefghij=1", limits), R"({abcdefghij:"1"})");
    EXPECT_EQ(parsed("abcdefghijk=1", limits), "parameter_limit abcdefghij");
    EXPECT_EQ(parsed(std::string(35, 'x') + "=1", limits), "parameter_limit ");
    EXPECT_EQ(parsed("a=" + std::string(38, 'x'), limits), "{a:\"" + std::string(38, 'x') + "\"}");
    EXPECT_EQ(parsed("a=" + std::string(39, 'x'), limits), "parameter_limit ");
}

TEST(Form, LooksUp) {
    auto form = parse_form("a[b][c]=1&i[10]=z&i[2]=y&i[0]=x&l[]=p&l[]=q&m[k]=v&m[0]=w&z[01]=n&t=s");
    ASSERT_TRUE(form);
    EXPECT_EQ(form->at({"a", "b", "c"})->text, "1");
    EXPECT_EQ(form->at({"a", "x", "c"}), nullptr);
    EXPECT_EQ(form->at({"t", "x"}), nullptr);
    EXPECT_EQ(*form->find_text("t"), "s");
    EXPECT_EQ(form->find_text("a"), nullptr);

    const auto texts = [&](std::string_view name) {
        std::string out;
        for (const FormNode* element : form->find(name)->elements()) out += element->text;
        return out;
    };
    EXPECT_EQ(texts("i"), "xyz");
    EXPECT_EQ(texts("l"), "pq");
    EXPECT_TRUE(form->find("i")->is_array());
    EXPECT_FALSE(form->find("m")->is_array());
    EXPECT_FALSE(form->find("z")->is_array());
    EXPECT_FALSE(form->find("t")->is_array());
    EXPECT_EQ(texts("m"), "");
}

TEST(Form, WritesWhatItReads) {
    FormWriter out;
    out.add("amount", std::int64_t{-5}).add("metadata[a b]", "x&y=z+%\xc3\xa9");
    EXPECT_EQ(out.str(), "amount=-5&metadata[a%20b]=x%26y%3Dz%2B%25%C3%A9");
    EXPECT_EQ(parsed(out.str()), "{amount:\"-5\",metadata:{a b:\"x&y=z+%\xc3\xa9\"}}");
}

TEST(Form, PercentCodecKnowsBothPluses) {
    EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
    EXPECT_EQ(percent_decode("a+b%2B", false), "a+b+");
    EXPECT_FALSE(percent_decode("%2", false));
    EXPECT_EQ(percent_encode("a/b c~"), "a%2Fb%20c~");
}

rc::Gen<std::string> form_text() {
    return rc::gen::container<std::string>(rc::gen::element(
        'a', 'b', '0', '1', '[', ']', '=', '&', '%', '+', '2', 'C', '\0', '\xc3', '\xa9'));
}

RC_GTEST_PROP(FormProperty, AnyBytesAreRefusedOrSurviveARoundTrip, ()) {
    const auto encoded = *form_text();
    auto form = parse_form(encoded);
    if (!form) {
        RC_ASSERT(valid_text(form.error().param));
        return;
    }
    auto once = parse_form(encode_form(*form)); // lists have become maps of indices
    RC_ASSERT(once.has_value());
    auto twice = parse_form(encode_form(*once));
    RC_ASSERT(twice.has_value());
    RC_ASSERT(*once == *twice);
}

} // namespace
} // namespace holdfast
