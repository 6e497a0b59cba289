#pragma once

// Binary codec for values that outlive the code that wrote them: commands, snapshots, log records.
//
// One function per struct describes both directions:
//
//   template <class A> void fields(A& archive, Money& m) { archive(m.minor, m.currency); }
//
//   std::string bytes = encode_versioned(2, money);
//   TRY(Money back, decode_versioned<Money>(bytes, 2, "money"));
//
// Form: a struct is its length, then its fields in order. Fields may only be appended: a reader
// leaves fields that the writer did not have yet at their defaults, and skips those it does not
// know. What can't be expressed that way raises the version, and readers refuse a newer version.
// Unsigned integers are LEB128 varints, signed ones zigzag first; strings and lists carry their
// length; an optional is a bool first; a variant its index; ids and arrays of bytes are raw; times
// are microseconds. An enumeration E needs `constexpr E last_enumerator(E)` beside it; a scalar
// with a form of its own has write_value(BinaryWriter&, const T&), read_value(BinaryReader&, T&).
//
// Failure: the reader never reads past its bytes, never allocates more than they justify, and
// after the first problem reads nothing more. Errors: WHAT_corrupt, WHAT_version. There is no
// checksum here; whoever stores the bytes adds one.

#include "base/codec_reader.h"
#include "base/codec_writer.h"

namespace holdfast {

/// [version u8][length][payload]
template <class T> std::string encode_versioned(std::uint8_t version, const T& value) {
    static_assert(detail::Fielded<T, BinaryWriter>, "give T a fields() function");
    std::string bytes;
    bytes.reserve(256);
    bytes += static_cast<char>(version);
    BinaryWriter writer(bytes);
    writer(value);
    return bytes;
}

/// `what` names the thing in error codes: "command" -> command_corrupt, command_version.
template <class T>
Result<T> decode_versioned(std::string_view bytes, std::uint8_t newest_known,
                           std::string_view what) {
    static_assert(detail::Fielded<T, BinaryReader>, "give T a fields() function");
    const auto refuse = [what](std::string_view suffix, std::string message) {
        return fail(ErrorClass::Invalid, std::string(what).append(suffix), std::move(message));
    };
    if (bytes.empty()) return refuse("_corrupt", "There are no bytes to decode.");
    const auto version = static_cast<std::uint8_t>(bytes.front());
    if (version == 0) return refuse("_corrupt", "The version is zero.");
    if (version > newest_known) {
        return refuse("_version", "Written by a newer version of Holdfast (format " +
                                      std::to_string(version) + ", this one knows up to " +
                                      std::to_string(newest_known) + ").");
    }
    T value{};
    BinaryReader reader(bytes.substr(1));
    reader.required(value);
    if (auto problem = reader.finish(); !problem.empty()) return refuse("_corrupt", problem);
    return value;
}

} // namespace holdfast
