#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace holdfast {

namespace {

constexpr std::uint64_t high_bits = 0x8080808080808080ULL;
constexpr std::uint64_t low_bits = 0x0101010101010101ULL;

/// Number of leading bytes, in words of eight, that are ASCII and not NUL.
std::size_t plain_words(const char* at, std::size_t size) {
    std::size_t done = 0;
    for (; size - done >= 8; done += 8) {
        std::uint64_t word;
        std::memcpy(&word, at + done, sizeof word);
        // Below 0x80 everywhere, subtracting one sets a high bit exactly where a byte was zero.
        if (((word | (word - low_bits)) & high_bits) != 0) break;
    }
    return done;
}

bool plain(unsigned char c) { return c > 0 && c < 0x80; }

bool continuation(unsigned char c) { return (c & 0xC0) == 0x80; }

/// Length of the sequence that `text` begins with, ASCII aside, or 0 when it is none.
std::size_t sequence_length(const char* text, std::size_t left) {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0xC2) return 0; // NUL, a continuation, or an overlong form of ASCII
    if (lead < 0xE0) return left >= 2 && continuation(byte(1)) ? 2 : 0;
    if (lead < 0xF0) {
        if (left < 3 || !continuation(byte(1)) || !continuation(byte(2))) return 0;
        if (lead == 0xE0 && byte(1) < 0xA0) return 0; // overlong
        if (lead == 0xED && byte(1) > 0x9F) return 0; // surrogates
        return 3;
    }
    if (lead > 0xF4 || left < 4) return 0;
    if (!continuation(byte(1)) || !continuation(byte(2)) || !continuation(byte(3))) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0; // overlong
    if (lead == 0xF4 && byte(1) > 0x8F) return 0; // above U+10FFFF
    return 4;
}

} // namespace

bool valid_text(std::string_view text) {
    for (std::size_t at = 0;;) {
        at += plain_words(text.data() + at, text.size() - at);
        while (at < text.size() && plain(static_cast<unsigned char>(text[at]))) ++at;
        if (at == text.size()) return true;
        const std::size_t length = sequence_length(text.data() + at, text.size() - at);
        if (length == 0) return false;
        at += length;
    }
}

std::size_t code_points(std::string_view valid_text) {
    std::size_t count = 0;
    for (const char c : valid_text) count += !continuation(static_cast<unsigned char>(c));
    return count;
}

std::string_view truncate_text(std::string_view valid_text, std::size_t max_bytes) {
    if (valid_text.size() <= max_bytes) return valid_text;
    while (max_bytes > 0 && continuation(static_cast<unsigned char>(valid_text[max_bytes]))) {
        --max_bytes;
    }
    return valid_text.substr(0, max_bytes);
}

} // namespace holdfast
