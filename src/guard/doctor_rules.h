#pragma once

// The doctor's rules: which combinations of settings have caused outages, as a table of pure
// functions over Facts.
//
//   for (const Finding& finding : examine(facts))
//       print(finding.rule->id, finding.measured, finding.safe, finding.rule->consequence);
//
// A rule has a stable id (snake_case, never reused), says what must hold, and what happens when it
// does not. Its check answers what was measured, what would be safe and how bad it is, or nothing:
// the rule holds, or it has nothing to judge (a fact was not seen). Severity Fail: payments are
// lost, doubled or refused sooner or later. Warn: the next incident will be longer or wider.
//
// docs/reference/doctor.md is made of this table (doctor_reference()), and a test compares them;
// another one fails for a rule without a good and a bad example (doctor_rules_test.cc).
//
// Sources: the incidents that made the rules are named beside their checks. PostgreSQL 15
// documentation, chapters 19.4.2 (RemoveIPC), 20 (settings), 27.4 (what a standby needs).

#include "base/result.h"
#include "guard/doctor_facts.h"

#include <span>

namespace holdfast::guard {

enum class Severity : std::uint8_t { Warn, Fail };
std::string_view to_string(Severity severity);

/// How a rule is broken.
struct Breach {
    Severity severity = Severity::Fail;
    std::string measured, safe;
};

/// What a `fail` means to a process that is about to start. Refused is a setting with which
/// acknowledged payments can be lost, or payments stop of themselves. Conditions that may pass (who
/// answers, clocks, free space) never keep anybody from starting.
enum class AtStart : std::uint8_t { GoesOn, Refused };

struct Rule {
    std::string_view id;
    Severity worst;                 ///< of its findings
    std::string_view requires_that; ///< completes "Requires that ..."
    std::string_view consequence;   ///< of breaking it: one sentence
    std::optional<Breach> (*check)(const Facts& facts);
    AtStart at_start = AtStart::GoesOn;
};

struct Finding {
    const Rule* rule = nullptr;
    Severity severity = Severity::Fail;
    std::string measured, safe;
    bool overridden = false; ///< somebody has allowed it by name
    bool fails() const { return severity == Severity::Fail && !overridden; }
    bool refuses_start() const { return fails() && rule->at_start == AtStart::Refused; }
};

/// All rules, by what they are about.
std::span<const Rule* const> all_rules();
/// Of a list of ids with commas. Error Invalid "rule_unknown".
Result<std::vector<const Rule*>> parse_rules(std::string_view ids);
/// Findings of rules that `allowed` names are there, and overridden.
std::vector<Finding> examine(const Facts& facts, const std::vector<const Rule*>& allowed = {});
bool any_failure(const std::vector<Finding>& findings);
/// The failures that a change makes, or makes other than they were: those of `after` that `before`
/// does not have just so.
std::vector<Finding> new_failures(const std::vector<Finding>& before,
                                  const std::vector<Finding>& after);

/// The table as a Markdown page, for docs/reference.
std::string doctor_reference();

// The parts of the table, each in a source of its own.
std::span<const Rule> server_rules();     ///< who answers: version, role, clock, what it hides
std::span<const Rule> capacity_rules();   ///< connections, cores, memory, locks
std::span<const Rule> timeout_rules();    ///< who gives up before whom
std::span<const Rule> durability_rules(); ///< what an acknowledged payment rests on
std::span<const Rule> patroni_rules();    ///< who keeps the servers, if it is Patroni

} // namespace holdfast::guard
