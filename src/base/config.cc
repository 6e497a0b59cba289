#include "base/config.h"

#include "base/config_file.h"
#include "base/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <ranges>
#include <set>

namespace holdfast {

namespace {

struct TimeUnit {
    std::string_view name;
    Duration length;
};
constexpr TimeUnit time_units[] = {
    {"us", std::chrono::microseconds(1)}, {"ms", std::chrono::milliseconds(1)},
    {"s", std::chrono::seconds(1)},       {"min", std::chrono::minutes(1)},
    {"h", std::chrono::hours(1)},         {"d", std::chrono::days(1)},
};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (const auto part : std::views::split(text, separator)) parts.emplace_back(part);
    return parts;
}

/// How many characters must be put in, taken out or replaced (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

/// " Did you mean x?" when something is near enough to have been meant.
std::string suggestion(std::string_view given, const std::vector<std::string>& known) {
    const std::string* nearest = nullptr;
    std::size_t distance = std::max<std::size_t>(2, given.size() / 3) + 1;
    for (const std::string& name : known) {
        const std::size_t d = edit_distance(given, name);
        if (d < distance) nearest = &name, distance = d;
    }
    return nearest == nullptr ? "" : fmt::format(" Did you mean {}?", *nearest);
}

std::optional<std::int64_t> to_integer(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failure != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

std::string range_text(const ConfigKey& key) {
    const std::string unit = key.unit.empty() ? "" : fmt::format(" {}", key.unit);
    if (key.max == std::numeric_limits<std::int64_t>::max()) {
        return fmt::format("at least {}{}", key.min, unit);
    }
    return fmt::format("{} to {}{}", key.min, key.max, unit);
}

/// The number of a valid value (0 for texts), or why it is not valid.
std::expected<std::int64_t, std::string> validate(const ConfigKey& key, std::string_view text) {
    switch (key.type) {
        case ConfigType::Integer: {
            const auto number = to_integer(text);
            if (!number) return std::unexpected("must be an integer");
            if (*number < key.min || *number > key.max) {
                return std::unexpected("must be " + range_text(key));
            }
            return *number;
        }
        case ConfigType::Boolean:
            if (text != "true" && text != "false") return std::unexpected("must be true or false");
            return text == "true";
        case ConfigType::Choice:
            if (const auto all = split(key.choices, '|');
                std::ranges::find(all, text) == all.end()) {
                return std::unexpected(fmt::format("must be one of {}", key.choices));
            }
            return 0;
        case ConfigType::Text: {
            const auto length = static_cast<std::int64_t>(text.size());
            if (length < key.min || length > key.max) {
                return std::unexpected(fmt::format("must have {} characters", range_text(key)));
            }
            return 0;
        }
        case ConfigType::SecretFile: return 0;
    }
    return 0;
}

/// A table with a mistake in it is a bug of ours, found by the first test that loads it.
void check_schema(ConfigSchema schema) {
    std::set<std::string> spellings;
    for (const ConfigKey& key : schema) {
        CHECK_MSG(!key.name.empty() && !key.doc.empty(), key.name);
        CHECK_MSG(
            key.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") == key.name.npos,
            key.name);
        CHECK_MSG(spellings.insert(config_environment_name(key.name)).second, key.name);
        CHECK_MSG(key.name.ends_with("_file") == (key.type == ConfigType::SecretFile), key.name);
        const auto problem = validate(key, key.fallback);
        CHECK_MSG(problem.has_value(),
                  fmt::format("{}: its default {}", key.name, problem.error()));
    }
}

ConfigFileEntry::Kind kind_in_file(ConfigType type) {
    if (type == ConfigType::Integer) return ConfigFileEntry::Kind::Integer;
    if (type == ConfigType::Boolean) return ConfigFileEntry::Kind::Boolean;
    return ConfigFileEntry::Kind::Text;
}

} // namespace

/// Goes through the sources from the weakest to the strongest and collects what is wrong.
class Config::Loader {
  public:
    Loader(ConfigSchema schema, Config& config) : schema_(schema), config_(config) {}

    void take_defaults() {
        for (const ConfigKey& key : schema_) {
            take(key, std::string(key.fallback), {ConfigSource::Default, "default"});
        }
    }

    void take_file(const std::string& path) {
        if (path.empty()) return;
        auto entries = read_config_file(path);
        if (!entries) return problem(entries.error().code, entries.error().message);
        for (const ConfigFileEntry& entry : *entries) {
            const std::string where = fmt::format("{}:{}", path, entry.line);
            const ConfigKey* key = find(entry.key, std::identity(), where);
            if (key == nullptr) continue;
            if (entry.kind != kind_in_file(key->type)) {
                problem(
                    "config_invalid_value",
                    fmt::format("{}: {} must be {}.", where, key->name,
                                key->type == ConfigType::Integer   ? "an integer, without quotes"
                                : key->type == ConfigType::Boolean ? "true or false, without quotes"
                                                                   : "a text, in quotes"));
                continue;
            }
            take(*key, entry.text, {ConfigSource::File, where});
        }
    }

    void take_environment(const std::map<std::string, std::string>& variables) {
        for (const auto& [name, text] : variables) {
            if (const ConfigKey* key = find(name, config_environment_name, "environment")) {
                take(*key, text, {ConfigSource::Environment, name});
            }
        }
    }

    void take_flags(const std::map<std::string, std::string>& flags) {
        for (const auto& [name, text] : flags) {
            if (const ConfigKey* key = find(name, std::identity(), "command line")) {
                take(*key, text, {ConfigSource::Flag, config_flag(name)});
            }
        }
    }

    Result<void> finish() const {
        if (problems_.empty()) return {};
        return fail(ErrorClass::Invalid, code_, fmt::format("{}", fmt::join(problems_, "\n")));
    }

