#pragma once

// The writing half of base/codec.h. Appends to a string that the caller owns. What exceeds the
// limits of codec_traits.h would not be readable again, so it is a broken invariant here.

#include "base/codec_traits.h"

namespace holdfast {

class BinaryWriter {
  public:
    static constexpr bool reading = false;

    explicit BinaryWriter(std::string& out) : out_(out) {}

    template <class... T> void operator()(const T&... values) { (write(values), ...); }

    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
        out_ += static_cast<char>(value);
    }
    void text(std::string_view value) {
        CHECK(value.size() <= codec_string_bytes_max);
        varint(value.size());
        out_ += value;
    }

  private:
    template <class T> void write(const T& value) {
        using namespace detail;
        if constexpr (std::same_as<T, bool>) out_ += value ? '\1' : '\0';
        else if constexpr (Integer<T> && std::is_unsigned_v<T>) varint(value);
        else if constexpr (Integer<T>) varint(zigzag(value));
        else if constexpr (Enumeration<T>) varint(static_cast<std::uint64_t>(value));
        else if constexpr (std::same_as<T, std::string>) text(value);
        else if constexpr (std::same_as<T, WallTime>) varint(zigzag(unix_micros(value)));
        else if constexpr (std::same_as<T, Duration>) varint(zigzag(value.count()));
        else if constexpr (std::same_as<T, Uuid>) write(value.bytes);
        else if constexpr (is_id<T>) write(value.uuid().bytes);
        else if constexpr (is_byte_array<T>) {
            out_.append(reinterpret_cast<const char*>(value.data()), value.size());
        } else if constexpr (is_optional<T>) {
            write(value.has_value());
            if (value) write(*value);
        } else if constexpr (is_vector<T>) {
            write_count(value.size());
            for (const auto& element : value) write(element);
        } else if constexpr (is_map<T>) {
            write_count(value.size());
            for (const auto& [key, mapped] : value) write(key), write(mapped);
        } else if constexpr (is_variant<T>) {
            varint(value.index());
            std::visit([this](const auto& alternative) { this->write(alternative); }, value);
        } else if constexpr (Scalar<T>) write_value(*this, value);
        else if constexpr (Fielded<T, BinaryWriter>) write_struct(value);
        else static_assert(no_form<T>, "this type has no binary form; see base/codec.h");
    }

    void write_count(std::size_t count) {
        CHECK(count <= codec_elements_max);
        varint(count);
    }

    template <class T> void write_struct(const T& value) {
        // The length comes first but is known last. Most structs are short, so one byte is left
        // for it; a longer one moves once.
        const std::size_t start = out_.size();
        out_ += '\0';
        fields(*this, const_cast<T&>(value)); // fields() changes what it is given only when reading
        std::size_t length = out_.size() - start - 1;
        char digits[10];
        std::size_t count = 0;
        for (; length >= 0x80; length >>= 7) digits[count++] = static_cast<char>(length | 0x80);
        digits[count++] = static_cast<char>(length);
        out_.replace(start, 1, digits, count);
    }

    std::string& out_;
};

} // namespace holdfast
