#include "base/codec.h"

#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::codec_test {

enum class Color : std::uint8_t { Red, Green, Blue };
constexpr Color last_enumerator(Color) { return Color::Blue; }

struct Tagged {
    static constexpr std::string_view id_prefix = "tag_";
};

struct Percent { // a scalar with a form of its own
    int value = 0;
    bool operator==(const Percent&) const = default;
};
inline void write_value(BinaryWriter& out, const Percent& p) { out(p.value); }
inline void read_value(BinaryReader& in, Percent& p) {
    in.required(p.value);
    if (p.value < 0 || p.value > 100) in.refuse("A percentage is out of range.");
}

struct Inner {
    std::string name;
    std::int32_t n = 0;
    bool operator==(const Inner&) const = default;
};
template <class A> void fields(A& archive, Inner& v) { archive(v.name, v.n); }

struct Everything {
    bool flag = false;
    std::uint64_t big = 0;
    std::int64_t signed_big = 0;
    std::uint8_t small = 0;
    Color color = Color::Red;
    WallTime when;
    Duration span{};
    Id<Tagged> id;
    std::array<std::uint8_t, 4> raw{};
    std::optional<Inner> maybe;
    std::vector<Inner> list;
    std::map<std::string, std::optional<std::string>, std::less<>> map;
    std::variant<std::int32_t, Inner> choice;
    Percent percent;
    bool operator==(const Everything&) const = default;
};
template <class A> void fields(A& archive, Everything& v) {
    archive(v.flag, v.big, v.signed_big, v.small, v.color, v.when, v.span, v.id, v.raw, v.maybe,
            v.list, v.map, v.choice, v.percent);
}

struct Old {
    std::int32_t a = 0;
};
struct New {
    std::int32_t a = 0;
    std::string b = "default";
    std::optional<std::int32_t> c = 5;
};
template <class A> void fields(A& archive, Old& v) { archive(v.a); }
template <class A> void fields(A& archive, New& v) { archive(v.a, v.b, v.c); }

struct OldPair {
    Old first, second;
};
struct NewPair {
    New first, second;
};
template <class A> void fields(A& archive, OldPair& v) { archive(v.first, v.second); }
template <class A> void fields(A& archive, NewPair& v) { archive(v.first, v.second); }

