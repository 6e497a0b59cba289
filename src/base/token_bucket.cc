#include "base/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace holdfast {

void TokenBucket::gain(MonoTime now) {
    if (now <= counted_) return;
    add(rate_.per_second * std::chrono::duration<double>(now - counted_).count());
    counted_ = now;
}

void TokenBucket::add(double tokens) { tokens_ = std::min(rate_.burst, tokens_ + tokens); }

bool TokenBucket::take(MonoTime now) {
    gain(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

Duration TokenBucket::wait(MonoTime now) {
    gain(now);
    if (tokens_ >= 1) return Duration{0};
    const std::chrono::duration<double> left((1 - tokens_) / rate_.per_second);
    return std::chrono::ceil<Duration>(left);
}

TokenBucket& RateTable::bucket_of(std::string_view key, Rate rate, MonoTime now) {
    if (auto found = by_key_.find(key); found != by_key_.end()) {
        entries_.splice(entries_.begin(), entries_, found->second);
        return entries_.front().bucket;
    }
    if (entries_.size() >= entries_max_) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
        ++pushed_out_;
    }
    entries_.push_front({std::string(key), TokenBucket(rate, now)});
    by_key_.emplace(entries_.front().key, entries_.begin());
    return entries_.front().bucket;
}

std::optional<Duration> RateTable::take(std::string_view key, Rate rate, MonoTime now) {
    TokenBucket& bucket = bucket_of(key, rate, now);
    if (bucket.take(now)) return std::nullopt;
    return bucket.wait(now);
}

std::optional<Duration> RateTable::peek(std::string_view key, MonoTime now) {
    auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    const Duration wait = found->second->bucket.wait(now);
    return wait > Duration{0} ? std::optional(wait) : std::nullopt;
}

RetryBudget::RetryBudget(Env& env, RetryBudgetOptions options)
    : env_(env),
      share_(options.percent / 100.0),
      bucket_({.per_second = static_cast<double>(options.per_second_min),
               .burst = static_cast<double>(options.burst)},
              env.now()) {}

} // namespace holdfast
