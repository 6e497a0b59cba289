#include "gateway/fault_json.h"

#include "base/json.h"
#include "base/json_writer.h"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>

namespace holdfast::gateway {

namespace {

namespace json = boost::json;

constexpr std::int64_t delay_ms_max = 10 * 60 * 1000;

std::unexpected<Error> refuse(std::string_view param, std::string message) {
    return fail({.kind = ErrorClass::Invalid,
                 .code = "fault_plan",
                 .message = std::move(message),
                 .param = std::string(param)});
}

template <std::size_t n>
std::optional<std::size_t> index_of(const std::array<std::string_view, n>& names,
                                    std::string_view name) {
    auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names.begin());
}

Result<std::int32_t> read_probability(const json::value& value) {
    double probability = -1;
    if (value.is_double())
        probability = value.get_double();
    else if (value.is_int64())
        probability = static_cast<double>(value.get_int64());
    if (probability < 0 || probability > 1) {
        return refuse("probability", "probability is a number from 0 to 1.");
    }
    return static_cast<std::int32_t>(std::lround(probability * certain_ppm));
}

Result<std::array<bool, call_kinds>> read_calls(const json::value& value) {
    std::array<bool, call_kinds> calls{};
    if (!value.is_array()) return refuse("calls", "calls is a list of names.");
    for (const json::value& element : value.get_array()) {
        const json::string* name = element.if_string();
        auto index = name ? index_of(call_names, *name) : std::nullopt;
        if (!index) return refuse("calls", "calls are: execute, inquire, reverse.");
        calls[*index] = true;
    }
    return calls;
}

Result<FaultMode> read_mode(const json::value& value) {
    if (!value.is_object()) return refuse("modes", "A mode is an object.");
    FaultMode mode{.probability_ppm = certain_ppm};
    std::optional<std::int64_t> delay_max_ms;
    std::int64_t delay_ms = 0;
    for (const auto& [key, member] : value.get_object()) {
        if (key == "probability") {
            TRY(mode.probability_ppm, read_probability(member));
        } else if (key == "count") {
            TRY(std::int64_t count, json_integer(value, "count", 0));
            mode.count = static_cast<std::uint64_t>(count);
        } else if (key == "delay_ms") {
            TRY(delay_ms, json_integer(value, "delay_ms", 0, delay_ms_max));
        } else if (key == "delay_max_ms") {
            TRY(delay_max_ms, json_integer(value, "delay_max_ms", 0, delay_ms_max));
        } else if (key == "calls") {
            TRY(mode.calls, read_calls(member));
        } else {
            return refuse(key, "A mode has probability, count, delay_ms, delay_max_ms and calls.");
        }
    }
    mode.delay_min = std::chrono::milliseconds{delay_ms};
    mode.delay_max = std::chrono::milliseconds{delay_max_ms.value_or(delay_ms)};
    if (mode.delay_max < mode.delay_min) {
        return refuse("delay_max_ms", "delay_max_ms is not below delay_ms.");
    }
    return mode;
}

void write_mode(JsonWriter& w, const FaultMode& mode, std::uint64_t hits) {
    const auto ms = [](Duration d) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    };
    w.begin_object();
    w.key("probability");
    json::value probability = static_cast<double>(mode.probability_ppm) / certain_ppm;
    w.raw(to_json(probability));
    if (mode.count) w.field("count", *mode.count);
    w.field("delay_ms", ms(mode.delay_min));
    w.field("delay_max_ms", ms(mode.delay_max));
    w.key("calls");
    w.begin_array();
    for (std::size_t i = 0; i < call_kinds; ++i) {
        if (mode.calls[i]) w.value(call_names[i]);
    }
    w.end_array();
    w.field("hits", hits);
    w.end_object();
}

} // namespace

Result<FaultPlan> parse_fault_plan(std::string_view text) {
    TRY(json::value value, parse_json(text));
    if (!value.is_object()) return refuse("", "A fault plan is an object.");
    FaultPlan plan;
    for (const auto& [key, member] : value.get_object()) {
        if (key == "seed") {
            TRY(std::int64_t seed, json_integer(value, "seed", 0));
            plan.seed = static_cast<std::uint64_t>(seed);
        } else if (key == "modes") {
            if (!member.is_object()) return refuse("modes", "modes is an object.");
            for (const auto& [name, mode] : member.get_object()) {
                auto index = index_of(fault_names, name);
                if (!index) return refuse(name, "There is no such fault mode.");
                TRY(plan.modes[*index], read_mode(mode));
            }
        } else {
            return refuse(key, "A fault plan has seed and modes.");
        }
    }
    return plan;
}

std::string render_fault_plan(const FaultInjector& faults) {
    JsonWriter w;
    w.begin_object();
    w.field("seed", faults.plan().seed);
    w.key("modes");
    w.begin_object();
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        if (faults.plan().modes[i].probability_ppm == 0) continue;
        w.key(fault_names[i]);
        write_mode(w, faults.plan().modes[i], faults.hits()[i]);
    }
    w.end_object();
    w.end_object();
    return std::move(w).take();
}

} // namespace holdfast::gateway
