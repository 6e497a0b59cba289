#include "processor/operations.h"

#include "base/log.h"
#include "core/snapshot.h"
#include "net/timer.h"
#include "processor/acquirer_word.h"

#include <array>

namespace holdfast::processor {

namespace {

constexpr Duration inquiry_timeout = std::chrono::seconds{5};
constexpr Duration retry_first = std::chrono::milliseconds{50};
constexpr Duration retry_cap = std::chrono::seconds{2};
constexpr Duration record_timeout = std::chrono::seconds{5};
/// So long the caller waits for the database, where it can be answered without.
constexpr Duration record_patience = std::chrono::milliseconds{500};
constexpr Duration open_answer_timeout = std::chrono::milliseconds{500};
/// How often an authorization is sent under one reference before it is reversed.
constexpr int executions_max = 3;
/// So long somebody may still wait for the answer: Stripe's clients do for 80 s.
constexpr Duration wanted_for = std::chrono::seconds{60};

bool is_cancelled(const Error& error) { return error.code == "cancelled"; }

/// The state of a record that a retry can't change: somebody has recorded, or taken it over.
bool is_final(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Conflict:
        case ErrorClass::NotFound:
        case ErrorClass::Invalid:
        case ErrorClass::Bug: return true;
        default: return false;
    }
}

Error still_open() {
    return {.kind = ErrorClass::Unknown,
            .code = "operation_open",
            .message = "The acquirer's decision is not known yet."};
}

} // namespace

/// One operation under way here.
struct Operations::Flight {
    Flight(net::Loop& loop, core::Operation op)
        : operation(std::move(op)), landed(loop, net::Event::Reset::Manual) {}

    core::Operation operation;
    MonoTime window_end;
    std::optional<core::OperationOutcome> known; ///< learned in stand-in
    int executions = 0;                          ///< that may have been sent
    std::array<bool, 3> asked{};                 ///< the acquirer may have heard this Step before
    bool may_be_known = false;                   ///< the acquirer may have heard of it
    bool was_unknown = false;
    std::optional<Outcome> outcome; ///< empty: left to the resolvers
    net::Event landed;
};

Operations::Operations(net::Loop& loop, Env& env, store::Store& store,
                       gateway::Connector& connector, const Options& options, BusinessClock& clock,
                       Metrics& metrics, Submit submit, Uuid instance)
    : loop_(loop),
      env_(env),
      store_(store),
      connector_(connector),
      options_(options),
      clock_(clock),
      metrics_(metrics),
      submit_(std::move(submit)),
      instance_(instance),
      retries_(env, {.percent = options.retry_percent}),
      gate_(loop, "operations") {}

bool Operations::has_room() const {
    return flights_.size() < static_cast<std::size_t>(options_.operations_max);
}

/// So long we act on it.
MonoTime Operations::window_of(const core::Operation& operation) {
    return env_.now() + (operation.valid_until - clock_.shared()) - options_.operation_margin;
}

Operations::FlightPtr Operations::prepare(core::Operation operation, bool taken_over) {
    auto flight = std::make_shared<Flight>(loop_, std::move(operation));
    flight->window_end = window_of(flight->operation);
    if (taken_over) {
        const bool wanted = clock_.shared() - flight->operation.started < wanted_for;
        flight->executions = wanted ? executions_max - 1 : executions_max;
        flight->may_be_known = flight->was_unknown = true;
        metrics_.unknown_began();
    }
    flights_.emplace(flight->operation.id, flight);
    metrics_.operations_under_way(flights_.size());
    return flight;
}

void Operations::land(Flight& flight, std::optional<Outcome> outcome) {
    if (outcome || !flight.landed.is_set()) flight.outcome = std::move(outcome);
    flights_.erase(flight.operation.id);
    metrics_.operations_under_way(flights_.size());
    flight.landed.set();
}

/// Begins to run an operation, unless it is under way.
Operations::FlightPtr Operations::launch(core::Operation operation,
                                         std::optional<core::OperationOutcome> known) {
    if (auto found = flights_.find(operation.id); found != flights_.end()) return found->second;
    FlightPtr flight = prepare(std::move(operation), false);
    flight->known = std::move(known);
    if (auto spawned = gate_.spawn(fly(flight)); !spawned) land(*flight, std::nullopt);
    return flight;
}

void Operations::carry_on(core::Operation operation, std::optional<core::OperationOutcome> known) {
    (void)launch(std::move(operation), std::move(known));
}

