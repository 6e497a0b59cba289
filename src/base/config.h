#pragma once

// Config: what an operator can set, from flags > environment > file > default.
//
// One table declares every key; what is not in it is an error with the nearest name suggested, in
// the file, in the environment (HOLDFAST_*) and on the command line alike. A key has one name in
// three spellings: db.pool_max, HOLDFAST_DB_POOL_MAX, --db-pool-max; in the TOML file the part
// before the dot is the section.
//
//   constexpr ConfigKey schema[] = {
//       {.name = "db.pool_max", .type = ConfigType::Integer, .fallback = "16",
//        .min = 2, .max = 500, .unit = "connections", .doc = "Most connections of one process."},
//       {.name = "api.id_secret_file", .type = ConfigType::SecretFile, .doc = "Key of all ids."},
//   };
//   TRY(auto config, Config::load(schema, sources));
//   config.integer("db.pool_max");
//
// Values are validated when loaded, all of them, and every problem is reported at once; after that
// readers can't fail. Reading a key that is not in the table, or as another type, is a broken
// invariant. Secrets are never values: a SecretFile key holds the path of a file (base/files.h).
//
// reload() applies what changed to the keys that allow it and names the others. The loop's thread.
//
// Errors: kind Invalid, config_unknown_key, config_invalid_value, config_file.

#include "base/env.h"
#include "base/secret.h"

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class ConfigType : std::uint8_t {
    Text,
    Integer,
    Boolean,    ///< true or false
    Choice,     ///< one of `choices`
    SecretFile, ///< the name ends in _file
};

struct ConfigKey {
    std::string_view name;
    ConfigType type = ConfigType::Text;
    std::string_view fallback; ///< as one would write it
    std::int64_t min = 0;      ///< of an Integer; of a Text, its length
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string_view choices; ///< a|b|c
    std::string_view unit;    ///< of an Integer; us, ms, s, min, h and d make it a duration()
    std::string_view doc;
    bool reloadable = false;
};
using ConfigSchema = std::span<const ConfigKey>;

/// What the sources say, as text. `environment` holds full names, `flags` those of keys.
struct ConfigSources {
    std::map<std::string, std::string> flags;
    std::map<std::string, std::string> environment;
    std::string file_path; ///< empty: no file; else it must exist
};

enum class ConfigSource : std::uint8_t { Default, File, Environment, Flag };

struct ConfigOrigin {
    ConfigSource source = ConfigSource::Default;
    std::string where; ///< "holdfast.toml:12", "HOLDFAST_DB_POOL_MAX", "--db-pool-max", "default"
};

struct ConfigChanges {
    std::vector<std::string_view> applied;
    std::vector<std::string_view> need_restart; ///< not reloadable: the old value still holds
};

class Config {
  public:
    /// `schema` outlives the Config.
    static Result<Config> load(ConfigSchema schema, const ConfigSources& sources);

    const std::string& text(std::string_view name) const; ///< Text, Choice or SecretFile
    std::int64_t integer(std::string_view name) const;
    bool boolean(std::string_view name) const;
    Duration duration(std::string_view name) const; ///< an Integer with a unit of time
    /// The content of a SecretFile; Error "secret_missing" when no path is set.
    Result<SecretString> secret(std::string_view name) const;

    const ConfigOrigin& origin(std::string_view name) const;
    bool is_default(std::string_view name) const {
        return origin(name).source == ConfigSource::Default;
    }
    /// Reads the sources again. On an error nothing has changed.
    Result<ConfigChanges> reload(const ConfigSources& sources);

    /// Key, value, unit, origin: for `config show`.
    std::string table() const;

  private:
    struct Value {
        std::string text;
        std::int64_t number = 0; ///< of an Integer; 0 or 1 of a Boolean
        ConfigOrigin origin;
    };
    class Loader;

    explicit Config(ConfigSchema schema) : schema_(schema), values_(schema.size()) {}
    std::size_t index(std::string_view name) const;
    const Value& value(std::string_view name, ConfigType type) const;

    ConfigSchema schema_;
    std::vector<Value> values_; ///< in the schema's order
};

std::string config_flag(std::string_view key);             ///< db.pool_max -> --db-pool-max
std::string config_environment_name(std::string_view key); ///< db.pool_max -> HOLDFAST_DB_POOL_MAX
/// The schema as a Markdown table, for docs/reference.
std::string config_reference(ConfigSchema schema);

} // namespace holdfast
