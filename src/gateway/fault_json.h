#pragma once

// FaultPlan as JSON, for the admin API of the acquirer:
//
//   {"seed":7,"modes":{"lose_answer":{"probability":0.2,"count":5},
//                      "delay":{"probability":1,"delay_ms":50,"delay_max_ms":200,
//                               "calls":["execute","inquire","reverse"]}}}
//
// A mode that is not named is off. "count" is what is left of it; without one there is no end.
// "calls" defaults to all three. Unknown names are errors: a drill with a typing error in it would
// prove nothing. Errors: Invalid, "fault_plan" with `param`, and those of base/json.h.

#include "gateway/faults.h"

#include <string>
#include <string_view>

namespace holdfast::gateway {

Result<FaultPlan> parse_fault_plan(std::string_view json);

/// The plan with its "hits" per mode.
std::string render_fault_plan(const FaultInjector& faults);

} // namespace holdfast::gateway
