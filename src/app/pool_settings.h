#pragma once

// PoolSettings: db.pool_min and db.pool_max as changed at run time (`holdfast pool`), in one file,
// DATA/pool.json, which every process of the platform follows (pool_follower.h).
//
//   configured   what the configuration says; `up` writes it down at each start
//   chosen       what was chosen at run time instead, if anything was
//   trial        what one process tries out, and on whose behalf
//
// The file is replaced whole and durably, so there is no state in between: `chosen` holds in every
// process or in none, also after a restart, until the configuration says something else than it
// did when the choice was made: who spoke last is heard. A trial holds only in the very process
// that it names (pid and start time), while the command that began it lives, and for no longer
// than it says itself: whoever of them dies, the settings before it hold.
//
// Who may write to the data directory may change it; there is no other way in.
//
//   TRY(PoolSettings settings, load_pool_settings(path));
//   PoolSize size = size_in_force(settings, self, {.conductor_lives = true, .in_time = true});

#include "app/settings.h"
#include "base/result.h"
#include "base/subprocess.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::app {

/// db.pool_min and db.pool_max.
struct PoolSize {
    std::int64_t min = 0, max = 0;
    bool operator==(const PoolSize&) const = default;
};
/// "db.pool_min 2, db.pool_max 8"
std::string to_string(const PoolSize& size);

PoolSize configured_pool(const Config& config);
/// What the configuration would refuse. Error Invalid "config_invalid_value".
Result<void> check_pool(const PoolSize& size);

struct PoolTrial {
    PoolSize size;
    ProcessName process;   ///< who tries it out
    ProcessName conductor; ///< the command that began it
    Duration lasts{};      ///< from when `process` has seen it
    bool operator==(const PoolTrial&) const = default;
};

struct PoolSettings {
    PoolSize configured;
    std::optional<PoolSize> chosen;
    std::optional<PoolTrial> trial;
    /// What holds, but for a trial.
    PoolSize everywhere() const { return chosen.value_or(configured); }
    bool operator==(const PoolSettings&) const = default;
};

inline constexpr std::string_view pool_settings_name = "pool.json"; ///< in the data directory

/// Errors: NotFound "pool_settings_missing"; Invalid "pool_settings_invalid".
Result<PoolSettings> load_pool_settings(const std::string& path);
Result<void> store_pool_settings(const std::string& path, const PoolSettings& settings);

/// At a start with this configuration: trials are over, and a choice holds only if it was made
/// under the same one.
PoolSettings settled(const PoolSettings& before, const PoolSize& configured);

/// Makes the file so, whatever was there, and says what becomes of a choice.
Result<void> settle_pool_settings(const std::string& path, const PoolSize& configured,
                                  const std::function<void(std::string_view)>& say);

/// What a process sees of a trial of its own.
struct TrialFacts {
    bool conductor_lives = false;
    bool in_time = false; ///< it has not lasted longer than it may
};
bool on_trial(const PoolSettings& settings, const ProcessName& self, const TrialFacts& facts);
PoolSize size_in_force(const PoolSettings& settings, const ProcessName& self,
                       const TrialFacts& facts);

} // namespace holdfast::app
