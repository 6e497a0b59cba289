#pragma once

// Env: the only door to time, randomness, host and process identity.
//
// Everything nondeterministic comes through an Env, so that the same code runs in production on
// RealEnv and, thousands of times faster than real time, on SimEnv, where a seed decides
// everything. tools/tidy refuses raw clocks, random sources, getenv and pids outside src/base.
//
// Two kinds of time, never mixed: MonoTime for durations, deadlines and leases; WallTime for what
// is stored and shown. Both in microseconds.
//
// Timers of net/ are driven by MonotonicClock, which asks the Env installed on this thread.
// SimEnv collects their wake-up times: when nothing is runnable, the simulator moves time to the
// next one (see net/sim_loop.h).
//
// Thread: an Env belongs to the loop of one thread; RealEnv is safe from any.

#include "base/result.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

using Duration = std::chrono::microseconds;

class Env;

/// The clock of all timers and deadlines; meets Clock, usable with asio::basic_waitable_timer.
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock, duration>;
    static constexpr bool is_steady = true;
    static time_point now();
};

using MonoTime = MonotonicClock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

inline std::int64_t unix_seconds(WallTime t) {
    return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}
inline std::int64_t unix_micros(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime wall_from_micros(std::int64_t us) {
    return WallTime{std::chrono::microseconds{us}};
}

class Env {
  public:
    Env() = default;
    Env(const Env&) = delete;
    Env& operator=(const Env&) = delete;
    virtual ~Env() = default;

    virtual MonoTime now() = 0;
    virtual WallTime wall() = 0;
    virtual void fill_random(std::span<std::byte> out) = 0; ///< cryptographic in RealEnv
    virtual int pid() = 0;
    virtual std::string hostname() = 0;
    virtual bool simulated() const = 0;
    /// A timer will fire at `when`; SimEnv remembers it, RealEnv does not care.
    virtual void note_wakeup(MonoTime when) = 0;

    std::uint64_t random_u64();
    /// Uniform in [0, bound); bound > 0.
    std::uint64_t random_below(std::uint64_t bound);

    /// Makes this Env the one behind MonotonicClock on the calling thread; RealEnv if none is.
    void install();
    static Env& current();
};

class RealEnv final : public Env {
  public:
    MonoTime now() override;
    WallTime wall() override;
    void fill_random(std::span<std::byte> out) override;
    int pid() override;
    std::string hostname() override;
    bool simulated() const override { return false; }
    void note_wakeup(MonoTime) override {}
};

class SimEnv final : public Env {
  public:
    explicit SimEnv(std::uint64_t seed);
    ~SimEnv() override;
    MonoTime now() override { return now_; }
    WallTime wall() override { return wall_start_ + (now_ - start_) + wall_skew_; }
    void fill_random(std::span<std::byte> out) override;
    int pid() override { return 4711; }
    std::string hostname() override { return "sim"; }
    bool simulated() const override { return true; }
    void note_wakeup(MonoTime when) override;

    void advance(Duration by) { now_ += by; }
    void set_wall_skew(Duration skew) { wall_skew_ = skew; }
    /// Moves time to the next noted wake-up not after `limit`; false when there is none.
    bool advance_to_next_wakeup(MonoTime limit);

  private:
    MonoTime start_{std::chrono::hours{1}};
    MonoTime now_ = start_;
    WallTime wall_start_{std::chrono::seconds{1'790'000'000}};
    Duration wall_skew_{};
    std::mt19937_64 random_;
    std::set<MonoTime> wakeups_;
};

/// Stops the calling thread: for start-up and tools, never on a loop (that is net/timer.h).
void block_thread(Duration duration);

/// A value from the process environment, or empty. Here because raw getenv is banned elsewhere.
std::string environment_variable(const char* name);
/// All variables whose names begin with `prefix`.
std::map<std::string, std::string> environment_variables(std::string_view prefix);

} // namespace holdfast
