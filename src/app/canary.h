#pragma once

// Canary: is a process worse off with other pool settings than without? A pure comparison.
//
// What is compared are shares: of the requests for a connection, those that waited longer than so
// long, and those that were given none; of the answers, those that say 5xx; of the requests that
// change something (POST), those that took longer than so long. Each process counts them
// (app/traffic.h), for the canary in the time before the trial and in the trial, for the others in
// the same two times.
//
//   worse(now, than)   the share is larger by more than the measure's `tolerance`, in points, and
//                      by more than chance explains: `z_min` standard errors of the difference
//                      between two proportions, with at least `bad_min` bad ones
//
//   roll back          the canary is worse than it was before, in any measure; whether the others
//                      got worse too is said, and changes nothing: a pool that is too large hurts
//                      everybody, and what can't be told from a rush does not stay
//                      the canary is worse than the others in the same time, and was not before:
//                      the time before may have been a bad one
//   too little         either time has fewer than `enough` answers or requests for a connection
//   keep               else
//
//   const Judgement judged = judge({.canary_before = ..., .canary_now = ..., ...});
//
// It may be asked while the trial lasts (`complete` is false): then the rest of the time is taken
// for clean, so that asking often makes no damage of a hiccup. What it can't see: settings that
// suit today's load and not tomorrow's. For these there is the doctor.
//
// Sources: two proportions, pooled: NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.3.
// Before-and-after together with a control group: Google, The Site Reliability Workbook, chapter
// 16, Canarying Releases, which also says why neither will do alone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::app {

struct Share {
    std::int64_t bad = 0, of = 0;
    double part() const { return of > 0 ? static_cast<double>(bad) / static_cast<double>(of) : 0; }
};

/// Of these kinds are the measures.
enum class Counted : std::uint8_t { Waits, Unserved, ServerErrors, Payments };

struct Measure {
    Counted counted;
    double over_s;         ///< of Waits and Payments: a bound of latency_bounds
    double tolerance;      ///< as a part: 0.02 are two points
    std::string_view text; ///< completes "12.3 % of "
};

inline constexpr std::array<Measure, 11> measures{{
    {Counted::Waits, 0.01, 0.1, "requests for a connection waited over 10 ms"},
    {Counted::Waits, 0.025, 0.1, "requests for a connection waited over 25 ms"},
    {Counted::Waits, 0.05, 0.05, "requests for a connection waited over 50 ms"},
    {Counted::Waits, 0.1, 0.02, "requests for a connection waited over 100 ms"},
    {Counted::Waits, 0.25, 0.01, "requests for a connection waited over 250 ms"},
    {Counted::Waits, 1, 0.002, "requests for a connection waited over 1 s"},
    {Counted::Unserved, 0, 0.002, "requests for a connection got none"},
    {Counted::ServerErrors, 0, 0.002, "answers were errors of the server (5xx)"},
    {Counted::Payments, 0.25, 0.05, "payment requests took over 250 ms"},
    {Counted::Payments, 1, 0.01, "payment requests took over 1 s"},
    {Counted::Payments, 5, 0.002, "payment requests took over 5 s"},
}};

/// What processes counted in one time; each Share belongs to the Measure of its place.
struct Traffic {
    std::array<Share, measures.size()> shares{};
    /// Answers to the API's clients, requests for a connection: whether there is any evidence.
    std::int64_t answers = 0, acquires = 0;
    Traffic& operator+=(const Traffic& other);
    Traffic operator-(const Traffic& earlier) const;
};

struct Observation {
    std::string canary; ///< its name
    Traffic canary_before, canary_now;
    Traffic others_before, others_now; ///< together; nothing when it is alone
    bool complete = true;              ///< both times are over
};

enum class Verdict : std::uint8_t { Keep, RollBack, TooLittle };

struct Judgement {
    Verdict verdict = Verdict::TooLittle;
    std::string because; ///< a sentence without its full stop: what was measured
};

inline constexpr std::int64_t enough = 200; ///< answers, and requests for a connection
inline constexpr std::int64_t bad_min = 5;
inline constexpr double z_min = 4; ///< by chance once in 30,000 comparisons

bool worse(const Share& now, const Share& than, double tolerance);
/// Whether these are enough to compare by.
bool enough_traffic(const Traffic& traffic);
Judgement judge(const Observation& seen);

} // namespace holdfast::app
