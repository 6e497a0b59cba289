#include "gateway/books_format.h"

#include "base/bytes.h"

#include <bit>
#include <cstring>

namespace holdfast::gateway {

namespace {

constexpr std::string_view frame_magic = "BKFR";
constexpr std::size_t header_bytes = 12;

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

std::uint32_t read_u32(std::string_view bytes) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

void append_u32(std::string& out, std::size_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    out.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
}

std::uint32_t checksum(std::string_view length, std::string_view payload) {
    return crc32c(payload, crc32c(length));
}

/// The payload of the frame at the start of `bytes`; empty when there is no good one.
std::optional<std::string_view> good_frame(std::string_view bytes) {
    if (bytes.size() < header_bytes || !bytes.starts_with(frame_magic)) return std::nullopt;
    const std::string_view length_bytes = bytes.substr(4, 4);
    const std::size_t length = read_u32(length_bytes);
    if (length == 0 || length > frame_bytes_max || length > bytes.size() - header_bytes) {
        return std::nullopt;
    }
    const std::string_view payload = bytes.substr(header_bytes, length);
    if (read_u32(bytes.substr(8)) != checksum(length_bytes, payload)) return std::nullopt;
    return payload;
}

bool holds_good_frame(std::string_view bytes) {
    for (std::size_t at = bytes.find(frame_magic); at != bytes.npos;
         at = bytes.find(frame_magic, at + 1)) {
        if (good_frame(bytes.substr(at))) return true;
    }
    return false;
}

std::unexpected<Error> corrupt(std::size_t offset) {
    return fail(ErrorClass::Invalid, "books_corrupt",
                "The acquirer's books are damaged at byte " + std::to_string(offset) +
                    ", with good entries behind it. Restore them from a copy.");
}

Result<void> read_payload(std::string_view payload, std::size_t offset,
                          const std::function<Result<void>(const BookEntry&)>& on_entry) {
    while (!payload.empty()) {
        if (payload.size() < 4) return corrupt(offset);
        const std::size_t length = read_u32(payload);
        payload.remove_prefix(4);
        if (length > payload.size()) return corrupt(offset);
        TRY(BookEntry entry, decode_book_entry(payload.substr(0, length)));
        TRY_VOID(on_entry(entry));
        payload.remove_prefix(length);
    }
    return {};
}

} // namespace

void append_entry(std::string& payload, const BookEntry& entry) {
    const std::string bytes = encode(entry);
    append_u32(payload, bytes.size());
    payload += bytes;
}

std::string frame_of(std::string_view payload) {
    CHECK(!payload.empty() && payload.size() <= frame_bytes_max);
    std::string frame;
    frame.reserve(header_bytes + payload.size());
    frame += frame_magic;
    append_u32(frame, payload.size());
    append_u32(frame, checksum(std::string_view(frame).substr(4, 4), payload));
    frame += payload;
    return frame;
}

Result<std::size_t> read_books(std::string_view file,
                               const std::function<Result<void>(const BookEntry&)>& on_entry) {
    if (file.size() < books_magic.size() && books_magic.starts_with(file)) return 0u;
    if (!file.starts_with(books_magic)) {
        return fail(ErrorClass::Invalid, "books_foreign",
                    "This is no file of an acquirer's books.");
    }
    std::size_t offset = books_magic.size();
    while (offset < file.size()) {
        const auto payload = good_frame(file.substr(offset));
        if (!payload) {
            if (holds_good_frame(file.substr(offset + 1))) return corrupt(offset);
            break;
        }
        TRY_VOID(read_payload(*payload, offset, on_entry));
        offset += header_bytes + payload->size();
    }
    return offset;
}

} // namespace holdfast::gateway
