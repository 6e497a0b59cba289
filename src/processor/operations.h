#pragma once

// Operations: runs what a verdict has started, at the acquirer, to its recorded outcome.
//
// An operation is durable before it comes here. Until its valid_until it is ours alone; after that
// it belongs to whoever claims it by compare-and-set (resolver.h), us included. By what the
// acquirer says:
//
//   Approved, Declined   recorded, again and again until it is durable or somebody else has done it
//   Unavailable          certainly not sent (an open breaker is one reason): execute again after
//                        a pause, as if nothing had been tried
//   Unknown              inquire, with growing pauses
//   NotFound             no answer while the first request may still arrive. The acquirer executes
//                        a reference once, so we execute the same reference again: a capture, void
//                        or refund until it is done, an authorization a few times, and after it
//                        was taken over once if it is young enough that somebody may still wait
//                        for it. After that an authorization is reversed
//   a refusal            (Invalid, Conflict ...: neither a decision nor a doubt) reversed, of
//                        whatever kind: asking again would be refused again, for ever
//
// Reversing: first the decision is made durable (ClaimOperation::to_reverse), from when on nobody
// can record an approval; then the reference is reversed, which undoes what was booked and makes
// the acquirer refuse a late arrival; then Reversed is recorded. However late a message arrives,
// books and ledger agree.
//
// What the acquirer may have heard already is repeated only as the retry budget allows
// (base/token_bucket.h); an attempt that was not sent and the first inquiry after a lost answer are
// not repeats. Without budget a repeat waits for the next pause.
//
// The time for all this is the rest of valid_until less a margin, on the monotonic clock, so that
// as a rule nobody else acts meanwhile. What is still open then is left to the resolvers.
//
// conclude() waits for the end of that work, or for the caller's deadline: then the answer shows
// the payment as it is (processing) and the work goes on. A second conclude() of one operation
// joins the first. Work runs in a Gate, at most operations_max at once. On the loop of the
// instance.

#include "base/token_bucket.h"
#include "processor/business_clock.h"
#include "processor/metrics.h"
#include "processor/processor.h"
#include "processor/remedy.h"

#include <memory>
#include <optional>
#include <unordered_map>

namespace holdfast::processor {

class Operations {
  public:
    /// How a command gets into the database; Processor::submit without its limits.
    using Submit = std::function<Task<core::Verdict>(core::Command, Deadline)>;
    /// What may be answered to an outcome that the database can't be told now (stand_in.h).
    using AnswerAway = std::function<Task<Outcome>(core::Operation, core::Command)>;

    Operations(net::Loop& loop, Env& env, store::Store& store, gateway::Connector& connector,
               const Options& options, BusinessClock& clock, Metrics& metrics, Submit submit,
               Uuid instance);

    /// Before the first operation; without it, callers wait for the database.
    void answer_away_by(AnswerAway answer) { answer_away_ = std::move(answer); }

    /// Room for one more; asked before something is started that could not be refused later.
    bool has_room() const;
    std::size_t under_way() const { return flights_.size(); }

    Task<Outcome> conclude(core::Operation operation, Deadline deadline);
    /// Carries on an operation that nobody waits for; with its outcome, where that is known.
    void carry_on(core::Operation operation, std::optional<core::OperationOutcome> known = {});
    /// Claims an operation past its valid_until and runs it to its end. False: it is somebody
    /// else's, or done.
    Task<bool> take_over(core::Operation operation);

    Task<void> close(Deadline deadline);

  private:
    struct Flight;
    using FlightPtr = std::shared_ptr<Flight>;
    enum class Step : std::uint8_t { Execute, Inquire, Reverse };

    Task<void> fly(FlightPtr flight);
    Task<core::OperationOutcome> find_out(FlightPtr flight);
    bool may_ask(const Flight& flight, Step step);
    void note_asked(Flight& flight, Step step, const Result<gateway::AcquirerAnswer>& answer);
    Task<gateway::AcquirerAnswer> ask(FlightPtr flight, Step step);
    Step next_step(Flight& flight, Step step, const Result<gateway::AcquirerAnswer>& answer);
    Task<void> decide_to_reverse(FlightPtr flight);
    Task<WallTime> claim(core::Operation operation, bool to_reverse);
    MonoTime window_of(const core::Operation& operation);
    Task<core::Verdict> record(FlightPtr flight, core::OperationOutcome outcome);
    Task<Outcome> open_answer(core::Operation operation);
    FlightPtr launch(core::Operation operation, std::optional<core::OperationOutcome> known = {});
    FlightPtr prepare(core::Operation operation, bool taken_over);
    void land(Flight& flight, std::optional<Outcome> outcome);

    net::Loop& loop_;
    Env& env_;
    store::Store& store_;
    gateway::Connector& connector_;
    const Options& options_;
    BusinessClock& clock_;
    Metrics& metrics_;
    Submit submit_;
    AnswerAway answer_away_;
    Uuid instance_;
    RetryBudget retries_;
    net::Gate gate_;
    std::unordered_map<Id<core::Operation>, FlightPtr> flights_;
};

} // namespace holdfast::processor