  private:
    /// The key whose spelling is `name`; when there is none, that is a problem.
    template <class Spelling>
    const ConfigKey* find(const std::string& name, Spelling spelling, std::string_view where) {
        std::vector<std::string> known;
        for (const ConfigKey& key : schema_) {
            known.emplace_back(spelling(key.name));
            if (known.back() == name) return &key;
        }
        problem("config_unknown_key",
                fmt::format("{}: there is no setting {}.{}", where, name, suggestion(name, known)));
        return nullptr;
    }

    void take(const ConfigKey& key, std::string text, ConfigOrigin origin) {
        const auto valid = validate(key, text);
        if (!valid) {
            problem("config_invalid_value", fmt::format("{}: {} {}, not '{}'.", origin.where,
                                                        key.name, valid.error(), text));
            return;
        }
        config_.values_[config_.index(key.name)] = {std::move(text), *valid, std::move(origin)};
    }

    void problem(std::string code, std::string message) {
        if (problems_.empty()) code_ = std::move(code);
        problems_.push_back(std::move(message));
    }

    ConfigSchema schema_;
    Config& config_;
    std::string code_;
    std::vector<std::string> problems_;
};

Result<Config> Config::load(ConfigSchema schema, const ConfigSources& sources) {
    check_schema(schema);
    Config config(schema);
    Loader loader(schema, config);
    loader.take_defaults();
    loader.take_file(sources.file_path);
    loader.take_environment(sources.environment);
    loader.take_flags(sources.flags);
    TRY_VOID(loader.finish());
    return config;
}

std::size_t Config::index(std::string_view name) const {
    const auto found = std::ranges::find(schema_, name, &ConfigKey::name);
    CHECK_MSG(found != schema_.end(), name);
    return static_cast<std::size_t>(found - schema_.begin());
}

const Config::Value& Config::value(std::string_view name, ConfigType type) const {
    const std::size_t at = index(name);
    CHECK_MSG(schema_[at].type == type, name);
    return values_[at];
}

const std::string& Config::text(std::string_view name) const {
    const std::size_t at = index(name);
    const ConfigType type = schema_[at].type;
    CHECK_MSG(type != ConfigType::Integer && type != ConfigType::Boolean, name);
    return values_[at].text;
}

std::int64_t Config::integer(std::string_view name) const {
    return value(name, ConfigType::Integer).number;
}

bool Config::boolean(std::string_view name) const {
    return value(name, ConfigType::Boolean).number != 0;
}

Duration Config::duration(std::string_view name) const {
    const std::string_view unit = schema_[index(name)].unit;
    const auto found = std::ranges::find(time_units, unit, &TimeUnit::name);
    CHECK_MSG(found != std::end(time_units), name);
    return integer(name) * found->length;
}

Result<SecretString> Config::secret(std::string_view name) const {
    const std::string& path = value(name, ConfigType::SecretFile).text;
    if (path.empty()) {
        return fail(ErrorClass::Invalid, "secret_missing",
                    fmt::format("{} must name a file.", name));
    }
    return read_secret_file(path);
}

const ConfigOrigin& Config::origin(std::string_view name) const {
    return values_[index(name)].origin;
}

Result<ConfigChanges> Config::reload(const ConfigSources& sources) {
    TRY(Config fresh, load(schema_, sources));
    ConfigChanges changes;
    for (std::size_t i = 0; i < schema_.size(); ++i) {
        const ConfigKey& key = schema_[i];
        const bool changed = values_[i].text != fresh.values_[i].text;
        if (changed) (key.reloadable ? changes.applied : changes.need_restart).push_back(key.name);
        if (!changed || key.reloadable) values_[i] = std::move(fresh.values_[i]);
    }
    return changes;
}

std::string Config::table() const {
    std::size_t name_width = 0, value_width = 0;
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < schema_.size(); ++i) {
        const ConfigKey& key = schema_[i];
        shown.push_back(values_[i].text.empty() ? "\"\"" : values_[i].text);
        if (!key.unit.empty()) shown.back().append(" ").append(key.unit);
        name_width = std::max(name_width, key.name.size());
        value_width = std::max(value_width, shown.back().size());
    }
    std::string out;
    for (std::size_t i = 0; i < schema_.size(); ++i) {
        out += fmt::format("{:<{}}  {:<{}}  {}\n", schema_[i].name, name_width, shown[i],
                           value_width, values_[i].origin.where);
    }
    return out;
}

std::string config_flag(std::string_view key) {
    std::string flag = "--" + std::string(key);
    for (char& c : flag) {
        if (c == '.' || c == '_') c = '-';
    }
    return flag;
}

std::string config_environment_name(std::string_view key) {
    std::string name = "HOLDFAST_";
    for (const char c : key) {
        name += c == '.' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return name;
}

std::string config_reference(ConfigSchema schema) {
    std::string out =
        "| Key | Default | Allowed | Reload | What it does |\n|---|---|---|---|---|\n";
    for (const ConfigKey& key : schema) {
        std::string allowed;
        switch (key.type) {
            case ConfigType::Integer: allowed = range_text(key); break;
            case ConfigType::Boolean: allowed = "true, false"; break;
            case ConfigType::Choice:
                allowed = fmt::format("{}", fmt::join(split(key.choices, '|'), ", "));
                break;
            case ConfigType::Text: allowed = "text"; break;
            case ConfigType::SecretFile: allowed = "path of a file"; break;
        }
        out += fmt::format("| `{}` | {} | {} | {} | {} |\n", key.name,
                           key.fallback.empty() ? "" : fmt::format("`{}`", key.fallback), allowed,
                           key.reloadable ? "yes" : "restart", key.doc);
    }
    return out;
}

} // namespace holdfast
