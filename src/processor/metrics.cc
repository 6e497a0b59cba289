#include "processor/metrics.h"

#include "core/names.h"

#include <string>

namespace holdfast::processor {

namespace {

using Labels = Registry::Labels;

constexpr auto track_names = std::to_array<std::string_view>({"normal", "slow", "suspect"});
static_assert(track_names.size() == tracks);
constexpr auto remedy_names =
    std::to_array<std::string_view>({"resolve", "reconnect", "again", "blame"});

/// 0 is success; the others are ErrorClass + 1.
std::size_t result_index(const Result<core::Verdict>& result) {
    return result ? 0 : static_cast<std::size_t>(result.error().kind) + 1;
}
std::string result_name(std::size_t index) {
    if (index == 0) return "ok";
    return std::string(to_string(static_cast<ErrorClass>(index - 1)));
}

} // namespace

Metrics::Metrics(Registry* registry)
    : own_(registry == nullptr ? std::make_unique<Registry>() : nullptr),
      registry_(registry == nullptr ? *own_ : *registry) {
    make_lane_series();
    replayed_ = &registry_.counter("holdfast_processor_replays_total",
                                   "Commands answered from an earlier request under their key.");
    wait_ = &registry_.histogram("holdfast_processor_command_seconds",
                                 "From the submission of a command to its durable answer.",
                                 latency_bounds);
    queue_ =
        &registry_.gauge("holdfast_processor_queue_commands", "Commands waiting or in a batch.");
    under_way_ = &registry_.gauge("holdfast_operations_under_way",
                                  "Operations that this instance runs at the acquirer.");
    for (bool granted : {false, true}) {
        retries_[granted ? 1 : 0] =
            &registry_.counter("holdfast_operations_retries_total",
                               "Calls to the acquirer that were to be repeated, by whether the "
                               "retry budget allowed it then.",
                               {{"granted", granted ? "true" : "false"}});
    }
    pending_ = &registry_.counter("holdfast_operations_pending_total",
                                  "Requests answered before the acquirer's decision was known.");
    unknown_ = &registry_.gauge("holdfast_operations_unknown",
                                "Operations here whose outcome had to be asked for and is open.");
    resolve_time_ = &registry_.histogram("holdfast_operations_resolve_seconds",
                                         "From the start of an operation whose outcome was unknown "
                                         "to its recorded outcome.",
                                         latency_bounds);
}

void Metrics::make_lane_series() {
    for (std::size_t i = 0; i < tracks; ++i) {
        Labels labels{{"track", std::string(track_names[i])}};
        batch_commands_[i] =
            &registry_.histogram("holdfast_processor_batch_commands",
                                 "Commands per committed batch.", size_bounds, labels);
        commit_time_[i] = &registry_.histogram("holdfast_processor_commit_seconds",
                                               "From sending a batch's writes to its COMMIT's "
                                               "answer.",
                                               latency_bounds, labels);
    }
    for (bool durable : {false, true}) {
        resolved_[durable ? 1 : 0] =
            &registry_.counter("holdfast_processor_commits_resolved_total",
                               "Commits whose answer was lost, by what the seal told.",
                               {{"durable", durable ? "true" : "false"}});
    }
    for (std::size_t i = 0; i < remedies; ++i) {
        failures_[i] = &registry_.counter("holdfast_processor_batch_failures_total",
                                          "Batches that failed, by what was done about it.",
                                          {{"remedy", std::string(remedy_names[i])}});
    }
}

Counter& Metrics::verdict_series(const Ticket& ticket) {
    std::size_t result = result_index(*ticket.answer);
    Counter*& series = verdicts_[ticket.command.body.index()][result];
    if (series == nullptr) {
        series = &registry_.counter("holdfast_processor_commands_total",
                                    "Commands decided, by their result.",
                                    {{"command", std::string(core::name_of(ticket.command))},
                                     {"result", result_name(result)}});
    }
    return *series;
}

void Metrics::committed(Track track, std::size_t members, Duration took) {
    batch_commands_[static_cast<std::size_t>(track)]->observe(static_cast<double>(members));
    commit_time_[static_cast<std::size_t>(track)]->observe(took);
}

void Metrics::commit_resolved(bool durable) { resolved_[durable ? 1 : 0]->add(); }

void Metrics::batch_failed(Remedy remedy) { failures_[static_cast<std::size_t>(remedy)]->add(); }

void Metrics::answered(const Ticket& ticket) {
    verdict_series(ticket).add();
    if (ticket.answer->has_value() && (*ticket.answer)->replayed) replayed_->add();
    wait_->observe(MonotonicClock::now() - ticket.submitted);
}

void Metrics::operation_ended(core::OperationKind kind, core::OperationState state) {
    Counter*& series = operations_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(state)];
    if (series == nullptr) {
        series = &registry_.counter("holdfast_operations_total",
                                    "Operations settled here, by kind and outcome.",
                                    {{"kind", std::string(core::to_string(kind))},
                                     {"state", std::string(core::to_string(state))}});
    }
    series->add();
}

} // namespace holdfast::processor
