#pragma once

// What the two halves of the codec (base/codec.h) agree on: limits, kinds of types and the form of
// signed numbers.

#include "base/env.h"
#include "base/id.h"

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace holdfast {

class BinaryWriter;
class BinaryReader;

inline constexpr std::size_t codec_string_bytes_max = 4 << 20;
inline constexpr std::size_t codec_elements_max = 1 << 20;

namespace detail {

template <class T, class Archive>
concept Fielded = requires(Archive& archive, T& value) { fields(archive, value); };
template <class T>
concept Scalar = requires(BinaryWriter& writer, const T& value) { write_value(writer, value); };
template <class T>
concept Enumeration = std::is_enum_v<T>;
template <class T>
concept Truth = std::same_as<T, bool>;
template <class T>
concept Integer = std::integral<T> && !Truth<T>;

constexpr std::uint64_t zigzag(std::int64_t value) {
    return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

} // namespace detail
} // namespace holdfast
