#pragma once

// Report: what a drill has to say, as one line of JSON or as a table for people.
//
// The keys of the JSON are stable and always all there; `seed_outage_minutes` is null of a drill
// that no report stands behind, `recovered_after_ms` null when it did not recover. In the table of
// one of the five outages the report's own figures stand beside ours.
//
// Narrator says on stderr what happens while it happens: a line per step, and on a terminal a line
// that is written over twice a second. stdout has the result only.

#include "drill/figures.h"
#include "drill/load.h"
#include "drill/scenario.h"

#include <string>
#include <string_view>
#include <vector>

namespace holdfast::drill {

struct DrillReport {
    const Scenario* scenario = nullptr;
    Engine engine = Engine::Embedded;
    bool unprotected = false;
    double rate = 0;
    Times times;
    Figures figures;
    Judgement judgement;
    bool valid() const { return judgement.outcome != Outcome::Invalid; }
};

std::string as_json(const DrillReport& report);
/// Why it is not passed, what a few clients saw, where witnesses differ; part of the table.
std::vector<std::string> details(const DrillReport& report);
/// `colors`: with escape sequences of a terminal.
std::string as_table(const DrillReport& report, bool colors);

/// 19,024
std::string with_commas(std::int64_t number);
/// "840 ms", "1.24 s", "2 min 5 s"
std::string as_time(Duration duration);

class Narrator {
  public:
    Narrator();
    /// A line of its own; `at` since the load began, empty before.
    void say(std::optional<Duration> at, std::string_view text);
    void progress(Duration at, const LoadCounts& counts, Duration recent_p99);
    bool terminal() const { return terminal_; }
    /// How often progress is worth saying.
    Duration interval() const;

  private:
    void clear();
    bool terminal_;
    bool line_open_ = false;
};

} // namespace holdfast::drill
