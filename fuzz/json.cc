// JSON of acquirers and webhooks. What is accepted is the same after being written and read again.

#include "base/json.h"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

namespace json = boost::json;

/// Equal but for the last digits of fractions, which Boost.JSON 1.81 does not round correctly and
/// Holdfast does not read.
bool same(const json::value& a, const json::value& b) {
    if (a.is_double() && b.is_double()) {
        return std::abs(a.get_double() - b.get_double()) <= 1e-9 * std::abs(a.get_double());
    }
    if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), same);
    if (!a.is_object() || !b.is_object()) return a == b;
    return std::ranges::equal(a.get_object(), b.get_object(), [](const auto& x, const auto& y) {
        return x.key() == y.key() && same(x.value(), y.value());
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto value = holdfast::parse_json(input);
    if (!value) {
        CHECK(value.error().kind == holdfast::ErrorClass::Invalid);
        return 0;
    }
    const auto again = holdfast::parse_json(holdfast::to_json(*value), {.bytes_max = 64 << 20});
    CHECK(again.has_value());
    CHECK(same(*again, *value));
    (void)holdfast::json_integer(*value, "amount");
    (void)holdfast::json_text(*value, "id");
    (void)holdfast::json_bool(*value, "live");
    (void)holdfast::json_optional_text(*value, "note");
    return 0;
}
