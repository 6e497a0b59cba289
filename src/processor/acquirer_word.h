#pragma once

// What an answer of the acquirer means for an operation.

#include "core/command.h"
#include "core/operation.h"
#include "gateway/connector.h"

namespace holdfast::processor {

/// Approved, declined; whatever else was found means that it finally did not happen.
core::OperationOutcome outcome_of(const gateway::AcquirerAnswer& answer);

/// The acquirer understood the request and will not take it, now or later.
bool is_refusal(const Error& error);

/// A command of the processor's own about `operation`.
core::Command command_for(const core::Operation& operation, WallTime now, core::CommandBody body);

} // namespace holdfast::processor
