#pragma once

// The file of an acquirer's books, as bytes. Pure; books_file.h does the I/O.
//
//   file   "HFBOOKS1", then frames
//   frame  "BKFR" | length u32 | crc u32 | payload            length and crc little-endian
//   payload, one after the other: length u32 | entry (book_entry.h)
//
// A frame is what one fsync made durable: all entries of one group commit. crc is CRC-32C of the
// length's bytes and the payload. The next frame is only written after the fsync of the one before,
// so only the last frame can be torn, and nothing in it was ever answered for: it is cut off. A bad
// frame with a good one behind it is damage, which no one may repair silently.
//
// Limits: frame_bytes_max. Errors: Invalid "books_foreign" (not such a file), "books_corrupt"
// (damage, with its offset), "book_entry_*".

#include "gateway/book_entry.h"

#include <functional>

namespace holdfast::gateway {

inline constexpr std::string_view books_magic = "HFBOOKS1";
inline constexpr std::size_t frame_bytes_max = 16 << 20;

/// Appends an entry to the payload of a frame to be.
void append_entry(std::string& payload, const BookEntry& entry);

/// The payload with its header in front.
std::string frame_of(std::string_view payload);

/// Hands every entry to `on_entry`, which may refuse one, and answers how many bytes of the file
/// are good; the rest is a torn tail.
Result<std::size_t> read_books(std::string_view file,
                               const std::function<Result<void>(const BookEntry&)>& on_entry);

} // namespace holdfast::gateway
