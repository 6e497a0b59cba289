#pragma once

// Settings: what an operator can set, in one table (base/config.h): flags > environment
// (HOLDFAST_*) > --config FILE > default. `holdfast config show --origin` prints what holds and
// why; docs/reference/config.md is generated from the same table.
//
// `up` hands what was set on to the processes it starts, as flags.

#include "base/config.h"

#include <map>
#include <string>
#include <vector>

namespace holdfast::app {

ConfigSchema settings_schema();

/// What the command line said.
struct SettingsInput {
    std::string file; ///< --config
    std::map<std::string, std::string> flags;
};

Result<Config> load_settings(const SettingsInput& input);
/// Everything that is not a default, as flags for another process.
std::vector<std::string> settings_as_flags(const Config& config);

} // namespace holdfast::app
