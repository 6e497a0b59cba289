#pragma once

// Figures: what a drill counted, and the verdict that follows from them. Pure.
//
//   offered        purchases that arrived
//   acknowledged   those whose client was told the end: paid, approved in stand-in, truly declined
//   succeeded, declined, standin    as told; standin_declined: approved there, declined later
//   failed         any answer but 2xx or a true 402, or none within 80 s; failed_badly: of those,
//                  not by a 503 with Retry-After and Stripe-Should-Retry: true
//   max_stall_ms   longest time between two acknowledgements while purchases arrived
//   p50_ms, p99_ms latency from the intended send time, over all that were told something
//   recovered_after_ms   from the blow to the end of the last purchase that failed or was late
//                  (late_after); 0 if none was. Empty: still so when the load ended.
//
// The verdict is `invalid` when a fault did not take effect, whatever was counted; else it follows
// from the scenario's Expectation. Of an unprotected run it says whether the fault is an outage for
// an ordinary design: more than 20 % of the purchases failed or took over 2 s from the blow until
// the load ended.

#include "drill/purchase.h"
#include "drill/witnesses.h"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::drill {

inline constexpr Duration answer_patience = std::chrono::seconds{80};
inline constexpr Duration late_after = std::chrono::seconds{1};
inline constexpr Duration outage_after = std::chrono::seconds{2};
inline constexpr int outage_percent = 20;
/// The end of the load that has to be well for the platform to count as recovered.
inline constexpr Duration well_again = std::chrono::seconds{2};

/// When a drill's load began, was struck, and ended.
struct Times {
    MonoTime start{}, strike{}, end{};
};

struct Figures {
    std::int64_t offered = 0, acknowledged = 0, succeeded = 0, declined = 0, standin = 0,
                 abandoned = 0, failed = 0, failed_badly = 0;
    std::int64_t max_stall_ms = 0, p50_ms = 0, p99_ms = 0;
    std::optional<std::int64_t> recovered_after_ms;
    /// Of those that arrived from the blow on: failed or over outage_after.
    std::int64_t struck = 0, struck_bad = 0;
    Comparison witnesses;
    std::vector<std::string> troubles;   ///< a few of the failures, as the client saw them
    std::vector<std::string> unmet;      ///< what the platform owed by some time, and did not do
    std::optional<std::string> unproven; ///< the fault that did not take effect, and why
};
Figures count(const std::deque<Purchase>& purchases, const Times& times);

/// The smallest value that at least `percent` of them do not exceed; 0 of none. Sorts.
Duration quantile(std::vector<Duration>& values, int percent);

struct Expectation {
    bool none_failed = true;
    bool refused_cleanly = false; ///< who failed was turned away (Purchase::turned_away)
    bool none_in_standin = false; ///< held, not deferred
    Duration stall_max = answer_patience;
    bool attempts_kept = true; ///< on record, each as its client was told (Comparison::unlogged)
};

enum class Outcome : std::uint8_t { Passed, Failed, Invalid, Outage, NoOutage };
std::string_view to_string(Outcome outcome);

struct Judgement {
    Outcome outcome = Outcome::Invalid;
    std::vector<std::string> reasons; ///< why it is not Passed
};
Judgement judge(const Figures& figures, const Expectation& expectation);
Judgement judge_unprotected(const Figures& figures);

} // namespace holdfast::drill
