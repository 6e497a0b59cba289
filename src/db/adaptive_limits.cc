#include "db/adaptive_limits.h"

#include "base/result.h"

#include <algorithm>

namespace holdfast::db {
namespace {

constexpr std::size_t loans_min = 10;    ///< too few to judge by; the interval goes on
constexpr std::size_t queued_share = 10; ///< one in so many had to queue
constexpr double back_off = 0.9;
constexpr double learning = 0.05; ///< weight of a loan in what is usual
/// One loan counts for no more: somebody's lock is not the database's trouble.
constexpr double stretch_of_one_max = 10;
/// Added to both times: what a busy machine makes of a fraction of a millisecond says nothing.
constexpr double grain_seconds = 0.001;

} // namespace

AdaptiveLimits::AdaptiveLimits(AdaptiveOptions options)
    : options_(options),
      share_(options.lower),
      limit_(static_cast<double>(options.lower)),
      began_(MonotonicClock::now()) {
    CHECK(options_.lower >= 1 && options_.lower <= options_.upper);
}

void AdaptiveLimits::set_bounds(PoolBounds bounds) {
    CHECK(bounds.lower >= 1 && bounds.lower <= bounds.upper);
    options_.lower = bounds.lower;
    options_.upper = bounds.upper;
    keep_within_bounds();
}

void AdaptiveLimits::keep_within_bounds() {
    const double most = static_cast<double>(max_connections());
    const double least = std::min(static_cast<double>(options_.lower), most);
    limit_ = std::clamp(limit_, least, most);
}

std::size_t AdaptiveLimits::max_connections() const {
    return std::clamp<std::size_t>(share_, 1, options_.upper);
}

std::size_t AdaptiveLimits::max_used() const {
    return std::min(static_cast<std::size_t>(limit_), max_connections());
}

/// How much longer than usual it took; learns what is usual.
double AdaptiveLimits::stretch(const LoanReport& report, MonoTime now) {
    const double took = std::chrono::duration<double>(report.used).count() + grain_seconds;
    auto found = usual_.find(report.holder);
    if (found == usual_.end()) {
        if (usual_.size() >= holders_max) return 1;
        found = usual_.emplace(report.holder, Usual{took, now}).first;
        return 1;
    }
    Usual& usual = found->second;
    if (now - usual.learned > options_.forget) {
        usual = {took, now};
        return 1;
    }
    const double stretched = std::min(took / usual.seconds, stretch_of_one_max);
    if (report.queued == Duration::zero()) {
        usual.seconds *= 1 + (stretched - 1) * learning;
        usual.learned = now;
    }
    return stretched;
}

void AdaptiveLimits::learn(const LoanReport& report) {
    const MonoTime now = MonotonicClock::now();
    stretches_ += stretch(report, now);
    ++loans_;
    if (report.queued > options_.queue_target) ++queued_;
    if (loans_ >= loans_min && now - began_ >= options_.interval) judge(now);
}

void AdaptiveLimits::judge(MonoTime now) {
    if (stretches_ >= options_.stretch_max * static_cast<double>(loans_))
        limit_ *= back_off;
    else if (queued_ * queued_share >= loans_)
        limit_ += 1;
    keep_within_bounds();
    began_ = now;
    stretches_ = 0;
    loans_ = queued_ = 0;
}

} // namespace holdfast::db
