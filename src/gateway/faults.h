#pragma once

// Faults: how an acquirer misbehaves on purpose, the same in the simulator and over HTTP.
//
// A FaultPlan gives each FaultKind a probability, and optionally how often and for which calls. For
// every call a FaultInjector draws from its seed: a Delay may come with any one of the others,
// which exclude each other (the first that is hit, in the order of FaultKind). The same seed, plan
// and order of calls give the same faults.
//
// What they do to the books, which is what matters to whoever asked:
//   delay         waits first: decided later than asked, refused if valid_until has passed
//   lose_answer   decided and booked; the caller never hears of it
//   answer_twice  decided twice, as if the message had been doubled on its way; two answers
//   book_late     the caller is cut off at once, the decision is made after the delay
//   disconnect    the caller is cut off; nothing is decided
//   server_error  a 500; decided before that or not at all, as the seed says
//
// Thread: one.

#include "base/env.h"
#include "core/operation.h"

#include <array>
#include <optional>
#include <random>
#include <string_view>

namespace holdfast::gateway {

enum class FaultKind : std::uint8_t {
    Delay,
    LoseAnswer,
    AnswerTwice,
    BookLate,
    Disconnect,
    ServerError,
};
inline constexpr auto fault_names = std::to_array<std::string_view>(
    {"delay", "lose_answer", "answer_twice", "book_late", "disconnect", "server_error"});
inline constexpr std::size_t fault_kinds = fault_names.size();

enum class CallKind : std::uint8_t { Execute, Inquire, Reverse };
inline constexpr auto call_names =
    std::to_array<std::string_view>({"execute", "inquire", "reverse"});
inline constexpr std::size_t call_kinds = call_names.size();

inline constexpr std::int32_t certain_ppm = 1'000'000;

struct FaultMode {
    std::int32_t probability_ppm = 0;   ///< parts per million of the calls
    std::optional<std::uint64_t> count; ///< at most so often; empty: without end
    Duration delay_min{};               ///< of Delay and BookLate: uniform between these
    Duration delay_max{};
    std::array<bool, call_kinds> calls{true, true, true};
};

struct FaultPlan {
    std::uint64_t seed = 1;
    std::array<FaultMode, fault_kinds> modes;

    FaultMode& operator[](FaultKind kind) { return modes[static_cast<std::size_t>(kind)]; }
    const FaultMode& operator[](FaultKind kind) const {
        return modes[static_cast<std::size_t>(kind)];
    }
};

/// What happens to one call.
struct Fate {
    Duration delay{};               ///< before anything is decided
    std::optional<FaultKind> fault; ///< never Delay
    bool decided = true;            ///< of ServerError
    Duration late{};                ///< of BookLate: this long after the caller was cut off
    bool is(FaultKind kind) const { return fault == kind; }
};

class FaultInjector {
  public:
    explicit FaultInjector(FaultPlan plan = {}) { set(plan); }

    void set(FaultPlan plan); ///< starts the seed and the counts anew
    /// As it was set, with what is left of the counts.
    const FaultPlan& plan() const { return plan_; }
    /// How often each has hit since it was set.
    const std::array<std::uint64_t, fault_kinds>& hits() const { return hits_; }

    Fate next(CallKind call);

  private:
    bool hit(FaultKind kind, CallKind call);
    Duration delay_of(FaultKind kind);

    FaultPlan plan_;
    std::mt19937_64 random_;
    std::array<std::uint64_t, fault_kinds> hits_{};
};

} // namespace holdfast::gateway
