#include "base/id.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace holdfast {
namespace {

struct Thing {
    static constexpr std::string_view id_prefix = "thing_";
};

Uuid filled(std::uint8_t byte) {
    Uuid uuid;
    uuid.bytes.fill(byte);
    return uuid;
}

TEST(Uuid, Base62HasFixedWidthAndKnownEnds) {
    EXPECT_EQ(Uuid{}.base62(), "0000000000000000000000");
    EXPECT_EQ(filled(0xFF).base62(), "7n42DGM5Tflk9n8mt7Fhc7"); // 2^128 - 1
    Uuid one;
    one.bytes[15] = 1;
    EXPECT_EQ(one.base62(), "0000000000000000000001");
    Uuid sixty_two;
    sixty_two.bytes[15] = 62;
    EXPECT_EQ(sixty_two.base62(), "0000000000000000000010");
}

TEST(Uuid, RefusesWhatIsNot128Bits) {
    EXPECT_FALSE(Uuid::from_base62("7n42DGM5Tflk9n8mt7Fhc8")); // 2^128
    EXPECT_FALSE(Uuid::from_base62("7o00000000000000000000"));
    EXPECT_FALSE(Uuid::from_base62("zzzzzzzzzzzzzzzzzzzzzz"));
    EXPECT_FALSE(Uuid::from_base62("000000000000000000000"));
    EXPECT_FALSE(Uuid::from_base62("00000000000000000000000"));
    EXPECT_FALSE(Uuid::from_base62("000000000000000000000-"));
    EXPECT_FALSE(Uuid::from_base62("000000000000000000000\xff"));
    EXPECT_FALSE(Uuid::from_base62(""));
}

RC_GTEST_PROP(UuidProperty, RoundTripsAndKeepsOrder,
              (std::array<std::uint8_t, 16> a, std::array<std::uint8_t, 16> b)) {
    const Uuid x{a}, y{b};
    RC_ASSERT(Uuid::from_base62(x.base62()) == std::optional(x));
    RC_ASSERT((x < y) == (x.base62() < y.base62()));
}

TEST(Uuid, TimeOrderedFollowsTheWallClock) {
    SimEnv env(7);
    std::set<Uuid> seen;
    Uuid previous;
    for (int i = 0; i < 100; ++i) {
        const Uuid next = Uuid::time_ordered(env);
        EXPECT_LT(previous, next);
        EXPECT_TRUE(seen.insert(next).second);
        previous = next;
        env.advance(std::chrono::milliseconds(1));
    }
    std::uint64_t ms = 0;
    for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | previous.bytes[i];
    EXPECT_EQ(ms, static_cast<std::uint64_t>(unix_micros(env.wall()) / 1000 - 1));
}

TEST(Id, TextFormNeedsItsOwnPrefix) {
    const Id<Thing> id(filled(0x42));
    EXPECT_EQ(id.str().size(), 6U + 22U);
    EXPECT_EQ(Id<Thing>::parse(id.str()), std::optional(id));
    EXPECT_FALSE(Id<Thing>::parse("other_" + id.uuid().base62()));
    EXPECT_FALSE(Id<Thing>::parse("thing_"));
    EXPECT_FALSE(Id<Thing>::parse(id.str() + "0"));
    EXPECT_FALSE(Id<Thing>{});
    EXPECT_TRUE(id);
}

} // namespace
} // namespace holdfast
