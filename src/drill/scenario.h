#pragma once

// Scenario: one drill as a small table: what happens when, what the platform needs for it, what is
// expected, and, for the five outages that Holdfast was built against, what they cost.
//
// Steps happen at their time after the load's begin, one after the other; one that takes longer
// delays the next. The step marked Blow is when the fault strikes: recovery counts from there. Each
// family is a source of its own (scenarios_*.cc); a new scenario is a table there, a line in its
// list, and whatever act it lacks in faults.h.
//
// --quick runs the same steps with all times divided by quick_divisor: the same fault, shorter.
//
// A scenario at a share of the capacity (`of_capacity`) finds out before its load begins what this
// machine carries: trial_shoppers buy for trial_length, each again as soon as he was told the end,
// and nobody looks. How many were told in a second, of the last two thirds of that time, is the
// capacity of whatever is hit (with --unprotected, of the ordinary design), with the load generator
// on the same cores. The witnesses are asked about these purchases too. A rate that is given is
// taken as it is.

#include "drill/figures.h"
#include "drill/ordinary.h"
#include "drill/stage.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace holdfast::drill {

inline constexpr int quick_divisor = 3;
inline constexpr int trial_shoppers = 64;
inline constexpr Duration trial_length = std::chrono::seconds{15};

struct Step {
    Duration at;
    const char* what; ///< said when it begins
    Act act;
    /// An act of a Check is what the platform owes by then: its Error fails the drill, any other
    /// act's makes it invalid.
    enum class Kind : std::uint8_t { Ordinary, Blow, Check } kind = Kind::Ordinary;
};

/// An outage that really happened, by its report.
struct Seed {
    std::string_view report;
    int outage_minutes = 0;
    std::string_view hit;  ///< how many
    std::string_view cost; ///< empty: not said
};

/// A disk of limited size, and what of DATA lies on it.
struct ScenarioDisk {
    std::uint64_t bytes = 0;
    std::span<const char* const> holds;
};

struct Scenario {
    std::string_view name;
    std::string_view sentence;
    std::span<const Step> steps;
    Duration length; ///< of the load
    Expectation expectation{};
    std::optional<Seed> seed{};
    double visitors = 0;                     ///< a second, who look beside the payments (load.h)
    int of_capacity = 0;                     ///< percent; 0: rate_usual
    std::span<const char* const> settings{}; ///< of `holdfast up`
    std::optional<ScenarioDisk> disk{};
    std::size_t ordinary_pool = Ordinary::pool_usual; ///< connections, with --unprotected
    bool embedded_only = false; ///< it needs the files or sockets of the embedded pair
    Act before = nullptr;       ///< the load begins; not with --unprotected
};

/// All of them, in the order in which they are listed.
std::vector<const Scenario*> all_scenarios();
/// Error NotFound "drill_unknown" names all.
Result<const Scenario*> find_scenario(std::string_view name);

// By family.
std::span<const Scenario> process_scenarios();
std::span<const Scenario> outage_scenarios();
std::span<const Scenario> database_scenarios();
std::span<const Scenario> disk_scenarios();
std::span<const Scenario> network_scenarios();

} // namespace holdfast::drill
