#include "processor/stand_in_metrics.h"

#include <string>

namespace holdfast::processor {

namespace {

/// In the order of Decision.
constexpr auto decision_names = std::to_array<const char*>(
    {"accepted", "approved", "declined", "unknown", "unauthorized", "refused"});

Counter& drained(Registry& registry, const char* result) {
    return registry.counter("holdfast_stand_in_drained_total",
                            "Commands that the database has got, or that it had superseded.",
                            {{"result", result}});
}

} // namespace

std::string_view StandInMetrics::name_of(Decision decision) {
    return decision_names[static_cast<std::size_t>(decision)];
}

StandInMetrics::StandInMetrics(Registry* registry)
    : own_(registry == nullptr ? std::make_unique<Registry>() : nullptr),
      registry_(registry == nullptr ? *own_ : *registry),
      away_(&registry_.gauge("holdfast_stand_in_active",
                             "1 while payments are decided without the database.")),
      open_(&registry_.gauge("holdfast_stand_in_open_payments",
                             "Payments accepted without the database that it does not have yet.")),
      log_bytes_(
          &registry_.gauge("holdfast_stand_in_log_bytes", "Size of the command log on disk.")),
      floor_share_(&registry_.gauge("holdfast_stand_in_floor_share_ppm",
                                    "Part of every floor limit that this process may use.")),
      floor_open_(&registry_.gauge("holdfast_stand_in_floor_open_payments",
                                   "Payments accepted without their issuer's word, so far.")),
      adopted_(&drained(registry_, "adopted")),
      superseded_(&drained(registry_, "superseded")) {
    static_assert(decision_names.size() == std::tuple_size_v<decltype(decided_)>);
    for (std::size_t i = 0; i < decided_.size(); ++i)
        decided_[i] = &registry_.counter("holdfast_stand_in_decisions_total",
                                         "Commands decided without the database.",
                                         {{"decision", decision_names[i]}});
}

} // namespace holdfast::processor
