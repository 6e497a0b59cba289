#pragma once

// SkewedEnv: the time of another Env, simulated, with a wall clock of its own, as each machine has.
// For simulations and tests of what clocks that differ do.

#include "base/env.h"

namespace holdfast {

class SkewedEnv final : public Env {
  public:
    SkewedEnv(Env& env, Duration skew) : env_(env), skew_(skew) {}

    void set_skew(Duration skew) { skew_ = skew; }

    MonoTime now() override { return env_.now(); }
    WallTime wall() override { return env_.wall() + skew_; }
    void fill_random(std::span<std::byte> out) override { env_.fill_random(out); }
    int pid() override { return env_.pid(); }
    std::string hostname() override { return env_.hostname(); }
    bool simulated() const override { return true; }
    void note_wakeup(MonoTime when) override { env_.note_wakeup(when); }

  private:
    Env& env_;
    Duration skew_;
};

} // namespace holdfast
