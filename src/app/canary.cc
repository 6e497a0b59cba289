#include "app/canary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace holdfast::app {
namespace {

/// Standard errors between two proportions, pooled; 0 when either has nothing.
double standard_errors(const Share& now, const Share& than) {
    if (now.of == 0 || than.of == 0) return 0;
    const auto n = static_cast<double>(now.of), m = static_cast<double>(than.of);
    const double pooled = static_cast<double>(now.bad + than.bad) / (n + m);
    const double error = std::sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
    return error > 0 ? (now.part() - than.part()) / error : 0;
}

/// How far beyond what is tolerated, in multiples of that.
double excess(const Share& now, const Share& than, double tolerance) {
    return (now.part() - than.part()) / tolerance;
}

std::string percent(const Share& share) { return fmt::format("{:.1f} %", 100 * share.part()); }

/// The measure by which `now` is worse the furthest; none when it is not.
std::optional<std::size_t> worst(const Traffic& now, const Traffic& than) {
    std::optional<std::size_t> found;
    double furthest = 0;
    for (std::size_t i = 0; i < measures.size(); ++i) {
        const double tolerance = measures[i].tolerance;
        if (!worse(now.shares[i], than.shares[i], tolerance)) continue;
        const double by = excess(now.shares[i], than.shares[i], tolerance);
        if (by <= furthest) continue;
        furthest = by;
        found = i;
    }
    return found;
}

/// What it comes to if nothing bad happens any more, in a time as busy as the one before.
Traffic at_best(Traffic now, const Traffic& before) {
    for (std::size_t i = 0; i < now.shares.size(); ++i)
        now.shares[i].of = std::max(now.shares[i].of, before.shares[i].of);
    return now;
}

std::string told(const Observation& seen, std::size_t i) {
    const Share& others = seen.others_now.shares[i];
    return fmt::format("{} of {} on {} with them, {} before{}", percent(seen.canary_now.shares[i]),
                       measures[i].text, seen.canary, percent(seen.canary_before.shares[i]),
                       others.of > 0 ? fmt::format(", {} on the others meanwhile", percent(others))
                                     : std::string{});
}

} // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
    for (std::size_t i = 0; i < shares.size(); ++i) {
        shares[i].bad += other.shares[i].bad;
        shares[i].of += other.shares[i].of;
    }
    answers += other.answers;
    acquires += other.acquires;
    return *this;
}

Traffic Traffic::operator-(const Traffic& earlier) const {
    Traffic since = *this;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        since.shares[i].bad -= earlier.shares[i].bad;
        since.shares[i].of -= earlier.shares[i].of;
    }
    since.answers -= earlier.answers;
    since.acquires -= earlier.acquires;
    return since;
}

bool worse(const Share& now, const Share& than, double tolerance) {
    return now.bad >= bad_min && now.part() - than.part() > tolerance &&
           standard_errors(now, than) >= z_min;
}

bool enough_traffic(const Traffic& traffic) {
    return traffic.answers >= enough && traffic.acquires >= enough;
}

Judgement judge(const Observation& seen) {
    const Traffic now =
        seen.complete ? seen.canary_now : at_best(seen.canary_now, seen.canary_before);
    if (const auto i = worst(now, seen.canary_before)) {
        const bool all = worse(seen.others_now.shares[*i], seen.others_before.shares[*i],
                               measures[*i].tolerance);
        return {Verdict::RollBack,
                told(seen, *i) + (all ? "; the others got worse as well, by it or by a rush" : "")};
    }
    for (std::size_t i = 0; i < measures.size(); ++i) {
        const double tolerance = measures[i].tolerance;
        if (worse(now.shares[i], seen.others_now.shares[i], tolerance) &&
            !worse(seen.canary_before.shares[i], seen.others_before.shares[i], tolerance))
            return {Verdict::RollBack, told(seen, i)};
    }
    if (!enough_traffic(seen.canary_before) || !enough_traffic(seen.canary_now))
        return {Verdict::TooLittle,
                fmt::format("{} gave {} answers before and {} with them, and asked {} and {} times "
                            "for a connection; it takes {} of each",
                            seen.canary, seen.canary_before.answers, seen.canary_now.answers,
                            seen.canary_before.acquires, seen.canary_now.acquires, enough)};
    return {Verdict::Keep,
            fmt::format("{} gave {} answers with them and is no worse off than before{}",
                        seen.canary, seen.canary_now.answers,
                        seen.others_now.answers > 0 ? ", nor than the others" : "")};
}

} // namespace holdfast::app
