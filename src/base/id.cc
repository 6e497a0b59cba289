#include "base/id.h"

#include <span>

namespace holdfast {

namespace {

// Base 62 without a division per digit: 2^128 is below 62^22 = 62^2 * (62^10)^2, and 62^10 fits a
// machine word, so two wide divisions leave words, and those fall into pairs of digits by a table.
using Wide = unsigned __int128;

constexpr std::string_view alphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t digits_in_word = 10;
constexpr std::uint64_t pair_base = 62 * 62;
constexpr std::uint64_t word_base = 839'299'365'868'340'224; // 62^10

constexpr auto pairs = [] {
    std::array<std::array<char, 2>, pair_base> table{};
    for (std::size_t i = 0; i < pair_base; ++i) table[i] = {alphabet[i / 62], alphabet[i % 62]};
    return table;
}();

constexpr std::uint8_t no_digit = 0xFF;
constexpr auto digit_values = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return table;
}();

void write_word(char* out, std::uint64_t word) {
    for (std::size_t at = digits_in_word; at > 0; at -= 2) {
        std::memcpy(out + at - 2, pairs[word % pair_base].data(), 2);
        word /= pair_base;
    }
}

/// False when one of them is not a digit.
bool read_digits(std::string_view digits, std::uint64_t& word) {
    std::uint8_t worst = 0; // digits are below 64, so no_digit shows in the union of all
    word = 0;
    for (char c : digits) {
        const std::uint8_t value = digit_values[static_cast<unsigned char>(c)];
        worst |= value;
        word = word * 62 + value;
    }
    return worst != no_digit;
}

std::uint64_t load_big_endian(const std::uint8_t* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

void store_big_endian(std::uint8_t* bytes, std::uint64_t word) {
    word = __builtin_bswap64(word);
    std::memcpy(bytes, &word, sizeof word);
}

} // namespace

std::string Uuid::base62() const {
    std::string text;
    text.reserve(base62_digits);
    append_base62(text);
    return text;
}

void Uuid::append_base62(std::string& out) const {
    const Wide value = (Wide{load_big_endian(bytes.data())} << 64) | load_big_endian(&bytes[8]);
    const Wide upper = value / word_base;
    const Wide top = upper / word_base; // at most 483

    char digits[base62_digits];
    std::memcpy(digits, pairs[static_cast<std::size_t>(top)].data(), 2);
    write_word(digits + 2, static_cast<std::uint64_t>(upper - top * word_base));
    write_word(digits + 2 + digits_in_word, static_cast<std::uint64_t>(value - upper * word_base));
    out.append(digits, sizeof digits);
}

std::optional<Uuid> Uuid::from_base62(std::string_view digits) {
    if (digits.size() != base62_digits) return std::nullopt;
    std::uint64_t top, middle, low;
    if (!read_digits(digits.substr(0, 2), top) ||
        !read_digits(digits.substr(2, digits_in_word), middle) ||
        !read_digits(digits.substr(2 + digits_in_word), low)) {
        return std::nullopt;
    }
    constexpr Wide top_unit = Wide{word_base} * word_base;
    constexpr auto max_top = static_cast<std::uint64_t>(~Wide{0} / top_unit);
    if (top > max_top) return std::nullopt;
    const Wide upper = top * top_unit;
    const Wide value = upper + Wide{middle} * word_base + low;
    if (value < upper) return std::nullopt; // wrapped around 2^128

    Uuid uuid;
    store_big_endian(uuid.bytes.data(), static_cast<std::uint64_t>(value >> 64));
    store_big_endian(&uuid.bytes[8], static_cast<std::uint64_t>(value));
    return uuid;
}

Uuid Uuid::time_ordered(Env& env) {
    Uuid uuid;
    env.fill_random(std::as_writable_bytes(std::span(uuid.bytes)));
    const auto ms = static_cast<std::uint64_t>(unix_micros(env.wall()) / 1000);
    for (int i = 0; i < 6; ++i) {
        uuid.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    }
    return uuid;
}

} // namespace holdfast
