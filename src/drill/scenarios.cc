#include "drill/scenario.h"

#include <fmt/format.h>

namespace holdfast::drill {

std::vector<const Scenario*> all_scenarios() {
    std::vector<const Scenario*> all;
    for (const auto family : {outage_scenarios(), process_scenarios(), database_scenarios(),
                              disk_scenarios(), network_scenarios()})
        for (const Scenario& scenario : family) all.push_back(&scenario);
    return all;
}

Result<const Scenario*> find_scenario(std::string_view name) {
    std::string names;
    for (const Scenario* scenario : all_scenarios()) {
        if (scenario->name == name) return scenario;
        names.append(names.empty() ? "" : ", ").append(scenario->name);
    }
    return fail(ErrorClass::NotFound, "drill_unknown",
                fmt::format("there is no drill {}; there are: {}", name, names));
}

} // namespace holdfast::drill