Task<Outcome> Operations::conclude(core::Operation operation, Deadline deadline) {
    FlightPtr flight = launch(std::move(operation));
    // Whatever happens here, the operation is durable: no error may say that nothing was done.
    Result<bool> landed = co_await flight->landed.wait(deadline);
    if (landed && *landed && flight->outcome) co_return *flight->outcome;
    metrics_.left_pending();
    co_return co_await open_answer(flight->operation);
}

/// The object as it is while the acquirer's decision is open.
Task<Outcome> Operations::open_answer(core::Operation operation) {
    Deadline deadline = Deadline::after(open_answer_timeout);
    Outcome outcome{.pending = true};
    if (operation.kind == core::OperationKind::Refund) {
        auto refund = co_await store_.find(operation.account, operation.refund, deadline);
        if (refund && *refund) outcome.answer.object = core::snapshot(**refund);
    } else {
        auto payment = co_await store_.find(operation.account, operation.payment_intent, deadline);
        if (payment && *payment) outcome.answer.object = core::snapshot(**payment);
    }
    if (outcome.answer.object.bytes.empty()) co_return fail(still_open());
    co_return outcome;
}

/// The operation is ours from now on; answers with until when at least, by the database's clock,
/// which gave us operation_ttl at some moment after we asked. Before that batch our own may be all
/// we have, and wrong by hours.
Task<WallTime> Operations::claim(core::Operation operation, bool to_reverse) {
    core::ClaimOperation claim{.payment_intent = operation.payment_intent,
                               .operation = operation.id,
                               .expected_owner = operation.owner,
                               .new_owner = instance_,
                               .to_reverse = to_reverse};
    const MonoTime asked = env_.now();
    CO_TRY(auto claimed, co_await submit_(command_for(operation, clock_.now(), claim),
                                          Deadline::after(record_timeout)));
    co_return clock_.shared() - (env_.now() - asked) + options_.operation_ttl;
}

Task<bool> Operations::take_over(core::Operation operation) {
    if (flights_.contains(operation.id)) co_return false;
    auto until = co_await claim(operation, false);
    if (!until && is_final(until.error())) co_return false;
    CO_TRY(operation.valid_until, std::move(until));
    operation.owner = instance_;
    if (flights_.contains(operation.id)) co_return false;
    FlightPtr flight = prepare(std::move(operation), true);
    CO_TRY_VOID(co_await fly(flight));
    co_return flight->outcome.has_value();
}

Task<void> Operations::fly(FlightPtr flight) {
    Result<core::OperationOutcome> found = co_await find_out(flight);
    if (flight->was_unknown) metrics_.unknown_ended();
    if (!found) {
        land(*flight, std::nullopt);
        if (is_cancelled(found.error()) || found.error().code == "operation_open") {
            co_return Result<void>{};
        }
        co_return fail(std::move(found).error());
    }
    core::OperationState state = found->state;
    auto recorded = co_await record(flight, std::move(*found));
    if (!recorded) {
        land(*flight, std::nullopt);
        co_return Result<void>{};
    }
    metrics_.operation_ended(flight->operation.kind, state);
    if (flight->was_unknown) {
        metrics_.unknown_resolved(clock_.now() - flight->operation.started);
    }
    if (recorded->started) carry_on(std::move(*recorded->started)); // what follows by itself
    Outcome outcome;
    if (recorded->answer) outcome.answer = std::move(*recorded->answer);
    land(*flight, std::move(outcome));
    co_return Result<void>{};
}

Task<core::OperationOutcome> Operations::find_out(FlightPtr flight) {
    if (flight->known) co_return *flight->known;
    Backoff backoff(env_, retry_first, retry_cap);
    Step step = flight->may_be_known ? Step::Inquire : Step::Execute;
    if (flight->operation.reversing) step = Step::Reverse;
    while (env_.now() < flight->window_end) {
        if (!may_ask(*flight, step)) {
            MonoTime wake = std::min(env_.now() + backoff.next(), flight->window_end);
            CO_TRY_VOID(co_await net::sleep_until(wake));
            continue;
        }
        auto answer = co_await ask(flight, step);
        note_asked(*flight, step, answer);
        if (!answer && is_cancelled(answer.error())) co_return fail(std::move(answer).error());
        if (!answer && answer.error().code == "operation_open") break;
        if (answer && answer->finding != gateway::Finding::NotFound) co_return outcome_of(*answer);
        if (!answer) {
            log::warn("acquirer_call_failed",
                      {{"operation", flight->operation.id}, {"error", to_string(answer.error())}});
        }
        Step next = next_step(*flight, step, answer);
        bool at_once = next != step; // a lost answer is usually there to be asked for
        step = next;
        if (at_once) continue;
        MonoTime wake = std::min(env_.now() + backoff.next(), flight->window_end);
        CO_TRY_VOID(co_await net::sleep_until(wake));
    }
    co_return fail(still_open());
}

