#include "base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace holdfast {
namespace {

std::string encode(std::uint32_t code_point) {
    std::string out;
    const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code_point < 0x80) {
        add(code_point);
    } else if (code_point < 0x800) {
        add(0xC0 | code_point >> 6), add(0x80 | (code_point & 0x3F));
    } else if (code_point < 0x10000) {
        add(0xE0 | code_point >> 12), add(0x80 | (code_point >> 6 & 0x3F));
        add(0x80 | (code_point & 0x3F));
    } else {
        add(0xF0 | code_point >> 18), add(0x80 | (code_point >> 12 & 0x3F));
        add(0x80 | (code_point >> 6 & 0x3F)), add(0x80 | (code_point & 0x3F));
    }
    return out;
}

TEST(Utf8, EveryCodePointButNulAndSurrogates) {
    for (std::uint32_t c = 0; c <= 0x10FFFF; ++c) {
        const bool good = c != 0 && !(c >= 0xD800 && c <= 0xDFFF);
        ASSERT_EQ(valid_text(encode(c)), good) << std::hex << c;
    }
    EXPECT_FALSE(valid_text(encode(0x110000)));
}

TEST(Utf8, EveryTwoBytesAgreeWithTheTable) {
    for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) {
            const std::string text{static_cast<char>(a), static_cast<char>(b)};
            const bool ascii = a > 0 && a < 0x80 && b > 0 && b < 0x80;
            const bool pair = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
            ASSERT_EQ(valid_text(text), ascii || pair) << a << ' ' << b;
        }
    }
}

TEST(Utf8, FindsPoisonAtEveryPosition) {
    const std::string_view poisons[] = {{"\0", 1},
                                        "\x80",
                                        "\xc0\xaf",
                                        "\xe0\x80\x80",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xe2\x82",
                                        "\xf0\x9f\x92"};
    for (std::size_t length = 0; length < 40; ++length) {
        const std::string plain(length, 'a');
        EXPECT_TRUE(valid_text(plain));
        for (std::size_t at = 0; at <= length; ++at) {
            for (auto poison : poisons) {
                std::string text = plain;
                text.insert(at, poison);
                ASSERT_FALSE(valid_text(text)) << "length " << length << " at " << at;
            }
        }
    }
}

TEST(Utf8, CountsAndCutsCodePoints) {
    const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xb3z"; // a é € 💳 z
    ASSERT_TRUE(valid_text(text));
    EXPECT_EQ(code_points(text), 5U);
    EXPECT_EQ(truncate_text(text, 100), text);
    EXPECT_EQ(truncate_text(text, 9), "a\xc3\xa9\xe2\x82\xac");
    EXPECT_EQ(truncate_text(text, 2), "a");
    EXPECT_EQ(truncate_text(text, 0), "");
}

} // namespace
} // namespace holdfast
