// Drills that lose a process of the platform: a database server, a serve process, the supervisor.

#include "drill/faults.h"
#include "drill/scenario.h"

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

constexpr Step primary_killed[] = {
    {10s, "kill -9 of the primary", faults::kill_primary, Step::Kind::Blow},
    {25s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};
constexpr Step switched_over[] = {
    {10s, "holdfast switchover", faults::switch_over, Step::Kind::Blow},
    {25s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};
constexpr Step standby_killed[] = {
    {10s, "kill -9 of the standby", faults::kill_standby, Step::Kind::Blow},
    {25s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};
constexpr Step primary_frozen[] = {
    {10s, "the primary hangs", faults::freeze_primary, Step::Kind::Blow},
    {40s, "it wakes up", faults::thaw},
    {45s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};
constexpr Step serve_killed[] = {
    {10s, "kill -9 of a serve process", faults::kill_serve, Step::Kind::Blow},
};
constexpr Step supervisor_killed[] = {
    {10s, "kill -9 of the supervisor", faults::kill_supervisor, Step::Kind::Blow},
    {20s, "holdfast up once more", faults::start_supervisor, Step::Kind::Check},
};
constexpr Step database_gone[] = {
    {10s, "both database servers hang", faults::freeze_databases, Step::Kind::Blow},
    {70s, "they go on", faults::thaw},
    {75s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};

/// What it had accepted is in its command log and nowhere else.
constexpr Step instance_returns[] = {
    {3s, "one more instance joins", faults::instance_joins},
    {10s, "both database servers hang", faults::freeze_databases, Step::Kind::Blow},
    {11s, "customers pay at that instance", faults::pay_at_instance},
    {25s, "kill -9 of it", faults::instance_dies},
    {28s, "the database servers go on", faults::thaw},
    {33s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
    {35s, "some of its customers pay once more, elsewhere", faults::ask_elsewhere},
    {635s, "ten minutes later it comes back", faults::instance_returns, Step::Kind::Check},
    {640s, "has everything that it had accepted ended well?", faults::all_settled,
     Step::Kind::Check},
};

constexpr Duration failover_max = 3s;
constexpr Duration switchover_max = 1s;
/// A hung primary has to be silent for three seconds before it counts as lost.
constexpr Duration frozen_max = 8s;

constexpr Scenario scenarios[] = {
    {.name = "primary-killed",
     .sentence = "kill -9 of the primary database under load.",
     .steps = primary_killed,
     .length = 45s,
     .expectation = {.none_in_standin = true, .stall_max = failover_max}},
    {.name = "switchover",
     .sentence = "The standby becomes the primary, on purpose (`holdfast switchover`).",
     .steps = switched_over,
     .length = 45s,
     .expectation = {.none_in_standin = true, .stall_max = switchover_max}},
    {.name = "standby-killed",
     .sentence = "kill -9 of the standby that commits wait for.",
     .steps = standby_killed,
     .length = 45s,
     .expectation = {.none_in_standin = true, .stall_max = failover_max}},
    {.name = "primary-frozen",
     .sentence = "The primary hangs (SIGSTOP): it still accepts connections and answers nobody.",
     .steps = primary_frozen,
     .length = 60s,
     .expectation = {.stall_max = frozen_max}},
    {.name = "serve-killed",
     .sentence = "kill -9 of one of the processes that take payments.",
     .steps = serve_killed,
     .length = 40s,
     .expectation = {.none_in_standin = true, .attempts_kept = false}},
    {.name = "supervisor-killed",
     .sentence = "kill -9 of `holdfast up`; its services go on until the next one takes over.",
     .steps = supervisor_killed,
     .length = 50s,
     .expectation = {.none_failed = false}},
    {.name = "database-gone-60s",
     .sentence = "Both database servers hang for a minute: there is nobody to fail over to.",
     .steps = database_gone,
     .length = 95s},
    {.name = "instance-returns",
     .sentence = "An instance dies with payments that it accepted while the database was away, and "
                 "returns ten minutes after that.",
     .steps = instance_returns,
     .length = 660s},
};

} // namespace

std::span<const Scenario> process_scenarios() { return scenarios; }

} // namespace holdfast::drill
