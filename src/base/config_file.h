#pragma once

// The file of base/config.h: TOML, flattened to dotted keys. Only texts, integers and truth values
// are values here. Everything about toml++ stays in config_file.cc, which takes seconds to compile.

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

struct ConfigFileEntry {
    enum class Kind : std::uint8_t { Text, Integer, Boolean };
    std::string key; ///< section.name
    std::string text;
    Kind kind = Kind::Text;
    std::uint32_t line = 0;
};

/// Errors: "config_file" when it can't be read or is not TOML of that kind.
Result<std::vector<ConfigFileEntry>> read_config_file(const std::string& path);

} // namespace holdfast
