#pragma once

// standin_logs: the command logs on this machine and what in them is not settled, as commands read
// them: beside the processes that write them, and without any. Nothing is taken or changed.
//
// A log that can't be read is one with a `problem`, so that the others can be shown; who decides by
// what the logs hold asks expect_readable() first.
//
// Errors: NotFound "standin_missing", there are no logs; Io "standin_unreadable".

#include "base/secret.h"
#include "processor/logged_steps.h"

#include <optional>
#include <string>
#include <vector>

namespace holdfast::app {

struct NumberedStep {
    processor::StepNumber number = 0;
    processor::StepSummary summary;
};

struct StandInLog {
    std::string name, path;
    std::optional<int> pid; ///< who has it open
    std::uint64_t bytes = 0;
    std::string problem;             ///< why it can't be read; empty: it was
    std::vector<NumberedStep> steps; ///< not settled, oldest first
};

/// Those of the `up` on that data directory, by name.
Result<std::vector<StandInLog>> read_standin_logs(const std::string& data);
/// Those in directories of their own, of `serve` processes that no `up` has started.
Result<std::vector<StandInLog>> read_standin_logs(const std::vector<std::string>& directories,
                                                  const SecretString& id_secret);

Result<void> expect_readable(const std::vector<StandInLog>& logs);

} // namespace holdfast::app
