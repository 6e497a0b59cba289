// Drills of what surrounds a payment: connections, commits that drag on, an acquirer that is away.

#include "drill/faults.h"
#include "drill/scenario.h"

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

constexpr Step connection_flood[] = {
    {10s, "a role without privileges takes every slot", faults::flood_connections,
     Step::Kind::Blow},
    {15s, "a slowloris beside it", faults::start_slow_clients},
    {40s, "it lets go", faults::end_flood},
    {45s, "and so does the slowloris", faults::end_slow_clients},
};
constexpr Step slow_commit[] = {
    {10s, "commits become slow", faults::slow_commits, Step::Kind::Blow},
    {40s, "commits are fast again", faults::usual_commits},
};
constexpr Step acquirer_down[] = {
    {10s, "the acquirer cuts every call off", faults::cut_acquirer, Step::Kind::Blow},
    {40s, "it answers again", faults::mend_acquirer},
};

constexpr Step both_down[] = {
    {10s, "both database servers hang", faults::freeze_databases, Step::Kind::Blow},
    {10s, "the acquirer cuts every call off", faults::cut_acquirer},
    {25s, "are payments refused, quickly and cleanly?", faults::refused_quickly, Step::Kind::Check},
    {40s, "the acquirer answers again", faults::mend_acquirer},
    {40s, "the database servers go on", faults::thaw},
    {45s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};

constexpr Scenario scenarios[] = {
    {.name = "connection-flood",
     .sentence = "A role without privileges takes every connection slot of the database; a "
                 "slowloris beside it.",
     .steps = connection_flood,
     .length = 60s,
     .expectation = {.none_in_standin = true},
     .embedded_only = true},
    {.name = "slow-commit",
     .sentence = "Every commit of the database takes a tenth of a second longer.",
     .steps = slow_commit,
     .length = 60s,
     .expectation = {.none_in_standin = true}},
    {.name = "acquirer-down",
     .sentence = "The card acquirer closes every connection without an answer for 30 s.",
     .steps = acquirer_down,
     .length = 65s,
     .expectation = {.none_failed = false}},
    {.name = "acquirer-and-database-down",
     .sentence =
         "Database and acquirer are away together for 30 s: payments are refused, not lost.",
     .steps = both_down,
     .length = 90s,
     .expectation = {.none_failed = false}},
};

} // namespace

std::span<const Scenario> database_scenarios() { return scenarios; }

} // namespace holdfast::drill
