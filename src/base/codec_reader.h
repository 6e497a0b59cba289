#pragma once

// The reading half of base/codec.h. Holds a view: the bytes must outlive it.

#include "base/codec_traits.h"

#include <limits>

namespace holdfast {

class BinaryReader {
  public:
    static constexpr bool reading = true;

    explicit BinaryReader(std::string_view bytes) : rest_(bytes) {}

    /// Fields of a struct, in order; those that the writer did not have yet keep their values.
    template <class... T> void operator()(T&... values) {
        ((rest_.empty() ? void() : read(values)), ...);
    }
    /// A value that must be there.
    template <class T> void required(T& value) { read(value); }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<std::uint8_t>(next_byte());
            const std::uint64_t bits = byte & 0x7F;
            if (shift == 63 && bits > 1) break;
            value |= bits << shift;
            if (byte < 0x80) return value;
        }
        return refuse("A number is too long."), 0;
    }
    std::string_view text() { return take(varint(), codec_string_bytes_max); }
    /// For read_value(): the bytes say something that can't be.
    void refuse(const char* why) {
        if (problem_ == nullptr) problem_ = why;
        rest_ = {};
    }
    bool ok() const { return problem_ == nullptr; }

    /// Empty when all bytes were read and all was well.
    std::string finish() {
        if (!rest_.empty()) refuse("There are bytes behind the end.");
        return problem_ == nullptr ? std::string() : problem_;
    }

  private:
    char next_byte() {
        if (rest_.empty()) return refuse("The bytes end early."), '\0';
        const char byte = rest_.front();
        rest_.remove_prefix(1);
        return byte;
    }
    std::string_view take(std::uint64_t size, std::uint64_t limit) {
        if (size > limit) return refuse("A length is over its limit."), std::string_view();
        if (size > rest_.size()) return refuse("The bytes end early."), std::string_view();
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    /// Every element takes at least a byte, so that a count can't ask for more than there is.
    std::size_t read_count() {
        const std::uint64_t count = varint();
        if (count > codec_elements_max || count > rest_.size()) {
            return refuse("A count is over its limit."), 0;
        }
        return count;
    }

    template <class T> void read(T& value) {
        using namespace detail;
        if constexpr (std::same_as<T, bool>) {
            const char byte = next_byte();
            if (byte != '\0' && byte != '\1') return refuse("A truth value is neither.");
            value = byte == '\1';
        } else if constexpr (Integer<T>) read_integer(value);
        else if constexpr (Enumeration<T>) {
            const std::uint64_t number = varint();
            if (number > static_cast<std::uint64_t>(last_enumerator(T{}))) {
                return refuse("An enumerator is unknown.");
            }
            value = static_cast<T>(number);
        } else if constexpr (std::same_as<T, std::string>) value = text();
        else if constexpr (std::same_as<T, WallTime>) value = wall_from_micros(unzigzag(varint()));
        else if constexpr (std::same_as<T, Duration>) value = Duration(unzigzag(varint()));
        else if constexpr (std::same_as<T, Uuid>) read(value.bytes);
        else if constexpr (is_id<T>) {
            Uuid uuid;
            read(uuid);
            value = T(uuid);
        } else if constexpr (is_byte_array<T>) {
            const std::string_view bytes = take(value.size(), value.size());
            if (ok()) std::memcpy(value.data(), bytes.data(), value.size());
        } else if constexpr (is_optional<T>) {
            bool present = false;
            read(present);
            if (present) read(value.emplace());
            else value.reset();
        } else if constexpr (is_vector<T>) {
            value.clear();
            for (std::size_t left = read_count(); left > 0 && ok(); --left) {
                read(value.emplace_back());
            }
        } else if constexpr (is_map<T>) read_map(value);
        else if constexpr (is_variant<T>) {
            read_alternative(value, varint(), std::make_index_sequence<std::variant_size_v<T>>());
        } else if constexpr (Scalar<T>) read_value(*this, value);
        else if constexpr (Fielded<T, BinaryReader>) read_struct(value);
        else static_assert(no_form<T>, "this type has no binary form; see base/codec.h");
    }

    template <class T> void read_integer(T& value) {
        const std::uint64_t bits = varint();
        if constexpr (std::is_unsigned_v<T>) {
            if (bits > std::numeric_limits<T>::max()) return refuse("A number is out of range.");
            value = static_cast<T>(bits);
        } else {
            const std::int64_t number = detail::unzigzag(bits);
            if (!std::in_range<T>(number)) return refuse("A number is out of range.");
            value = static_cast<T>(number);
        }
    }

    template <class Map> void read_map(Map& map) {
        map.clear();
        for (std::size_t left = read_count(); left > 0 && ok(); --left) {
            typename Map::key_type key{};
            typename Map::mapped_type mapped{};
            read(key), read(mapped);
            // Written in order, so anything else was not written by us.
            if (!map.empty() && !map.key_comp()(map.rbegin()->first, key)) {
                return refuse("The keys of a map are not in order.");
            }
            map.emplace_hint(map.end(), std::move(key), std::move(mapped));
        }
    }

    template <class Variant, std::size_t... index>
    void read_alternative(Variant& value, std::uint64_t wanted, std::index_sequence<index...>) {
        const bool known =
            ((wanted == index ? (read(value.template emplace<index>()), true) : false) || ...);
        if (!known) refuse("An alternative is unknown.");
    }

    template <class T> void read_struct(T& value) {
        BinaryReader body(take(varint(), std::numeric_limits<std::uint32_t>::max()));
        if (!ok()) return;
        fields(body, value);
        if (!body.ok()) refuse(body.problem_);
    }

    std::string_view rest_;
    const char* problem_ = nullptr;
};

} // namespace holdfast
