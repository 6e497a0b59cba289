#pragma once

// Strong ids. Id<PaymentIntent> and Id<Customer> don't mix; both are 16 bytes, a `uuid` in
// PostgreSQL. The prefix ("pi_") exists only at the edge: text form = prefix + 22 base62 digits
// of the 128-bit big-endian value, fixed width.
//
// Where ids come from (docs/adr/0002-identity.md): the id of an object that a keyed request
// creates is derived from the key (core/identity.h), so a retry names the same object; a keyless
// one is random with the creation time in its upper 48 bits, like UUIDv7.
//
// Limits: parse() takes exactly prefix + 22 digits and refuses values above 2^128.

#include "base/env.h"
#include "base/result.h"

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

struct Uuid {
    static constexpr std::size_t base62_digits = 22;

    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const Uuid&) const = default;
    bool is_nil() const { return bytes == std::array<std::uint8_t, 16>{}; }

    std::string base62() const; ///< 22 digits
    void append_base62(std::string& out) const;
    static std::optional<Uuid> from_base62(std::string_view digits);
    static Uuid time_ordered(Env& env); ///< 48 bits of unix ms + 80 random
};

template <class T> class Id {
  public:
    Id() = default;
    explicit Id(Uuid value) : value_(value) {}

    const Uuid& uuid() const { return value_; }
    bool is_nil() const { return value_.is_nil(); }
    explicit operator bool() const { return !is_nil(); }
    auto operator<=>(const Id&) const = default;

    static constexpr std::string_view prefix() { return T::id_prefix; }
    std::string str() const {
        std::string text;
        text.reserve(T::id_prefix.size() + Uuid::base62_digits);
        text += T::id_prefix;
        value_.append_base62(text);
        return text;
    }

    /// Empty when `text` is not this type's prefix followed by 22 base62 digits, and for the nil
    /// id, which stands for "none" and names nothing.
    static std::optional<Id> parse(std::string_view text) {
        if (!text.starts_with(T::id_prefix)) return std::nullopt;
        auto value = Uuid::from_base62(text.substr(T::id_prefix.size()));
        if (!value || value->is_nil()) return std::nullopt;
        return Id(*value);
    }
    static Id time_ordered(Env& env) { return Id(Uuid::time_ordered(env)); }

  private:
    Uuid value_;
};

} // namespace holdfast

template <> struct std::hash<holdfast::Uuid> {
    std::size_t operator()(const holdfast::Uuid& u) const noexcept {
        std::uint64_t a, b; // ids are uniformly distributed already (HMAC or random tail)
        std::memcpy(&a, u.bytes.data(), 8);
        std::memcpy(&b, u.bytes.data() + 8, 8);
        return a ^ (b * 0x9E3779B97F4A7C15ULL);
    }
};
template <class T> struct std::hash<holdfast::Id<T>> {
    std::size_t operator()(const holdfast::Id<T>& id) const noexcept {
        return std::hash<holdfast::Uuid>{}(id.uuid());
    }
};
