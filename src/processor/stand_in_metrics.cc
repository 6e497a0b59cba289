#include "processor/stand_in_metrics.h"

#include <string>

namespace holdfast::processor {

StandInMetrics::StandInMetrics(Registry* registry)
    : own_(registry == nullptr ? std::make_unique<Registry>() : nullptr),
      registry_(registry == nullptr ? *own_ : *registry),
      away_(&registry_.gauge("holdfast_stand_in_active",
                             "1 while payments are decided without the database.")),
      open_(&registry_.gauge("holdfast_stand_in_open_payments",
                             "Payments accepted without the database that it does not have yet.")),
      log_bytes_(
          &registry_.gauge("holdfast_stand_in_log_bytes", "Size of the command log on disk.")) {}

void StandInMetrics::decided(std::string_view decision) {
    registry_
        .counter("holdfast_stand_in_decisions_total", "Commands decided without the database.",
                 {{"decision", std::string(decision)}})
        .add();
}

void StandInMetrics::drained(std::string_view result) {
    registry_
        .counter("holdfast_stand_in_drained_total",
                 "Commands that the database has got, or that it had superseded.",
                 {{"result", std::string(result)}})
        .add();
}

} // namespace holdfast::processor
