#include "processor/acquirer_word.h"

namespace holdfast::processor {

core::OperationOutcome outcome_of(const gateway::AcquirerAnswer& answer) {
    switch (answer.finding) {
        case gateway::Finding::Approved:
            return {core::OperationState::Approved, {}, answer.authorization_code};
        case gateway::Finding::Declined:
            return {core::OperationState::Declined, answer.failure, {}};
        default: break;
    }
    return {core::OperationState::Reversed,
            {"processing_error", "",
             "An error occurred while processing your card. Try again in a little bit."},
            {}};
}

bool is_refusal(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Invalid:
        case ErrorClass::Forbidden:
        case ErrorClass::Declined:
        case ErrorClass::NotFound:
        case ErrorClass::Conflict: return true;
        default: return false;
    }
}

core::Command command_for(const core::Operation& operation, WallTime now, core::CommandBody body) {
    return {operation.account, {.request_id = operation.request.request_id}, now, std::move(body)};
}

} // namespace holdfast::processor
