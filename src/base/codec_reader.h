#pragma once

// The reading half of base/codec.h. Holds a view: the bytes must outlive it.

#include "base/codec_traits.h"

#include <limits>
#include <utility>

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

    template <detail::Truth T> void read(T& value) {
        const char byte = next_byte();
        if (byte != '\0' && byte != '\1') return refuse("A truth value is neither.");
        value = byte == '\1';
    }
    template <detail::Integer T> void read(T& value) {
        const std::uint64_t bits = varint();
        if constexpr (std::is_signed_v<T>)
            narrow(detail::unzigzag(bits), value);
        else
            narrow(bits, value);
    }
    template <class From, class To> void narrow(From number, To& value) {
        if (!std::in_range<To>(number)) return refuse("A number is out of range.");
        value = static_cast<To>(number);
    }
    template <detail::Enumeration T> void read(T& value) {
        const std::uint64_t number = varint();
        if (number > static_cast<std::uint64_t>(last_enumerator(T{}))) {
            return refuse("An enumerator is unknown.");
        }
        value = static_cast<T>(number);
    }
    void read(std::string& value) { value = text(); }
    void read(WallTime& value) { value = wall_from_micros(detail::unzigzag(varint())); }
    void read(Duration& value) { value = Duration(detail::unzigzag(varint())); }
    template <std::size_t n> void read(std::array<std::uint8_t, n>& value) {
        const std::string_view bytes = take(n, n);
        if (ok()) std::memcpy(value.data(), bytes.data(), n);
    }
    void read(Uuid& value) { read(value.bytes); }
    template <class T> void read(Id<T>& value) {
        Uuid uuid;
        read(uuid);
        value = Id<T>(uuid);
    }

    template <class T> void read(std::optional<T>& value) {
        value.reset();
        bool present = false;
        read(present);
        if (present) read(value.emplace());
    }
    template <class T> void read(std::vector<T>& list) {
        list.clear();
        for (std::size_t left = read_count(); left > 0 && ok(); --left) read(list.emplace_back());
    }
    template <class K, class V, class C> void read(std::map<K, V, C>& map) {
        map.clear();
        for (std::size_t left = read_count(); left > 0 && ok(); --left) {
            K key{};
            V mapped{};
            read(key);
            read(mapped);
            // Written in order, so anything else was not written by us.
            if (!map.empty() && !map.key_comp()(map.rbegin()->first, key)) {
                return refuse("The keys of a map are not in order.");
            }
            map.emplace_hint(map.end(), std::move(key), std::move(mapped));
        }
    }
    template <class... T> void read(std::variant<T...>& value) {
        read_alternative(value, varint(), std::index_sequence_for<T...>());
    }
    template <detail::Scalar T> void read(T& value) { read_value(*this, value); }

    template <class T>
        requires detail::Fielded<T, BinaryReader>
    void read(T& value) {
        BinaryReader body(take(varint(), std::numeric_limits<std::uint32_t>::max()));
        if (!ok()) return;
        fields(body, value);
        if (!body.ok()) refuse(body.problem_);
    }

    template <class Variant, std::size_t... index>
    void read_alternative(Variant& value, std::uint64_t wanted, std::index_sequence<index...>) {
        const bool known =
            ((wanted == index ? (read(value.template emplace<index>()), true) : false) || ...);
        if (!known) refuse("An alternative is unknown.");
    }

    std::string_view rest_;
    const char* problem_ = nullptr;
};

} // namespace holdfast
