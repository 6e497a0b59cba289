#include "base/circuit_breaker.h"

#include <algorithm>

namespace holdfast {

CircuitBreaker::CircuitBreaker(Env& env, BreakerOptions options,
                               std::function<void(State)> on_change)
    : env_(env),
      options_(options),
      on_change_(std::move(on_change)),
      half_started_(env.now()),
      open_for_(options.open_first) {}

std::optional<CircuitBreaker::Permit> CircuitBreaker::admit() {
    if (state_ == State::Open && env_.now() >= open_until_) {
        probes_ = probes_succeeded_ = 0;
        enter(State::HalfOpen);
    }
    const bool probes_out = state_ == State::HalfOpen && probes_ >= options_.probes_max;
    if (state_ == State::Open || probes_out) {
        ++refused_;
        return std::nullopt;
    }
    if (state_ == State::HalfOpen) ++probes_;
    return Permit(*this, era_);
}

void CircuitBreaker::ended(std::uint64_t era, Permit::Word word) {
    if (era != era_) return;
    if (state_ == State::HalfOpen) --probes_;
    if (word == Permit::Word::None) return;
    const bool failed = word == Permit::Word::Failure;
    if (state_ == State::Closed) {
        count(failed);
        if (too_many_failures()) open();
    } else if (failed) {
        open_for_ = std::min(options_.open_max, open_for_ * 2);
        open();
    } else if (++probes_succeeded_ >= options_.probes_to_close) {
        in_a_row_ = 0;
        now_ = before_ = {};
        half_started_ = env_.now();
        open_for_ = options_.open_first;
        enter(State::Closed);
    }
}

void CircuitBreaker::turn_window() {
    const Duration half = options_.window / 2;
    const Duration since = env_.now() - half_started_;
    if (since < half) return;
    before_ = since < options_.window ? now_ : Counts{};
    now_ = {};
    half_started_ = env_.now();
}

void CircuitBreaker::count(bool failed) {
    turn_window();
    ++now_.calls;
    if (failed) ++now_.failures;
    in_a_row_ = failed ? in_a_row_ + 1 : 0;
}

bool CircuitBreaker::too_many_failures() const {
    if (in_a_row_ >= options_.failures_in_a_row) return true;
    const int calls = now_.calls + before_.calls;
    const int failures = now_.failures + before_.failures;
    return calls >= options_.calls_min && failures * 100 >= calls * options_.failure_percent;
}

void CircuitBreaker::open() {
    const auto half = static_cast<std::uint64_t>(open_for_.count()) / 2;
    const auto wait = static_cast<std::int64_t>(half + env_.random_below(half + 1));
    open_until_ = env_.now() + Duration{wait};
    ++opened_;
    enter(State::Open);
}

void CircuitBreaker::enter(State state) {
    state_ = state;
    ++era_;
    if (on_change_) on_change_(state);
}

std::string_view to_string(CircuitBreaker::State state) {
    switch (state) {
        case CircuitBreaker::State::Closed: return "closed";
        case CircuitBreaker::State::HalfOpen: return "half_open";
        case CircuitBreaker::State::Open: return "open";
    }
    return {};
}

} // namespace holdfast