namespace {

Everything sample() {
    Everything v;
    v.flag = true;
    v.big = ~0ULL;
    v.signed_big = std::numeric_limits<std::int64_t>::min();
    v.small = 255;
    v.color = Color::Blue;
    v.when = wall_from_micros(-1);
    v.span = std::chrono::hours(3);
    v.id = Id<Tagged>(Uuid{{1, 2, 3}});
    v.raw = {9, 8, 7, 6};
    v.maybe = Inner{"inner", -1};
    v.list = {{"a", 1}, {std::string(300, 'x'), 2}}; // a struct over 127 bytes
    v.map = {{"k", "v"}, {"none", std::nullopt}};
    v.choice = Inner{"chosen", 3};
    v.percent = {42};
    return v;
}

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

TEST(Codec, RoundTripsEveryKind) {
    const auto bytes = encode_versioned(3, sample());
    auto back = decode_versioned<Everything>(bytes, 3, "thing");
    ASSERT_TRUE(back) << to_string(back.error());
    EXPECT_EQ(*back, sample());
    EXPECT_EQ(encode_versioned(3, *back), bytes);
}

TEST(Codec, FormIsFixed) { // bytes on disk: a change here needs a new version
    EXPECT_EQ(to_hex(encode_versioned(1, Inner{"ab", -3})), "010402616205");
    EXPECT_EQ(to_hex(encode_versioned(1, Inner{"", 300})), "010300d804");
}

TEST(Codec, OlderAndNewerWritersAreUnderstood) {
    auto from_old = decode_versioned<New>(encode_versioned(1, Old{7}), 1, "thing");
    ASSERT_TRUE(from_old);
    EXPECT_EQ(from_old->a, 7);
    EXPECT_EQ(from_old->b, "default");
    EXPECT_EQ(from_old->c, 5);

    auto from_new = decode_versioned<Old>(encode_versioned(1, New{8, "x", 1}), 1, "thing");
    ASSERT_TRUE(from_new);
    EXPECT_EQ(from_new->a, 8);

    auto nested = decode_versioned<NewPair>(encode_versioned(1, OldPair{{1}, {2}}), 1, "thing");
    ASSERT_TRUE(nested);
    EXPECT_EQ(nested->first.a, 1);
    EXPECT_EQ(nested->second.a, 2);
    EXPECT_EQ(nested->second.b, "default");
}

TEST(Codec, RefusesNewerVersions) {
    const auto bytes = encode_versioned(4, Old{7});
    EXPECT_EQ(code_of(decode_versioned<Old>(bytes, 3, "command")), "command_version");
    EXPECT_EQ(code_of(decode_versioned<Old>(bytes, 4, "command")), "");
    EXPECT_EQ(code_of(decode_versioned<Old>("", 4, "command")), "command_corrupt");
    EXPECT_EQ(code_of(decode_versioned<Old>(std::string(2, '\0'), 4, "command")),
              "command_corrupt");
}

struct BadCase {
    std::string_view what;
    std::string hex;
};
TEST(Codec, RefusesCorruptBytes) {
    const BadCase cases[] = {
        {"nothing behind the version", "01"},
        {"frame longer than the bytes", "0105026162"},
        {"bytes behind the frame", "0104026162050000"},
        {"string longer than its frame", "01020561"},
        {"number longer than 64 bits", "010c00ffffffffffffffffffff01"},
        {"number out of range of int32", "010600ffffffff7f"},
        {"number cut off", "01020080"},
    };
    for (const auto& [what, hex] : cases) {
        EXPECT_EQ(code_of(decode_versioned<Inner>(*from_hex(hex), 1, "thing")), "thing_corrupt")
            << what;
    }
}

template <class T> std::string problem_with(T value, std::string_view hex) {
    const std::string bytes = *from_hex(hex);
    BinaryReader reader(bytes);
    reader.required(value);
    return reader.finish();
}

TEST(Codec, RefusesWhatTheTypeCannotHold) {
    EXPECT_EQ(problem_with(Color{}, "02"), "");
    EXPECT_EQ(problem_with(Color{}, "03"), "An enumerator is unknown.");
    EXPECT_EQ(problem_with(false, "02"), "A truth value is neither.");
    EXPECT_EQ(problem_with(std::uint8_t{}, "8002"), "A number is out of range.");
    EXPECT_EQ(problem_with(std::variant<bool, bool>{}, "0200"), "An alternative is unknown.");
    EXPECT_EQ(problem_with(Percent{}, "ca01"), "A percentage is out of range.");
    EXPECT_EQ(problem_with(std::uint64_t{}, "ffffffffffffffffff01"), "");
    EXPECT_EQ(problem_with(std::vector<std::string>{}, "ffffffff0f00"),
              "A count is over its limit.");
    EXPECT_EQ(problem_with(std::vector<std::string>{}, "0500"), "A count is over its limit.");
    EXPECT_EQ(problem_with(std::string{}, "ffffffff0f00"), "A length is over its limit.");
    using Map = std::map<std::string, bool>;
    EXPECT_EQ(problem_with(Map{}, "02016100016200"), "");
    EXPECT_EQ(problem_with(Map{}, "02016200016100"), "The keys of a map are not in order.");
    EXPECT_EQ(problem_with(Map{}, "02016100016100"), "The keys of a map are not in order.");
}

RC_GTEST_PROP(CodecProperty, IntegersRoundTrip,
              (std::uint64_t a, std::int64_t b, std::int32_t c, std::uint16_t d)) {
    std::string bytes;
    BinaryWriter write(bytes);
    write(a, b, c, d);
    BinaryReader read(bytes);
    std::uint64_t a2{};
    std::int64_t b2{};
    std::int32_t c2{};
    std::uint16_t d2{};
    read(a2, b2, c2, d2);
    RC_ASSERT(read.finish().empty());
    RC_ASSERT(a == a2);
    RC_ASSERT(b == b2);
    RC_ASSERT(c == c2);
    RC_ASSERT(d == d2);
}

RC_GTEST_PROP(CodecProperty, DamageNeverCrashes,
              (std::uint32_t at, std::uint8_t to, std::uint16_t cut)) {
    auto bytes = encode_versioned(1, sample());
    bytes[1 + at % (bytes.size() - 1)] = static_cast<char>(to);
    bytes.resize(bytes.size() - cut % bytes.size());
    // Whatever comes out is an error or a value that can be written again.
    if (auto value = decode_versioned<Everything>(bytes, 1, "thing")) {
        auto again = decode_versioned<Everything>(encode_versioned(1, *value), 1, "thing");
        RC_ASSERT(again.has_value());
        RC_ASSERT(*again == *value);
    }
}

} // namespace
} // namespace holdfast::codec_test
