#include "app/pool_settings.h"

#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <unistd.h>

namespace holdfast::app {
namespace {

constexpr std::string_view min_key = "db.pool_min", max_key = "db.pool_max";
constexpr int file_mode = 0644; ///< no secret; the directory keeps others out

using boost::json::value;

void write_size(JsonWriter& w, const PoolSize& size) {
    w.field("min", size.min);
    w.field("max", size.max);
}

void write_process(JsonWriter& w, std::string_view name, const ProcessName& process) {
    w.key(name);
    w.begin_object();
    w.field("pid", process.pid);
    w.field("start_ticks", process.start_ticks);
    w.end_object();
}

Result<PoolSize> read_size(const value& json) {
    PoolSize size;
    TRY(size.min, json_integer(json, "min"));
    TRY(size.max, json_integer(json, "max"));
    TRY_VOID(check_pool(size));
    return size;
}

Result<const value*> member(const value& json, std::string_view name) {
    const value* found = json_find(json, name);
    if (!found) return fail(ErrorClass::Invalid, "json_field", fmt::format("{} is missing", name));
    return found;
}

Result<ProcessName> read_process(const value& json, std::string_view name) {
    TRY(const value* found, member(json, name));
    TRY(const std::int64_t pid, json_integer(*found, "pid", 1));
    TRY(const std::int64_t ticks, json_integer(*found, "start_ticks", 0));
    return ProcessName{static_cast<pid_t>(pid), static_cast<std::uint64_t>(ticks)};
}

Result<PoolSettings> parse(std::string_view text) {
    TRY(const auto json, parse_json(text));
    PoolSettings settings;
    TRY(const value* configured, member(json, "configured"));
    TRY(settings.configured, read_size(*configured));
    if (const value* chosen = json_find(json, "chosen")) {
        TRY(settings.chosen, read_size(*chosen));
    }
    if (const value* trial = json_find(json, "trial")) {
        PoolTrial read;
        TRY(read.size, read_size(*trial));
        TRY(read.process, read_process(*trial, "process"));
        TRY(read.conductor, read_process(*trial, "conductor"));
        TRY(const std::int64_t lasts, json_integer(*trial, "lasts_ms", 0));
        read.lasts = std::chrono::milliseconds{lasts};
        settings.trial = read;
    }
    return settings;
}

} // namespace

std::string to_string(const PoolSize& size) {
    return fmt::format("{} {}, {} {}", min_key, size.min, max_key, size.max);
}

PoolSize configured_pool(const Config& config) {
    return {.min = config.integer(min_key), .max = config.integer(max_key)};
}

Result<void> check_pool(const PoolSize& size) {
    const auto invalid = [](std::string message) {
        return fail(ErrorClass::Invalid, "config_invalid_value", std::move(message));
    };
    for (const ConfigKey& key : settings_schema()) {
        if (key.name != min_key && key.name != max_key) continue;
        const std::int64_t given = key.name == min_key ? size.min : size.max;
        if (given < key.min || given > key.max)
            return invalid(
                fmt::format("{} must be {} to {}, not {}", key.name, key.min, key.max, given));
    }
    if (size.min <= size.max) return {};
    return invalid(fmt::format("{} {} is more than {} {}", min_key, size.min, max_key, size.max));
}

Result<PoolSettings> load_pool_settings(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0)
        return fail(ErrorClass::NotFound, "pool_settings_missing",
                    fmt::format("there is no {}; it is made by `holdfast up`", path));
    TRY(const std::string text, read_file(path));
    auto settings = parse(text);
    if (settings) return settings;
    return fail(ErrorClass::Invalid, "pool_settings_invalid",
                fmt::format("{}: {}; the next start of `holdfast up` makes it anew", path,
                            settings.error().message));
}

Result<void> store_pool_settings(const std::string& path, const PoolSettings& settings) {
    JsonWriter w(256);
    w.begin_object();
    w.key("configured");
    w.begin_object();
    write_size(w, settings.configured);
    w.end_object();
    if (settings.chosen) {
        w.key("chosen");
        w.begin_object();
        write_size(w, *settings.chosen);
        w.end_object();
    }
    if (settings.trial) {
        w.key("trial");
        w.begin_object();
        write_size(w, settings.trial->size);
        write_process(w, "process", settings.trial->process);
        write_process(w, "conductor", settings.trial->conductor);
        w.field(
            "lasts_ms",
            std::chrono::duration_cast<std::chrono::milliseconds>(settings.trial->lasts).count());
        w.end_object();
    }
    w.end_object();
    return write_file_durably(path, std::move(w).take() + "\n", file_mode);
}

PoolSettings settled(const PoolSettings& before, const PoolSize& configured) {
    PoolSettings now{.configured = configured};
    if (before.configured == configured) now.chosen = before.chosen;
    return now;
}

Result<void> settle_pool_settings(const std::string& path, const PoolSize& configured,
                                  const std::function<void(std::string_view)>& say) {
    const auto before = load_pool_settings(path);
    const PoolSettings now =
        before ? settled(*before, configured) : PoolSettings{.configured = configured};
    if (!before && before.error().code != "pool_settings_missing") say(before.error().message);
    if (now.chosen)
        say(fmt::format("{}, as chosen at run time; the configuration says {}",
                        to_string(*now.chosen), to_string(configured)));
    else if (before && before->chosen)
        say(fmt::format("the configuration says {} now, which ends {}, chosen at run time",
                        to_string(configured), to_string(*before->chosen)));
    return store_pool_settings(path, now);
}

bool on_trial(const PoolSettings& settings, const ProcessName& self, const TrialFacts& facts) {
    return settings.trial && settings.trial->process == self && facts.conductor_lives &&
           facts.in_time;
}

PoolSize size_in_force(const PoolSettings& settings, const ProcessName& self,
                       const TrialFacts& facts) {
    return on_trial(settings, self, facts) ? settings.trial->size : settings.everywhere();
}

} // namespace holdfast::app
