#include "guard/doctor_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::guard {
namespace {

struct Part {
    std::string_view title;
    std::span<const Rule> rules;
};

std::vector<Part> parts() {
    return {{"The servers", server_rules()},
            {"Capacity", capacity_rules()},
            {"Time limits", timeout_rules()},
            {"Durability", durability_rules()},
            {"Patroni", patroni_rules()}};
}

} // namespace

std::string_view to_string(Severity severity) {
    return severity == Severity::Fail ? "fail" : "warn";
}

std::span<const Rule* const> all_rules() {
    static const std::vector<const Rule*> all = [] {
        std::vector<const Rule*> rules;
        for (const Part& part : parts())
            for (const Rule& rule : part.rules) rules.push_back(&rule);
        return rules;
    }();
    return all;
}

Result<std::vector<const Rule*>> parse_rules(std::string_view ids) {
    std::vector<const Rule*> rules;
    while (!ids.empty()) {
        const std::string_view id = ids.substr(0, ids.find(','));
        ids.remove_prefix(std::min(id.size() + 1, ids.size()));
        const auto found = std::ranges::find(all_rules(), id, &Rule::id);
        if (found == all_rules().end())
            return fail(
                ErrorClass::Invalid, "rule_unknown",
                fmt::format("the doctor has no rule {}; docs/reference/doctor.md has all", id));
        rules.push_back(*found);
    }
    return rules;
}

std::vector<Finding> examine(const Facts& facts, const std::vector<const Rule*>& allowed) {
    std::vector<Finding> findings;
    for (const Rule* rule : all_rules())
        if (auto breach = rule->check(facts))
            findings.push_back({.rule = rule,
                                .severity = breach->severity,
                                .measured = std::move(breach->measured),
                                .safe = std::move(breach->safe),
                                .overridden = std::ranges::find(allowed, rule) != allowed.end()});
    return findings;
}

bool any_failure(const std::vector<Finding>& findings) {
    return std::ranges::any_of(findings, &Finding::fails);
}

std::vector<Finding> new_failures(const std::vector<Finding>& before,
                                  const std::vector<Finding>& after) {
    std::vector<Finding> found;
    for (const Finding& finding : after) {
        const bool known = std::ranges::any_of(before, [&](const Finding& old) {
            return old.rule == finding.rule && old.severity == finding.severity &&
                   old.measured == finding.measured;
        });
        if (finding.severity == Severity::Fail && !known) found.push_back(finding);
    }
    return found;
}

std::string doctor_reference() {
    std::string page = R"(# Rules of the doctor

`holdfast doctor` compares the configuration with the servers as they run and names each rule that
does not hold, with what was measured, what is safe and what happens otherwise:

    holdfast doctor                                  the platform on this machine
    holdfast doctor --database-url URL --config FILE --instances 12 --json
                                                     a plan, before it is carried out

A finding is a `fail` or a `warn`; any `fail` makes the exit code non-zero. A rule of class `fail`
answers `warn` where a value is off by little. With `--json`: `clean` (no finding), `failed` (any
`fail`), `rules` (how many there are) and `findings`, each with `rule`, `severity`, `overridden`,
`consequence`, `measured` and `safe`. Ids of rules don't change. `--surge` says how many processes a
deployment starts before it ends old ones, `--database-cores` how many cores a database elsewhere
has, `--patroni` where a Patroni elsewhere is: its configuration file, or host:port of its REST API,
`--command-log` where a `serve` without `up` has its command log.

`holdfast up` and `holdfast serve` ask the same rules before they take payments, as far as they know
by then, and don't start when one that is `refused` at start fails. They judge settings only:
servers that are away, clocks and free space keep nobody from starting. What has to run all the same
is named by the setting `doctor.allow` (`--doctor-allow fsync_off,checksums_off`): it is logged at
every start, and the doctor shows it as overridden, which does not count as a `fail`.

This page is made with `holdfast doctor --reference`.
)";
    for (const Part& part : parts()) {
        page += fmt::format(
            "\n## {}\n\n| rule | class | at start | requires that | else "
            "|\n|---|---|---|---|---|\n",
            part.title);
        for (const Rule& rule : part.rules)
            page += fmt::format("| `{}` | {} | {} | {} | {} |\n", rule.id, to_string(rule.worst),
                                rule.at_start == AtStart::Refused ? "refused" : "",
                                rule.requires_that, rule.consequence);
    }
    page += R"(
## Not asked, because nothing that can be set breaks it

- Waiting for a connection ends with the request that waits: it has no time limit of its own.
- `/livez` does not touch the database; `/readyz` looks at what a probe in the background found.
- Nobody holds two connections at once, so that callers can't starve each other (`src/db/pool.h`).
- A place in the pool is free again only when the server has let go of the session.
- A prepared statement has a fixed list of columns, so that adding one does not break its plan.
)";
    return page;
}

} // namespace holdfast::guard
