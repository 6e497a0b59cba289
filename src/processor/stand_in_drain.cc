// StandIn: what happens when the database is back, and after a restart.

#include "base/damage.h"
#include "base/log.h"
#include "core/snapshot.h"
#include "processor/acquirer_word.h"
#include "processor/stand_in_step.h"

#include <algorithm>
#include <utility>

namespace holdfast::processor {

namespace {

constexpr Duration drain_timeout = std::chrono::seconds{3};
constexpr Duration drain_pause = std::chrono::milliseconds{200};
/// Where the payment's rows are damaged in the database, until somebody has repaired them.
constexpr Duration damaged_pause = std::chrono::seconds{30};
constexpr Duration idle_pause = std::chrono::seconds{5};
constexpr Duration reversal_timeout = std::chrono::seconds{5};

/// Has the database said no for good, and not only for now?
bool is_final(const Error& error) { return is_refusal(error) && !error.retryable; }

} // namespace

Result<void> StandIn::take_up(CommandLog& log) {
    for (const auto& [number, logged_step] : log.recovered()) {
        const core::RowKey key = payment_key(logged_step.command);
        PaymentPtr payment = payment_for(key);
        auto step = std::make_shared<Step>(loop_);
        step->number = number;
        step->log = &log;
        step->command = logged_step.command;
        step->outcome = logged_step.outcome;
        step->live = false;
        step->answered.set();
        TRY(const core::UnitOfWork rows, restored(logged_step.rows.objects));
        take(rows, *payment);
        core::RequestContext request = step->command.request;
        if (!logged_step.rows.operation.empty()) {
            TRY(core::Operation operation, core::decode_operation(logged_step.rows.operation));
            payment->rows.operations.load(operation);
            if (std::holds_alternative<core::RecordOutcome>(step->command.body)) {
                request = operation.request; // what began in the database answers to this one
            } else {
                if (!step->outcome) step->exposure = floor_.note(operation);
                step->operation = std::move(operation);
            }
        }
        if (!logged_step.rows.answer.empty() && !request.replay_key.is_nil()) {
            TRY(core::Answer answer, core::decode_answer(logged_step.rows.answer));
            payment->rows.replays.insert_or_assign(
                {key.account, request.replay_key},
                core::ReplayRecord{.account = key.account,
                                   .replay_key = request.replay_key,
                                   .fingerprint = request.fingerprint,
                                   .request_id = request.request_id,
                                   .created = step->command.received,
                                   .answer = std::move(answer)});
        }
        payment->steps.push_back(std::move(step));
        if (!std::exchange(payment->queued, true)) undrained_.push_back(payment);
    }
    return {};
}

Result<void> StandIn::start() {
    TRY_VOID(take_up(*log_));
    for (const auto& log : left_) TRY_VOID(take_up(*log));
    if (!payments_.empty())
        log::warn("stand_in_left_over",
                  {{"payments", static_cast<std::int64_t>(payments_.size())}});
    if (marks_.teller != nullptr) TRY_VOID(marks_.teller->start(*this));
    take_up_floor_share();
    TRY_VOID(gate_.spawn(keep_floor_share()));
    return gate_.spawn(drain());
}

/// What the process had before its restart; by a wall clock that went back nothing.
void StandIn::take_up_floor_share() {
    const std::optional<LoggedShare>& kept = log_->share();
    const WallTime now = env_.wall();
    if (kept && kept->from <= now && now < kept->until)
        floor_.hold({.ppm = kept->ppm, .until = env_.now() + (kept->until - now)});
}

/// What others are to have is not used from before it is given back, nor after a crash: when the
/// database's answer is lost, it may have it already. Nothing is given back while payments are open
/// that were accepted under it. Less than was kept is given only when that has run out long ago.
/// Returns what to want next: as much as everybody else has.
Task<std::int32_t> StandIn::renew_floor_share(std::int32_t wanted_ppm) {
    const MonoTime until = env_.now() + options_.floor_use;
    const WallTime now = env_.wall();
    auto kept = log_->share();
    if (kept && floor_.open() > 0) wanted_ppm = std::max(wanted_ppm, kept->ppm);
    floor_.lower_to(wanted_ppm);
    if (kept && kept->ppm > wanted_ppm) {
        kept->ppm = wanted_ppm;
        CO_TRY_VOID(co_await log_->keep_share(*kept, Deadline::after(log_timeout)));
    }
    CO_TRY(const store::FloorShare given,
           co_await renew_share_(wanted_ppm, options_.floor_lease,
                                 Deadline::after(options_.floor_patience)));
    LoggedShare share{.ppm = given.ppm, .from = now, .until = now + options_.floor_use};
    CO_TRY_VOID(co_await log_->keep_share(share, Deadline::after(log_timeout)));
    floor_.hold({.ppm = given.ppm, .until = until});
    co_return store::FloorShare::whole_ppm / given.holders;
}

Task<void> StandIn::keep_floor_share() {
    std::int32_t wanted = store::FloorShare::whole_ppm;
    while (true) {
        if (auto next = co_await renew_floor_share(wanted)) wanted = *next;
        if (auto slept = co_await net::sleep_for(options_.floor_renewal); !slept)
            co_return Result<void>{};
    }
}

Task<void> StandIn::drain() {
    while (true) {
        // While the database is away one payment at a time tells when it is back.
        const std::size_t width = away() ? 1 : options_.drain_width;
        for (std::size_t left = undrained_.size(); draining_ < width && left > 0; --left) {
            PaymentPtr payment = std::move(undrained_.front());
            undrained_.pop_front();
            if (payment->not_before > env_.now()) {
                undrained_.push_back(std::move(payment));
                continue;
            }
            ++draining_;
            if (auto spawned = gate_.spawn(drain_payment(payment)); !spawned)
                co_return Result<void>{};
        }
        metrics_.open(payments_.size());
        metrics_.floor(floor_.share_ppm(env_.now()), floor_.open());
        metrics_.log_bytes(log_->stats().bytes);
        const bool idle = undrained_.empty() && draining_ == 0;
        const Duration pause = idle ? idle_pause : drain_pause;
        if (auto woken = co_await work_.wait(Deadline::after(pause)); !woken)
            co_return Result<void>{};
    }
}

Task<void> StandIn::drain_payment(PaymentPtr payment) {
    while (!payment->steps.empty() && !payment->steps.front()->live) {
        StepPtr step = payment->steps.front();
        auto drained = co_await drain_step(step);
        if (!drained && is_damage(drained.error())) {
            payment->not_before = env_.now() + damaged_pause;
            payment->damage = drained.error();
        }
        if (!drained || *drained == Drained::Later) break;
        *drained == Drained::Adopted ? metrics_.adopted() : metrics_.superseded();
        log::info("stand_in_drained",
                  {{"payment", payment_of(step->command)},
                   {"account", step->command.account},
                   log::request(step->command.request.request_id),
                   {"step", step->number},
                   {"result", *drained == Drained::Adopted ? "adopted" : "superseded"}});
        step->log->settled(step->number);
        payment->steps.pop_front();
    }
    --draining_;
    if (payment->steps.empty()) {
        payments_.erase(payment->key);
        changed(payment->key);
        payment->drained.set();
        work_.set();
    } else {
        undrained_.push_back(payment); // looked at again after a pause
    }
    co_return Result<void>{};
}

Task<StandIn::Drained> StandIn::drain_step(StepPtr step) {
    auto verdict = co_await submit_(step->command, Deadline::after(drain_timeout));
    if (verdict) {
        if (!verdict->started) co_return Drained::Adopted;
        core::Operation& operation = *verdict->started;
        const bool ours = operation.request.replay_key == step->command.request.replay_key;
        std::optional<core::OperationOutcome> known;
        if (step->outcome && !operation.reversing)
            known = std::get<core::RecordOutcome>(step->outcome->body).outcome;
        // Of an attempt that another process has begun we only say what we know.
        if (known || operation.owner == rules_.instance)
            operations_.carry_on(std::move(operation), std::move(known));
        co_return ours ? Drained::Adopted : Drained::Later;
    }
    if (is_damage(verdict.error())) co_return fail(std::move(verdict).error());
    if (!is_final(verdict.error())) co_return Drained::Later;
    log::warn("stand_in_superseded", {{"payment", payment_of(step->command)},
                                      {"account", step->command.account},
                                      {"error", to_string(verdict.error())}});
    if (auto gone = co_await let_go(step); !gone) co_return Drained::Later;
    co_return Drained::Superseded;
}

/// No hold stays behind; the acquirer refuses what may still arrive.
Task<void> StandIn::let_go(StepPtr step) {
    if (!step->operation) co_return Result<void>{};
    if (step->outcome && std::get<core::RecordOutcome>(step->outcome->body).outcome.state !=
                             core::OperationState::Approved)
        co_return Result<void>{};
    CO_TRY(auto reversed,
           co_await connector_.reverse(step->operation->id, Deadline::after(reversal_timeout)));
    co_return Result<void>{};
}

Task<void> StandIn::stop(Deadline deadline) {
    gate_.cancel();
    CO_TRY_VOID(co_await gate_.close(deadline));
    if (marks_.teller != nullptr) CO_TRY_VOID(co_await marks_.teller->stop(deadline));
    std::vector<CommandLog*> logs{log_.get()};
    for (const auto& log : left_) logs.push_back(log.get());
    for (CommandLog* log : logs)
        if (auto closed = co_await log->close(deadline); !closed)
            log::error("command_log_not_closed", {{"error", to_string(closed.error())}});
    co_return Result<void>{};
}

} // namespace holdfast::processor
