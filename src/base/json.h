#pragma once

// JSON in: bounded parsing and checked reads over Boost.JSON. For JSON out see base/json_writer.h.
//
//   TRY(auto value, parse_json(body));
//   TRY(std::int64_t amount, json_integer(value, "amount"));
//
// Money never passes through a floating-point number: json_integer() takes integers only, and
// 10.0 or 1e3 are refused like text.
//
// Limits: JsonLimits; nothing deeper or longer is built. Errors: kind Invalid, "json_invalid" with
// the position, "json_limit", "json_field" with `param` set to the field.

#include "base/result.h"

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

struct JsonLimits {
    std::size_t bytes_max = 1 << 20;
    std::size_t depth_max = 32;
};

/// Strict RFC 8259, UTF-8 checked, texts without NUL; of a repeated key the last one counts.
Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits = {});
std::string to_json(const boost::json::value& value);

// Fields of an object. `value` may be anything; a field of another type is an error.
Result<std::int64_t> json_integer(const boost::json::value& value, std::string_view field,
                                  std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                                  std::int64_t max = std::numeric_limits<std::int64_t>::max());
Result<std::string> json_text(const boost::json::value& value, std::string_view field);
Result<bool> json_bool(const boost::json::value& value, std::string_view field);
/// Absent and null are the same: empty.
Result<std::optional<std::string>> json_optional_text(const boost::json::value& value,
                                                      std::string_view field);
/// The member, or null when `value` is no object or has none of that name.
const boost::json::value* json_find(const boost::json::value& value, std::string_view field);

} // namespace holdfast
