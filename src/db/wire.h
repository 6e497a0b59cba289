#pragma once

// The binary form of PostgreSQL's values: how a C++ type is sent as a parameter and read from a
// result. Everything is binary, both ways: no text parsing, no locale, no time zone.
//
//   C++                          PostgreSQL                      remarks
//   bool                         boolean
//   int16_t int32_t int64_t      smallint integer bigint         reading may widen, never narrow
//   string, string_view          text                            reading: any type of bytes or text
//   Bytea                        bytea                           parameter; read into std::string
//   Jsonb                        jsonb                           parameter; read into std::string
//   Uuid, Id<T>                  uuid
//   WallTime                     timestamptz                     microseconds; infinity is an error
//   Date                         date                            infinity is an error
//   std::optional<T>             any of these, or NULL
//   ParamArray<T> (params.h)     T[]                             one dimension, NULLs allowed
//   std::vector<T>               T[]                             reading only
//
// A string_view that was read points into the result and lives as long as that.
// Source: src/backend/utils/adt/*.c of PostgreSQL 15, functions *_send and *_recv; big endian.

#include "base/env.h"
#include "base/id.h"

#include <bit>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace holdfast::db {

using Oid = std::uint32_t;
using Date = std::chrono::sys_days;

struct Bytea {
    std::string_view bytes;
};
struct Jsonb {
    std::string_view text; ///< must be JSON: the server refuses anything else
};

/// Type numbers of the server (src/include/catalog/pg_type.dat); they never change.
namespace oid {
inline constexpr Oid boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23,
                     text = 25, json = 114, bpchar = 1042, varchar = 1043, date = 1082,
                     timestamptz = 1184, uuid = 2950, jsonb = 3802;
inline constexpr Oid boolean_array = 1000, bytea_array = 1001, int2_array = 1005, int4_array = 1007,
                     text_array = 1009, int8_array = 1016, date_array = 1182,
                     timestamptz_array = 1185, uuid_array = 2951, jsonb_array = 3807;
} // namespace oid

namespace wire {

template <std::integral T> T swapped(T value) {
    if constexpr (std::endian::native == std::endian::little) return std::byteswap(value);
    return value;
}
template <std::integral T> void append(std::string& out, T value) {
    value = swapped(value);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <std::integral T> T load(const char* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return swapped(value);
}
/// 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
inline constexpr std::int32_t epoch_days = 10'957;
inline constexpr std::int64_t epoch_us = std::int64_t{epoch_days} * 86'400 * 1'000'000;

} // namespace wire

/// Wire<T>: oid, array_oid; append(out, value) writes the body without its length; read(type,
/// bytes, value) is false when `bytes` of the server's `type` are no T.
template <class T> struct Wire;

template <> struct Wire<bool> {
    static constexpr Oid oid = oid::boolean, array_oid = oid::boolean_array;
    static void append(std::string& out, bool value) { out += static_cast<char>(value); }
    static bool read(Oid type, std::string_view bytes, bool& value) {
        if (type != oid || bytes.size() != 1) return false;
        value = bytes[0] != 0;
        return true;
    }
};

namespace wire {
/// Reads a signed integer of at most `max_size` bytes.
bool read_integer(Oid type, std::string_view bytes, std::size_t max_size, std::int64_t& value);

template <class T, Oid Type, Oid Array> struct Integer {
    static constexpr Oid oid = Type, array_oid = Array;
    static void append(std::string& out, T value) { wire::append(out, value); }
    static bool read(Oid type, std::string_view bytes, T& value) {
        std::int64_t wide = 0;
        if (!read_integer(type, bytes, sizeof(T), wide)) return false;
        value = static_cast<T>(wide);
        return true;
    }
};
} // namespace wire

template <> struct Wire<std::int16_t> : wire::Integer<std::int16_t, oid::int2, oid::int2_array> {};
template <> struct Wire<std::int32_t> : wire::Integer<std::int32_t, oid::int4, oid::int4_array> {};
template <> struct Wire<std::int64_t> : wire::Integer<std::int64_t, oid::int8, oid::int8_array> {};

template <> struct Wire<std::string_view> {
    static constexpr Oid oid = oid::text, array_oid = oid::text_array;
    static void append(std::string& out, std::string_view value) { out += value; }
    static bool read(Oid type, std::string_view bytes, std::string_view& value);
};
template <> struct Wire<std::string> {
    static constexpr Oid oid = oid::text, array_oid = oid::text_array;
    static void append(std::string& out, const std::string& value) { out += value; }
    static bool read(Oid type, std::string_view bytes, std::string& value) {
        std::string_view view;
        if (!Wire<std::string_view>::read(type, bytes, view)) return false;
        value.assign(view);
        return true;
    }
};
template <> struct Wire<Bytea> {
    static constexpr Oid oid = oid::bytea, array_oid = oid::bytea_array;
    static void append(std::string& out, Bytea value) { out += value.bytes; }
};
template <> struct Wire<Jsonb> {
    static constexpr Oid oid = oid::jsonb, array_oid = oid::jsonb_array;
    static constexpr char version = 1;
    static void append(std::string& out, Jsonb value) {
        out += version;
        out += value.text;
    }
};

template <> struct Wire<Uuid> {
    static constexpr Oid oid = oid::uuid, array_oid = oid::uuid_array;
    static void append(std::string& out, const Uuid& value) {
        out.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    }
    static bool read(Oid type, std::string_view bytes, Uuid& value) {
        if (type != oid || bytes.size() != value.bytes.size()) return false;
        std::memcpy(value.bytes.data(), bytes.data(), bytes.size());
        return true;
    }
};
template <class T> struct Wire<Id<T>> {
    static constexpr Oid oid = oid::uuid, array_oid = oid::uuid_array;
    static void append(std::string& out, const Id<T>& value) {
        Wire<Uuid>::append(out, value.uuid());
    }
    static bool read(Oid type, std::string_view bytes, Id<T>& value) {
        Uuid uuid;
        if (!Wire<Uuid>::read(type, bytes, uuid)) return false;
        value = Id<T>(uuid);
        return true;
    }
};

template <> struct Wire<WallTime> {
    static constexpr Oid oid = oid::timestamptz, array_oid = oid::timestamptz_array;
    static void append(std::string& out, WallTime value) {
        wire::append(out, unix_micros(value) - wire::epoch_us);
    }
    static bool read(Oid type, std::string_view bytes, WallTime& value);
};
template <> struct Wire<Date> {
    static constexpr Oid oid = oid::date, array_oid = oid::date_array;
    static void append(std::string& out, Date value) {
        wire::append(
            out, static_cast<std::int32_t>(value.time_since_epoch().count()) - wire::epoch_days);
    }
    static bool read(Oid type, std::string_view bytes, Date& value);
};

} // namespace holdfast::db
