#pragma once

// Service: one of the programs that a platform under a drill consists of, and how to find all its
// processes (base/subprocess.h).

#include "base/subprocess.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::drill {

struct Service {
    std::string name, family;
    ProcessName process;
};

/// Of a database server, by decision of who runs it.
enum class Role : std::uint8_t { Primary, Standby };

/// What runs the database servers.
enum class Engine : std::uint8_t { Embedded, Patroni };
constexpr std::string_view to_string(Engine engine) {
    return engine == Engine::Embedded ? "embedded" : "patroni";
}

} // namespace holdfast::drill
