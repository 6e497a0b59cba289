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
    template <detail::Truth T> void write(T value) { out_ += value ? '\1' : '\0'; }
    template <detail::Integer T> void write(T value) {
        if constexpr (std::is_signed_v<T>)
            varint(detail::zigzag(value));
        else
            varint(value);
    }
    template <detail::Enumeration T> void write(T value) {
        varint(static_cast<std::uint64_t>(value));
    }
    void write(const std::string& value) { text(value); }
    void write(WallTime value) { write(unix_micros(value)); }
    void write(Duration value) { write(value.count()); }
    template <std::size_t n> void write(const std::array<std::uint8_t, n>& bytes) {
        out_.append(reinterpret_cast<const char*>(bytes.data()), n);
    }
    void write(const Uuid& value) { write(value.bytes); }
    template <class T> void write(const Id<T>& value) { write(value.uuid()); }

    template <class T> void write(const std::optional<T>& value) {
        write(value.has_value());
        if (value) write(*value);
    }
    template <class T> void write(const std::vector<T>& list) {
        write_count(list.size());
        for (const T& element : list) write(element);
    }
    template <class K, class V, class C> void write(const std::map<K, V, C>& map) {
        write_count(map.size());
        for (const auto& [key, mapped] : map) {
            write(key);
            write(mapped);
        }
    }
    template <class... T> void write(const std::variant<T...>& value) {
        varint(value.index());
        std::visit([this](const auto& alternative) { this->write(alternative); }, value);
    }
    template <detail::Scalar T> void write(const T& value) { write_value(*this, value); }

    template <class T>
        requires detail::Fielded<T, BinaryWriter>
    void write(const T& value) {
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

    void write_count(std::size_t count) {
        CHECK(count <= codec_elements_max);
        varint(count);
    }

    std::string& out_;
};

} // namespace holdfast