/// Asking for the first time is free; a repeat needs the budget.
bool Operations::may_ask(const Flight& flight, Step step) {
    if (!flight.asked[static_cast<std::size_t>(step)]) return true;
    const bool granted = retries_.take();
    metrics_.retried(granted);
    return granted;
}

void Operations::note_asked(Flight& flight, Step step,
                            const Result<gateway::AcquirerAnswer>& answer) {
    const bool unsent = !answer && answer.error().kind == ErrorClass::Unavailable;
    if (unsent) return;
    if (step == Step::Execute) ++flight.executions;
    if (!std::exchange(flight.asked[static_cast<std::size_t>(step)], true)) retries_.note_call();
}

Task<gateway::AcquirerAnswer> Operations::ask(FlightPtr flight, Step step) {
    Deadline window = Deadline::at(flight->window_end);
    switch (step) {
        case Step::Execute:
            co_return co_await connector_.execute(flight->operation,
                                                  window.capped(options_.acquirer_timeout));
        case Step::Inquire:
            co_return co_await connector_.inquire(flight->operation.id,
                                                  window.capped(inquiry_timeout));
        case Step::Reverse: break;
    }
    if (!flight->operation.reversing) CO_TRY_VOID(co_await decide_to_reverse(flight));
    co_return co_await connector_.reverse(flight->operation.id, window.capped(inquiry_timeout));
}

Operations::Step Operations::next_step(Flight& flight, Step step,
                                       const Result<gateway::AcquirerAnswer>& answer) {
    if (step == Step::Reverse) return Step::Reverse;
    if (!answer) {
        if (step == Step::Execute && is_refusal(answer.error())) return Step::Reverse;
        // Unavailable: certainly not sent. Of everything else the acquirer may have heard.
        bool unsent = answer.error().kind == ErrorClass::Unavailable;
        if (step == Step::Execute && unsent && !flight.may_be_known) return Step::Execute;
        flight.may_be_known = true;
        if (!std::exchange(flight.was_unknown, true)) metrics_.unknown_began();
        return Step::Inquire;
    }
    // What follows once money is held must come to pass; asking for it may be given up.
    bool again = !asks_for_money(flight.operation.kind) || flight.executions < executions_max;
    return again ? Step::Execute : Step::Reverse;
}

/// Error "operation_open": it is not ours any more, or somebody has recorded its outcome.
Task<void> Operations::decide_to_reverse(FlightPtr flight) {
    auto until = co_await claim(flight->operation, true);
    if (!until && is_final(until.error())) co_return fail(still_open());
    CO_TRY(flight->operation.valid_until, std::move(until));
    flight->operation.reversing = true;
    flight->window_end = window_of(flight->operation);
    co_return Result<void>{};
}

/// Returns once the outcome is durable; an Error when somebody else has settled the operation, or
/// this process ends.
Task<core::Verdict> Operations::record(FlightPtr flight, core::OperationOutcome outcome) {
    const core::Operation& operation = flight->operation;
    Backoff backoff(env_, retry_first, retry_cap);
    Duration timeout = answer_away_ ? record_patience : record_timeout;
    for (;;) {
        core::Command command =
            command_for(operation, clock_.now(), core::record_outcome(operation, outcome));
        auto recorded = co_await submit_(command, Deadline::after(timeout));
        if (recorded || is_cancelled(recorded.error())) co_return recorded;
        log::warn("outcome_not_recorded",
                  {{"operation", operation.id}, {"error", to_string(recorded.error())}});
        if (is_final(recorded.error())) co_return recorded;
        if (answer_away_ && !flight->landed.is_set()) {
            auto told = co_await answer_away_(operation, std::move(command));
            if (told) {
                flight->outcome = std::move(*told);
                flight->landed.set(); // for the callers; we go on until it is durable
            }
        }
        timeout = record_timeout;
        CO_TRY_VOID(co_await net::sleep_for(backoff.next()));
    }
}

Task<void> Operations::close(Deadline deadline) { return gate_.close(deadline); }

} // namespace holdfast::processor
