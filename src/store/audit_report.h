#pragma once

// AuditReport: what a check of the books found. An empty list of findings means that every figure
// in `checked` was recomputed from the rows and fits. A finding names the check, the thing that is
// wrong, and both figures.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace holdfast::store {

/// At most so many findings of one check are listed; the first ones.
inline constexpr std::int32_t findings_per_check_max = 100;

struct Finding {
    std::string check;   ///< snake_case, stable: see audit.h
    std::string subject; ///< "txn_...", "acct_... available usd", "lane ... seal 17"
    std::string expected;
    std::string actual;
};

struct AuditReport {
    std::vector<Finding> findings;
    std::map<std::string, std::int64_t> checked; ///< how much of what was looked at
    bool clean() const { return findings.empty(); }
};

} // namespace holdfast::store
