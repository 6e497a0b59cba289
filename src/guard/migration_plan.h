#pragma once

// MigrationPlan: the steps that a set of schema files describes, checked before any of them runs.
//
// A step is NNNN_name.sql, numbered from 1 without gaps, with its inverse NNNN_name.down.sql. Its
// first lines are comments `-- key: value`:
//   purpose      what for, one line
//   kind         expand (adds; code of the version before goes on working) or contract (removes
//   what
//                no running code uses any more; has no inverse)
//   lock-budget  longest wait for any lock, "100 ms" at most: what queues behind the step waits no
//                longer than that
//   inverse      name of the inverse, for an expand step
//   run-as       only where it is not holdfast_owner
// Errors: Invalid "migration_malformed", naming the file.

#include "base/env.h"
#include "base/result.h"
#include "guard/schema_files.h"

#include <string>
#include <vector>

namespace holdfast::guard {

inline constexpr std::chrono::milliseconds lock_budget_max{100};

enum class StepKind : std::uint8_t { Expand, Contract };

struct Step {
    int version = 0;
    std::string name;     ///< "0003_payments"
    std::string checksum; ///< SHA-256 of the file, hexadecimal
    std::string purpose;
    StepKind kind = StepKind::Expand;
    std::chrono::milliseconds lock_budget{};
    bool as_owner = true; ///< SET ROLE holdfast_owner first
    std::string_view sql;
    std::string_view inverse_sql; ///< empty for a contract step
};

/// The steps in order.
Result<std::vector<Step>> plan_migrations(std::span<const SchemaFile> files);

} // namespace holdfast::guard
