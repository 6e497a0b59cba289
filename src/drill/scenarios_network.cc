// Drills of the network between payments and the two database servers.

#include "drill/faults.h"
#include "drill/scenario.h"

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

/// Who decides which server is the primary sees it all the time, then not what payments see, then
/// less than they do: of two servers that both look alive only one may ever acknowledge.
constexpr Step partition[] = {
    {0s, "a relay takes the place of the database sockets", faults::stand_between},
    {10s, "payments are cut off from the primary; the pair is not", faults::cut_serve_off,
     Step::Kind::Blow},
    {29s, "does nobody take over?", faults::same_primary, Step::Kind::Check},
    {30s, "the network is whole", faults::mend_network},
    {45s, "the standby is cut off from the primary", faults::cut_standby_off},
    {60s, "the network is whole", faults::mend_network},
    {65s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
    {66s, "all but payments are cut off from the primary", faults::isolate_primary},
    {76s, "has the standby taken over?", faults::other_primary, Step::Kind::Check},
    {77s, "the network is whole", faults::mend_network},
    {85s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};

constexpr Scenario scenarios[] = {
    {.name = "partition",
     .sentence = "The network is cut: payments from the primary, then the standby from it, then "
                 "all but payments from it.",
     .steps = partition,
     .length = 110s,
     .embedded_only = true},
};

} // namespace

std::span<const Scenario> network_scenarios() { return scenarios; }

} // namespace holdfast::drill
