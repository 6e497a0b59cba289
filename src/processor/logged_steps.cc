#include "processor/logged_steps.h"

#include "base/codec.h"
#include "core/names.h"
#include "core/snapshot.h"

#include <concepts>
#include <type_traits>
#include <utility>

namespace holdfast::processor {

enum class RecordKind : std::uint8_t { Accepted, Outcome, Settled, Share };
constexpr RecordKind last_enumerator(RecordKind) { return RecordKind::Share; }

template <class A> void fields(A& archive, LoggedShare& v) { archive(v.ppm, v.from, v.until); }

struct LoggedObject {
    core::ObjectKind kind = core::ObjectKind::PaymentIntent;
    std::string bytes;
};
template <class A> void fields(A& archive, LoggedObject& v) { archive(v.kind, v.bytes); }

/// One record of the Journal.
struct StepRecord {
    RecordKind kind = RecordKind::Accepted;
    StepNumber step = 0; ///< of an outcome and a settlement
    std::string command; ///< core::encode
    std::vector<LoggedObject> objects;
    std::string operation;
    std::string answer;
    LoggedShare share;
};
template <class A> void fields(A& archive, StepRecord& v) {
    archive(v.kind, v.step, v.command, v.objects, v.operation, v.answer, v.share);
}

namespace {

constexpr std::uint8_t step_version = 1;

std::string encode_step(RecordKind kind, StepNumber step, const core::Command& command,
                        LoggedRows rows) {
    StepRecord record{.kind = kind,
                      .step = step,
                      .command = core::encode(command),
                      .objects = {},
                      .operation = std::move(rows.operation),
                      .answer = std::move(rows.answer)};
    for (core::Snapshot& object : rows.objects)
        record.objects.push_back({object.kind, std::move(object.bytes)});
    return encode_versioned(step_version, record);
}

LoggedRows rows_of(StepRecord record) {
    LoggedRows rows{.objects = {},
                    .operation = std::move(record.operation),
                    .answer = std::move(record.answer)};
    for (LoggedObject& object : record.objects)
        rows.objects.push_back({object.kind, std::move(object.bytes)});
    return rows;
}

StepState state_of(const core::Command& outcome) {
    const auto& record = std::get<core::RecordOutcome>(outcome.body);
    return record.outcome.state == core::OperationState::Approved ? StepState::Approved
                                                                  : StepState::Declined;
}

} // namespace

Result<core::UnitOfWork> restored(const std::vector<core::Snapshot>& objects) {
    core::UnitOfWork rows;
    for (const core::Snapshot& object : objects) {
        if (object.kind == core::ObjectKind::PaymentIntent) {
            TRY(auto row, core::restore<core::PaymentIntent>(object));
            rows.payment_intents.insert(std::move(row));
        } else if (object.kind == core::ObjectKind::PaymentMethod) {
            TRY(auto row, core::restore<core::PaymentMethod>(object));
            rows.payment_methods.insert(std::move(row));
        } else if (object.kind == core::ObjectKind::Charge) {
            TRY(auto row, core::restore<core::Charge>(object));
            rows.charges.insert(std::move(row));
        }
    }
    return rows;
}

std::string accepted_record(const core::Command& command, LoggedRows rows) {
    return encode_step(RecordKind::Accepted, 0, command, std::move(rows));
}

std::string outcome_record(StepNumber step, const core::Command& outcome, LoggedRows rows) {
    return encode_step(RecordKind::Outcome, step, outcome, std::move(rows));
}

std::string settled_record(StepNumber step) {
    return encode_versioned(step_version, StepRecord{.kind = RecordKind::Settled, .step = step});
}

std::string share_record(const LoggedShare& share) {
    return encode_versioned(step_version, StepRecord{.kind = RecordKind::Share, .share = share});
}

Result<void> LoggedSteps::take(const JournalRecord& raw) {
    TRY(StepRecord record, decode_versioned<StepRecord>(raw.payload, step_version, "step"));
    if (record.kind == RecordKind::Settled) {
        open_.erase(record.step);
        return {};
    }
    if (record.kind == RecordKind::Share) {
        share_.emplace(raw.sequence, record.share);
        return {};
    }
    TRY(core::Command command, core::decode_command(record.command));
    if (record.kind == RecordKind::Accepted) {
        open_.insert_or_assign(raw.sequence, LoggedStep{.number = raw.sequence,
                                                        .command = std::move(command),
                                                        .outcome = {},
                                                        .rows = rows_of(std::move(record))});
        return {};
    }
    auto step = open_.find(record.step);
    if (step == open_.end()) return {}; // settled, and its beginning is released
    step->second.outcome = std::move(command);
    step->second.rows = rows_of(std::move(record));
    return {};
}

Result<std::map<StepNumber, LoggedStep>> read_command_log(JournalFiles& files,
                                                          const SecretString& secret) {
    LoggedSteps steps;
    TRY_VOID(read_journal(files, secret,
                          [&](const JournalRecord& record) { return steps.take(record); }));
    return std::move(steps.open());
}

std::string_view to_string(StepState state) {
    switch (state) {
        case StepState::Created: return "created";
        case StepState::Unknown: return "unknown";
        case StepState::Approved: return "approved";
        case StepState::Declined: return "declined";
    }
    return "invalid";
}

Result<StepSummary> summary_of(const LoggedStep& step) {
    const core::Command& command = step.command;
    StepSummary summary{.time = command.received,
                        .account = command.account,
                        .payment = payment_of(command),
                        .amount = {},
                        .reference = {},
                        .request = command.request.request_id};
    for (const core::Snapshot& object : step.rows.objects) {
        if (object.kind != core::ObjectKind::PaymentIntent) continue;
        TRY(const auto payment, core::restore<core::PaymentIntent>(object));
        summary.amount = payment.amount;
    }
    if (const auto* told = std::get_if<core::RecordOutcome>(&command.body)) {
        summary.state = state_of(command);
        summary.reference = told->operation;
    } else if (!step.rows.operation.empty()) {
        TRY(const auto operation, core::decode_operation(step.rows.operation));
        summary.state = step.outcome ? state_of(*step.outcome) : StepState::Unknown;
        summary.reference = operation.id;
        summary.amount = operation.amount;
    }
    return summary;
}

Id<core::PaymentIntent> payment_of(const core::Command& command) {
    return std::visit(
        [](const auto& body) -> Id<core::PaymentIntent> {
            using Body = std::remove_cvref_t<decltype(body)>;
            if constexpr (std::same_as<Body, core::CreatePaymentIntent>)
                return body.payment_intent.id;
            else if constexpr (requires { body.payment_intent; })
                return body.payment_intent;
            else if constexpr (requires {
                                   { body.id } -> std::convertible_to<Id<core::PaymentIntent>>;
                               })
                return body.id;
            else
                return {};
        },
        command.body);
}

} // namespace holdfast::processor
