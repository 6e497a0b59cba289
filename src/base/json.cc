#include "base/json.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <cmath>

namespace holdfast {

namespace json = boost::json;

namespace {

std::unexpected<Error> bad_field(std::string_view field, std::string_view expected) {
    return fail(Error{.kind = ErrorClass::Invalid,
                      .code = "json_field",
                      .message = fmt::format("The field {} must be {}.", field, expected),
                      .param = std::string(field)});
}

/// What Boost.JSON accepts and we don't: NUL inside texts, and 1e400, which it reads as infinity.
bool clean(const json::value& value) {
    switch (value.kind()) {
        case json::kind::string: return !std::string_view(value.get_string()).contains('\0');
        case json::kind::array:
            for (const json::value& element : value.get_array()) {
                if (!clean(element)) return false;
            }
            return true;
        case json::kind::object:
            for (const auto& [key, member] : value.get_object()) {
                if (std::string_view(key).contains('\0') || !clean(member)) return false;
            }
            return true;
        case json::kind::double_: return std::isfinite(value.get_double());
        default: return true;
    }
}

} // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.bytes_max) {
        return fail(ErrorClass::Invalid, "json_limit",
                    fmt::format("JSON may take at most {} bytes here.", limits.bytes_max));
    }
    json::parse_options options;
    options.max_depth = limits.depth_max;
    json::stream_parser parser({}, options);
    json::error_code problem;
    const std::size_t read = parser.write_some(text.data(), text.size(), problem);
    if (!problem && read < text.size()) problem = json::error::extra_data;
    if (!problem) parser.finish(problem);
    if (problem) {
        const bool deep = problem == json::error::too_deep;
        return fail(ErrorClass::Invalid, deep ? "json_limit" : "json_invalid",
                    fmt::format("Not valid JSON near byte {}: {}.", read, problem.message()));
    }
    json::value value = parser.release();
    if (!clean(value)) {
        return fail(ErrorClass::Invalid, "json_invalid",
                    "A text contains NUL, or a number is too large.");
    }
    return value;
}

std::string to_json(const json::value& value) { return json::serialize(value); }

const json::value* json_find(const json::value& value, std::string_view field) {
    const json::object* object = value.if_object();
    return object == nullptr ? nullptr : object->if_contains(field);
}

Result<std::int64_t> json_integer(const json::value& value, std::string_view field,
                                  std::int64_t min, std::int64_t max) {
    const json::value* member = json_find(value, field);
    // Above 2^63 Boost.JSON holds a uint64, which is out of every range here.
    const std::int64_t* number = member == nullptr ? nullptr : member->if_int64();
    if (number == nullptr) return bad_field(field, "an integer");
    if (*number < min || *number > max) {
        return bad_field(field, fmt::format("between {} and {}", min, max));
    }
    return *number;
}

Result<std::string> json_text(const json::value& value, std::string_view field) {
    const json::value* member = json_find(value, field);
    if (member == nullptr || !member->is_string()) return bad_field(field, "text");
    return std::string(member->get_string());
}

Result<bool> json_bool(const json::value& value, std::string_view field) {
    const json::value* member = json_find(value, field);
    if (member == nullptr || !member->is_bool()) return bad_field(field, "true or false");
    return member->get_bool();
}

Result<std::optional<std::string>> json_optional_text(const json::value& value,
                                                      std::string_view field) {
    const json::value* member = json_find(value, field);
    if (member == nullptr || member->is_null()) return std::nullopt;
    if (!member->is_string()) return bad_field(field, "text or null");
    return std::string(member->get_string());
}

} // namespace holdfast
