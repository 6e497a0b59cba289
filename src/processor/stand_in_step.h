#pragma once

// What stand_in.cc (deciding and carrying out), stand_in_drain.cc and stand_in_known.cc have in
// common. Private to them.

#include "processor/stand_in.h"

namespace holdfast::processor {

/// A log that takes longer is answered for by nobody.
inline constexpr Duration log_timeout = std::chrono::seconds{60};

/// One command, from its decision until the database has it.
struct StandIn::Step {
    explicit Step(net::Loop& loop) : answered(loop, net::Event::Reset::Manual) {}

    StepNumber number = 0;     ///< 0: not on disk yet
    CommandLog* log = nullptr; ///< where it is
    core::Command command;
    std::optional<core::Operation> operation;
    std::optional<core::Command> outcome; ///< RecordOutcome, once it is known
    core::UnitOfWork work;                ///< what it changes, until it is on disk
    core::UnitOfWork before;              ///< the payment's rows without it
    FloorLimits::Exposure exposure;       ///< while the issuer's word is not known
    bool live = true;                     ///< carry_out() has it
    bool open = false;                    ///< callers hear `processing`: it stays, whatever comes
    std::optional<Result<Outcome>> answer;
    net::Event answered; ///< or given up, with the outcome open
};

struct StandIn::Payment {
    Payment(net::Loop& loop, core::RowKey k) : key(k), drained(loop, net::Event::Reset::Manual) {}

    core::RowKey key;
    core::UnitOfWork rows; ///< as stand-in has left them
    std::deque<StepPtr> steps;
    bool queued = false; ///< for the drain
    // Its rows in the database are damaged: until then it is left alone, and its callers hear why.
    MonoTime not_before{};
    Error damage;
    net::Event drained;
};

} // namespace holdfast::processor
