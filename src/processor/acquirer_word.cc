#include "processor/acquirer_word.h"

namespace holdfast::processor {

core::OperationOutcome outcome_of(const gateway::AcquirerAnswer& answer) {
    switch (answer.finding) {
        case gateway::Finding::Approved:
            return {.state = core::OperationState::Approved,
                    .authorization_code = answer.authorization_code,
                    .executed_as = answer.executed_as};
        case gateway::Finding::Declined:
            return {.state = core::OperationState::Declined, .failure = answer.failure};
        default: break;
    }
    return {
        .state = core::OperationState::Reversed,
        .failure = {"processing_error", "",
                    "An error occurred while processing your card. Try again in a little bit."}};
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
