#pragma once

// How the values of core travel to and from PostgreSQL, beside what db/wire.h knows: enumerators
// and currencies are text, spelled as in core/names.h, so that people can read the tables. A name
// that this build does not know does not read (result_mismatch): a newer build has written it.

#include "core/names.h"
#include "db/wire.h"

namespace holdfast::db {

template <core::Named Enum> struct Wire<Enum> {
    static constexpr Oid oid = oid::text, array_oid = oid::text_array;
    static void append(std::string& out, Enum value) { out += core::to_string(value); }
    static bool read(Oid type, std::string_view bytes, Enum& value) {
        const auto named = core::parse_name<Enum>(bytes);
        if (type != oid || !named) return false;
        value = *named;
        return true;
    }
};

template <> struct Wire<core::Currency> {
    static constexpr Oid oid = oid::text, array_oid = oid::text_array;
    static void append(std::string& out, core::Currency value) { out += value.code(); }
    static bool read(Oid type, std::string_view bytes, core::Currency& value) {
        const auto currency = core::Currency::parse(bytes);
        if (type != oid || !currency) return false;
        value = *currency;
        return true;
    }
};

} // namespace holdfast::db

namespace holdfast::store {

/// NULL in the database is a nil id here.
template <class T> std::optional<Id<T>> null_if_nil(const Id<T>& id) {
    return id ? std::optional(id) : std::nullopt;
}
inline std::optional<Uuid> null_if_nil(const Uuid& id) {
    return id.is_nil() ? std::nullopt : std::optional(id);
}
/// NULL in the database is the enumerator None here.
template <core::Named Enum> std::optional<Enum> null_if_none(Enum value) {
    return value == Enum::None ? std::nullopt : std::optional(value);
}

} // namespace holdfast::store
