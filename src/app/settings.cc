#include "app/settings.h"

#include "base/env.h"
#include "base/journal.h"
#include "guard/doctor_rules.h"

#include <fmt/format.h>

namespace holdfast::app {
namespace {

constexpr std::int64_t kib = 1024;

constexpr ConfigKey schema[] = {
    {.name = "log.level",
     .type = ConfigType::Choice,
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .doc = "Events below this level are kept in memory only."},
    {.name = "api.request_timeout",
     .type = ConfigType::Integer,
     .fallback = "30",
     .min = 1,
     .max = 75,
     .unit = "s",
     .doc = "Time for one request; below the 80 s after which Stripe's clients give up."},
    {.name = "api.connections_max",
     .type = ConfigType::Integer,
     .fallback = "4096",
     .min = 16,
     .max = 65'536,
     .unit = "connections",
     .doc = "Open HTTP connections of one process."},
    {.name = "api.connections_per_address",
     .type = ConfigType::Integer,
     .fallback = "1024",
     .min = 1,
     .max = 65'536,
     .unit = "connections",
     .doc =
         "Open HTTP connections of one client address, of IPv6 a /64; behind a proxy all are its."},
    {.name = "api.payments_max",
     .type = ConfigType::Integer,
     .fallback = "5000",
     .min = 10,
     .max = 100'000,
     .unit = "requests",
     .doc = "Requests that move money under way in one process; beyond it 503."},
    {.name = "api.checkouts_max",
     .type = ConfigType::Integer,
     .fallback = "1000",
     .min = 10,
     .max = 100'000,
     .unit = "requests",
     .doc = "Requests of checkouts under way; fewer while this process is late."},
    {.name = "api.browse_max",
     .type = ConfigType::Integer,
     .fallback = "256",
     .min = 10,
     .max = 100'000,
     .unit = "requests",
     .doc = "Other requests under way; while this process is late they are the first to go."},
    {.name = "api.rate_limit_live",
     .type = ConfigType::Integer,
     .fallback = "10000",
     .min = 1,
     .max = 1'000'000,
     .unit = "requests/s",
     .doc = "Of one live key to one process, for each urgency; beyond it 429."},
    {.name = "api.rate_limit_test",
     .type = ConfigType::Integer,
     .fallback = "5000",
     .min = 1,
     .max = 1'000'000,
     .unit = "requests/s",
     .doc = "The same of one test key."},
    {.name = "api.wrong_keys_per_second",
     .type = ConfigType::Integer,
     .fallback = "10",
     .min = 1,
     .max = 100'000,
     .unit = "requests/s",
     .doc = "Requests without a valid key from one address; beyond it 429."},
    {.name = "db.pool_min",
     .type = ConfigType::Integer,
     .fallback = "2",
     .min = 1,
     .max = 500,
     .unit = "connections",
     .doc = "Database connections for reads that one process may use at least at the same time, "
            "as far as the server has them. `holdfast pool set` changes it at run time."},
    {.name = "db.pool_max",
     .type = ConfigType::Integer,
     .fallback = "8",
     .min = 2,
     .max = 500,
     .unit = "connections",
     .doc = "Most of them, and most that are open; what the server can do and its share of the "
            "server's connections may allow fewer. Its lanes have their own. `holdfast pool set` "
            "changes it at run time."},
    {.name = "db.hold",
     .type = ConfigType::Integer,
     .fallback = "8",
     .min = 1,
     .max = 60,
     .unit = "s",
     .doc = "So long a request waits for a database that is away; then stand-in takes it or it is "
            "refused."},
    {.name = "stand_in.unauthorized_max",
     .type = ConfigType::Integer,
     .fallback = "1000",
     .min = 0,
     .max = 50'000,
     .unit = "payments",
     .doc = "Payments of one process without their issuer's word, accepted under the floor limits "
            "of their accounts."},
    {.name = "processor.lanes",
     .type = ConfigType::Integer,
     .fallback = "2",
     .min = 1,
     .max = 8,
     .unit = "batches",
     .doc = "Batches under way at the same time in one process."},
    {.name = "processor.batch_max",
     .type = ConfigType::Integer,
     .fallback = "512",
     .min = 1,
     .max = 4096,
     .unit = "commands",
     .doc = "Most commands that share one commit."},
    {.name = "processor.queue_max",
     .type = ConfigType::Integer,
     .fallback = "20000",
     .min = 100,
     .max = 1'000'000,
     .unit = "commands",
     .doc = "Commands that may wait for a batch; beyond it requests are refused with 503."},
    {.name = "processor.log_segment",
     .type = ConfigType::Integer,
     .fallback = "8192",
     .min = segment_bytes_min / kib,
     .max = segment_bytes_max / kib,
     .unit = "KiB",
     .doc = "So much of its disk the command log takes at a time, before it needs it; a disk that "
            "has less free refuses stand-in, not what was accepted."},
    {.name = "acquirer.timeout",
     .type = ConfigType::Integer,
     .fallback = "10",
     .min = 1,
     .max = 14,
     .unit = "s",
     .doc = "Time for one call to the acquirer; then its outcome is unknown and asked for."},
    {.name = "acquirer.retry_percent",
     .type = ConfigType::Integer,
     .fallback = "20",
     .min = 0,
     .max = 100,
     .unit = "%",
     .doc = "Calls to the acquirer that may be repeats, per hundred; ten a second always may."},
    {.name = "doctor.allow",
     .type = ConfigType::Text,
     .fallback = "",
     .max = 2'000,
     .doc = "Rules of the doctor, with commas, that don't refuse a start though they fail; each is "
            "logged."},
};

} // namespace

ConfigSchema settings_schema() { return schema; }

Result<Config> load_settings(const SettingsInput& input) {
    ConfigSources sources;
    sources.flags = input.flags;
    sources.file_path = input.file;
    sources.environment = environment_variables("HOLDFAST_");
    TRY(Config config, Config::load(schema, sources));
    if (auto allowed = guard::parse_rules(config.text("doctor.allow")); !allowed)
        return fail(ErrorClass::Invalid, "config_invalid_value",
                    fmt::format("doctor.allow ({}): {}", config.origin("doctor.allow").where,
                                allowed.error().message));
    if (config.integer("db.pool_min") > config.integer("db.pool_max"))
        return fail(ErrorClass::Invalid, "config_invalid_value",
                    fmt::format("db.pool_min {} ({}) is more than db.pool_max {} ({})",
                                config.integer("db.pool_min"), config.origin("db.pool_min").where,
                                config.integer("db.pool_max"), config.origin("db.pool_max").where));
    return config;
}

std::vector<std::string> settings_as_flags(const Config& config) {
    std::vector<std::string> flags;
    for (const ConfigKey& key : schema) {
        if (config.is_default(key.name)) continue;
        flags.push_back(config_flag(key.name));
        flags.push_back(key.type == ConfigType::Integer ? std::to_string(config.integer(key.name))
                                                        : config.text(key.name));
    }
    return flags;
}

} // namespace holdfast::app
