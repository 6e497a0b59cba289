#pragma once

// CircuitBreaker: stops calling an endpoint that fails, and finds out when it is back.
//
//   closed     every call goes through. It opens after `failures_in_a_row`, or when
//              `failure_percent` of at least `calls_min` calls within `window` have failed
//   open       no call goes through, for a time that doubles from `open_first` to `open_max` as
//              probes go on failing, each time between half and all of that, so that instances
//              that opened together don't probe together
//   half-open  at most `probes_max` calls go through at once; `probes_to_close` successes close
//              it, one failure opens it again
//
//   auto permit = breaker.admit();
//   if (!permit) return fail(ErrorClass::Unavailable, ...);     // certainly not sent
//   auto answer = co_await call();
//   answer ? permit->succeeded() : permit->failed();
//
// What counts as a failure is for the caller to say: that the endpoint can't be talked to, not that
// it said no. A permit that is dropped without a word (the call was cancelled) counts as nothing
// and frees its place. Words about calls of an earlier state are ignored: a call that was under way
// when the breaker opened says nothing about the endpoint as it is now.
//
// No timers: time is looked at in admit(). One per endpoint and process; outlives its permits. On
// one thread. Source: M. Nygard, Release It!, "Circuit Breaker".

#include "base/env.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace holdfast {

struct BreakerOptions {
    int failures_in_a_row = 10;
    int failure_percent = 50;
    int calls_min = 20;
    Duration window = std::chrono::seconds{10};
    Duration open_first = std::chrono::milliseconds{200};
    Duration open_max = std::chrono::seconds{2};
    int probes_max = 1;
    int probes_to_close = 2;
};

class CircuitBreaker {
  public:
    enum class State : std::uint8_t { Closed, HalfOpen, Open };

    /// The right to make one call; say how it ended.
    class Permit {
      public:
        Permit(Permit&& other) noexcept
            : breaker_(std::exchange(other.breaker_, nullptr)), era_(other.era_) {}
        Permit& operator=(Permit&&) = delete;
        ~Permit() { end(Word::None); }

        void succeeded() { end(Word::Success); }
        void failed() { end(Word::Failure); }

      private:
        friend class CircuitBreaker;
        enum class Word : std::uint8_t { None, Success, Failure };
        Permit(CircuitBreaker& breaker, std::uint64_t era) : breaker_(&breaker), era_(era) {}
        void end(Word word) {
            if (auto* breaker = std::exchange(breaker_, nullptr)) breaker->ended(era_, word);
        }

        CircuitBreaker* breaker_;
        std::uint64_t era_;
    };

    /// `on_change` hears of each new state, after it has been entered.
    CircuitBreaker(Env& env, BreakerOptions options, std::function<void(State)> on_change = {});
    CircuitBreaker(const CircuitBreaker&) = delete;
    CircuitBreaker& operator=(const CircuitBreaker&) = delete;

    /// Nothing when the call must not be made now.
    std::optional<Permit> admit();

    State state() const { return state_; }
    std::uint64_t refused() const { return refused_; }
    std::uint64_t opened() const { return opened_; }

  private:
    struct Counts {
        int calls = 0, failures = 0;
    };

    void ended(std::uint64_t era, Permit::Word word);
    void count(bool failed);
    bool too_many_failures() const;
    void enter(State state);
    void open();
    void turn_window();

    Env& env_;
    BreakerOptions options_;
    std::function<void(State)> on_change_;
    State state_ = State::Closed;
    std::uint64_t era_ = 0; ///< of the state; grows with each change

    int in_a_row_ = 0;
    Counts now_, before_;   ///< this half of the window, and the one before
    MonoTime half_started_; ///< that of `now_`

    Duration open_for_;
    MonoTime open_until_;
    int probes_ = 0, probes_succeeded_ = 0;
    std::uint64_t refused_ = 0, opened_ = 0;
};

std::string_view to_string(CircuitBreaker::State state);

} // namespace holdfast
