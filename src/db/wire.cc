#include "db/wire.h"

#include <limits>

namespace holdfast::db {

bool wire::read_integer(Oid type, std::string_view bytes, std::size_t max_size,
                        std::int64_t& value) {
    if (bytes.size() > max_size) return false;
    if (type == oid::int8 && bytes.size() == 8)
        value = load<std::int64_t>(bytes.data());
    else if (type == oid::int4 && bytes.size() == 4)
        value = load<std::int32_t>(bytes.data());
    else if (type == oid::int2 && bytes.size() == 2)
        value = load<std::int16_t>(bytes.data());
    else
        return false;
    return true;
}

bool Wire<std::string_view>::read(Oid type, std::string_view bytes, std::string_view& value) {
    switch (type) {
        case oid::text:
        case oid::bytea:
        case oid::varchar:
        case oid::bpchar:
        case oid::name:
        case oid::json: value = bytes; return true;
        case oid::jsonb:
            if (bytes.empty() || bytes[0] != Wire<Jsonb>::version) return false;
            value = bytes.substr(1);
            return true;
        default: return false;
    }
}

bool Wire<WallTime>::read(Oid type, std::string_view bytes, WallTime& value) {
    if (type != oid || bytes.size() != 8) return false;
    const auto us = wire::load<std::int64_t>(bytes.data());
    // The extremes stand for infinity; what adding the epoch would overflow is millennia away.
    constexpr auto highest = std::numeric_limits<std::int64_t>::max();
    if (us == std::numeric_limits<std::int64_t>::min() || us > highest - wire::epoch_us) {
        return false;
    }
    value = wall_from_micros(us + wire::epoch_us);
    return true;
}

bool Wire<Date>::read(Oid type, std::string_view bytes, Date& value) {
    if (type != oid || bytes.size() != 4) return false;
    const auto days = wire::load<std::int32_t>(bytes.data());
    constexpr auto highest = std::numeric_limits<std::int32_t>::max();
    if (days == std::numeric_limits<std::int32_t>::min() || days > highest - wire::epoch_days) {
        return false;
    }
    value = Date{std::chrono::days{days + wire::epoch_days}};
    return true;
}

} // namespace holdfast::db
