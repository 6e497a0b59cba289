#include "processor/stand_in.h"

#include "base/log.h"
#include "core/snapshot.h"
#include "processor/acquirer_word.h"
#include "processor/stand_in_step.h"

#include <utility>

namespace holdfast::processor {

namespace {

constexpr Duration retry_first = std::chrono::milliseconds{50};
constexpr Duration retry_cap = std::chrono::seconds{2};
constexpr std::size_t recent_rows_max = 20'000;

using Decision = StandInMetrics::Decision;

Error no_acquirer() {
    return {.kind = ErrorClass::Unavailable,
            .code = "stand_in_no_acquirer",
            .message = "Neither the database nor the acquirer can be reached; nothing was done.",
            .retryable = true};
}

Error left_open() {
    return {.kind = ErrorClass::Unknown,
            .code = "stand_in_open",
            .message = "The acquirer's decision is not known yet."};
}

template <class T> void take_changes(const core::Rows<T>& from, core::Rows<T>& into) {
    for_each_change(from, [&](const core::RowKey&, const T& row) { into.load(row); });
}

void take_changes(const core::UnitOfWork& from, core::UnitOfWork& into) {
    take_changes(from.payment_intents, into.payment_intents);
    take_changes(from.payment_methods, into.payment_methods);
    take_changes(from.charges, into.charges);
    take_changes(from.operations, into.operations);
    for (const core::ReplayRecord& record : from.new_replays)
        into.replays.insert_or_assign({record.account, record.replay_key}, record);
}

Error attempted_elsewhere() {
    return stand_in_unable(
        "What has become of an earlier attempt at this payment is known to the "
        "database only; nothing was done.");
}

/// What the acquirer's answer says of this request; an Error where only the database can tell.
/// Somebody else may have asked under this reference before, with the database or without it: money
/// that was taken is the database's matter, and a decline may have been followed by an attempt that
/// was not declined.
Result<core::OperationOutcome> word_on(const gateway::AcquirerAnswer& answer, bool asked_before) {
    if (answer.executed_as == core::OperationKind::Sale) return fail(left_open());
    const bool approved = answer.finding == gateway::Finding::Approved;
    if (answer.repeated && !approved)
        return fail(asked_before ? left_open() : attempted_elsewhere());
    core::OperationOutcome outcome = outcome_of(answer);
    if (approved)
        outcome.executed_as = core::OperationKind::Authorize; // also for who asked to sell
    return outcome;
}

/// Is it confirmed with the payment method that it was given before?
bool pays_with_what_it_has(const core::Command& command, const core::PaymentIntent& payment) {
    const auto* confirm = std::get_if<core::ConfirmPaymentIntent>(&command.body);
    return confirm != nullptr && !confirm->payment_method && !payment.payment_method.is_nil();
}

LoggedRows logged(const core::UnitOfWork& work, const core::Operation* operation,
                  const std::optional<core::Answer>& answer) {
    LoggedRows rows;
    auto keep = [&](const core::RowKey&, const auto& row) {
        rows.objects.push_back(core::snapshot(row));
    };
    for_each_change(work.payment_intents, keep);
    for_each_change(work.payment_methods, keep);
    for_each_change(work.charges, keep);
    if (operation != nullptr) rows.operation = core::encode_operation(*operation);
    if (answer) rows.answer = core::encode_answer(*answer);
    return rows;
}

} // namespace

StandIn::StandIn(net::Loop& loop, Env& env, gateway::Connector& connector, Rules rules,
                 BusinessClock& clock, CommandLogs logs, Submit submit, RenewShare renew_share,
                 Operations& operations, Marks marks, StandInOptions options)
    : loop_(loop),
      env_(env),
      connector_(connector),
      rules_(std::move(rules)),
      clock_(clock),
      log_(std::move(logs.own)),
      left_(std::move(logs.left)),
      submit_(std::move(submit)),
      renew_share_(std::move(renew_share)),
      operations_(operations),
      marks_(marks),
      options_(options),
      floor_(options.unauthorized_max),
      recent_(recent_rows_max),
      metrics_(options.metrics),
      work_(loop, net::Event::Reset::Auto),
      gate_(loop, "stand_in") {}

StandIn::~StandIn() = default;

bool StandIn::can_take(const core::Command& command) {
    if (std::holds_alternative<core::ConfirmPaymentIntent>(command.body)) return true;
    return std::holds_alternative<core::CreatePaymentIntent>(command.body) &&
           !command.request.replay_key.is_nil();
}

/// The payment's rows, and what answers show beside it.
void StandIn::take(const core::UnitOfWork& work, Payment& payment) {
    take_changes(work, payment.rows);
    for_each_change(work.payment_methods, [&](const core::RowKey& key, const auto& row) {
        recent_.methods.note(key, row);
    });
    for_each_change(work.charges, [&](const core::RowKey& key, const auto& row) {
        recent_.charges.note(key, row);
    });
    changed(payment.key);
}

void StandIn::began() {
    if (away_since_) return;
    away_since_ = env_.now();
    unreached_since_.reset();
    metrics_.away(true);
    log::error("stand_in_began");
}

void StandIn::ended() {
    if (!away_since_) return;
    const auto lasted = env_.now() - *std::exchange(away_since_, std::nullopt);
    metrics_.away(false);
    log::warn("stand_in_ended",
              {{"away_ms", std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count()},
               {"payments_to_drain", payments_.size()}});
    work_.set();
}

/// A line each, with what a payment can be followed by: its id, its request, its step of the log
/// and its reference at the acquirer.
void StandIn::decided(StandInMetrics::Decision decision, const core::Command& command,
                      const Step* step, std::string_view why) {
    metrics_.decided(decision);
    const core::Operation* held = step != nullptr && step->operation ? &*step->operation : nullptr;
    log::info("stand_in_decided",
              {{"decision", StandInMetrics::name_of(decision)},
               {"payment", payment_of(command)},
               {"account", command.account},
               log::request(command.request.request_id),
               {"command", core::name_of(command)},
               {"step", step != nullptr ? step->number : 0},
               {"reference", held != nullptr ? held->id.str() : std::string()},
               {"amount", held != nullptr ? held->amount.minor : 0},
               {"currency", held != nullptr ? held->amount.currency.code() : std::string_view()},
               {"why", why}});
}

// --- Deciding ---------------------------------------------------------------------------------

Result<core::UnitOfWork> StandIn::load(const Payment& payment, const core::Command& command) const {
    core::UnitOfWork work;
    const core::Needs needs = core::needs(command, rules_.identity);
    auto take = [](auto& into, const auto* mine, const auto* recent) {
        if (mine == nullptr) mine = recent;
        if (mine != nullptr) into.load(*mine);
        return mine;
    };
    for (const core::RowRef& ref : needs.rows) {
        bool there = true;
        if (ref.kind == core::ObjectKind::PaymentIntent) {
            const auto* row = take(work.payment_intents, payment.rows.payment_intents.find(ref.key),
                                   recent_.payments.find(ref.key));
            there = row != nullptr;
            if (row != nullptr) {
                const core::RowKey method{ref.key.account, row->payment_method.uuid()};
                const auto* card =
                    take(work.payment_methods, payment.rows.payment_methods.find(method),
                         recent_.methods.find(method));
                there = card != nullptr || !pays_with_what_it_has(command, *row);
                take(work.operations,
                     payment.rows.operations.find({ref.key.account, row->active_operation.uuid()}),
                     static_cast<const core::Operation*>(nullptr));
                take(work.charges,
                     payment.rows.charges.find({ref.key.account, row->latest_charge.uuid()}),
                     static_cast<const core::Charge*>(nullptr));
            }
        } else if (ref.kind == core::ObjectKind::PaymentMethod) {
            there = take(work.payment_methods, payment.rows.payment_methods.find(ref.key),
                         recent_.methods.find(ref.key)) != nullptr;
        } else if (ref.kind == core::ObjectKind::Customer) {
            there = take(work.customers, static_cast<const core::Customer*>(nullptr),
                         recent_.customers.find(ref.key)) != nullptr;
        } else if (ref.kind == core::ObjectKind::Operation) {
            take(work.operations, payment.rows.operations.find(ref.key),
                 static_cast<const core::Operation*>(nullptr));
        } else {
            there = false;
        }
        if (!there && ref.access != core::Access::Claim)
            return fail(
                stand_in_unable("The database is away, and what this request names is not known "
                                "without it."));
    }
    if (!needs.replay) return work;
    if (auto mine = payment.rows.replays.find(*needs.replay); mine != payment.rows.replays.end())
        work.replays.insert(*mine);
    else if (const auto* recent = recent_.replays.find(*needs.replay))
        work.replays.emplace(*needs.replay, *recent);
    return work;
}

Result<core::Verdict> StandIn::decide(const core::Command& command, core::UnitOfWork& work) const {
    const core::Account* account = rules_.account(command.account);
    if (account == nullptr)
        return fail(stand_in_unable("The account is not known without the database."));
    const core::DecideContext context{
        .now = clock_.now(),
        .account = *account,
        .identity = rules_.identity,
        .owner = rules_.instance,
        .operation_valid_until = clock_.shared() + rules_.operation_ttl};
    return core::decide(command, work, context);
}

StandIn::PaymentPtr StandIn::payment_for(const core::RowKey& key) {
    auto [found, fresh] = payments_.try_emplace(key);
    if (fresh) found->second = std::make_shared<Payment>(loop_, key);
    return found->second;
}

void StandIn::forget_idle(const Payment& payment) {
    if (payment.steps.empty() && !payment.queued) payments_.erase(payment.key);
}

/// A step that has changed nothing yet, or one with its answer already.
Result<StandIn::StepPtr> StandIn::decide_step(Payment& payment, core::Command command) {
    const core::RowKey key = payment.key;
    const core::PaymentIntent* known = payment.rows.payment_intents.find(key);
    if (known == nullptr) known = recent_.payments.find(key);
    const bool creates = std::holds_alternative<core::CreatePaymentIntent>(command.body);
    const std::int32_t failed_attempts = known != nullptr ? known->failed_attempts : 0;
    if (!creates || known == nullptr)
        command.stand_in = core::StandIn{.reference = rules_.identity.authorization(
                                             key.account, payment_of(command), failed_attempts),
                                         .amount = {},
                                         .vault_token = {}};
    auto step = std::make_shared<Step>(loop_);
    TRY(step->work, load(payment, command));
    Result<core::Verdict> verdict = decide(command, step->work);
    if (!verdict && verdict.error().code == "stand_in_superseded")
        return fail(stand_in_unable("What became of this payment is known to the database only."));
    if (!verdict) return fail(std::move(verdict).error());
    if (verdict->answer) {
        step->answer = Outcome{.answer = std::move(*verdict->answer),
                               .replayed = verdict->replayed,
                               .original_request = verdict->original_request};
        command.stand_in.reset();
    }
    if (verdict->started) {
        CHECK(verdict->started->kind == core::OperationKind::Authorize); // never money
        command.stand_in->amount = verdict->started->amount;
        command.stand_in->vault_token = verdict->started->vault_token;
        step->operation = std::move(verdict->started);
    }
    step->command = std::move(command);
    return step;
}

Task<Outcome> StandIn::pay(core::Command command, Deadline deadline) {
    if (!can_take(command)) co_return fail(stand_in_unable("This has to wait for the database."));
    const core::RowKey key = payment_key(command);
    if (payments_.size() >= options_.payments_max && !payments_.contains(key))
        co_return fail(ErrorClass::Overload, "stand_in_full",
                       "Too many payments wait for the database.");
    PaymentPtr payment = payment_for(key);
    while (!payment->steps.empty() && payment->steps.back()->live) {
        StepPtr before = payment->steps.back();
        CO_TRY(bool done, co_await before->answered.wait(deadline));
        if (!done) co_return fail(left_open()); // it may yet be withdrawn
        if (before->live) break;                // its outcome is open: decided by the rules
    }
    payment = payment_for(key); // it may have been drained meanwhile
    auto step_made = decide_step(*payment, command);
    if (!step_made) {
        forget_idle(*payment);
        decided(Decision::Refused, command, nullptr, step_made.error().code);
        co_return fail(std::move(step_made).error());
    }
    StepPtr step = *step_made;
    if (step->answer && !step->work.payment_intents.dirty()) { // it was answered before
        forget_idle(*payment);
        co_return *step->answer;
    }
    step->before = payment->rows;
    payment->steps.push_back(step);
    if (auto spawned = gate_.spawn(carry_out(payment, step)); !spawned) {
        refuse(*payment, *step, spawned.error());
        co_return fail(spawned.error());
    }
    CO_TRY(bool done, co_await step->answered.wait(deadline));
    [[maybe_unused]] const auto heard = co_await told(key);
    if (done && step->answer) co_return *step->answer;
    const auto* row = payment->rows.payment_intents.find(key);
    if (!step->open || row == nullptr) co_return fail(left_open());
    co_return Outcome{.answer = {.object = core::snapshot(*row), .declined = {}}, .pending = true};
}

Task<Outcome> StandIn::pay_away(core::Operation operation, core::Command record) {
    using enum core::OperationKind;
    if (operation.kind != Authorize && operation.kind != Sale)
        co_return fail(stand_in_unable("This has to wait for the database."));
    PaymentPtr payment = payment_for(payment_key(record));
    core::UnitOfWork before = payment->rows;
    payment->rows.operations.load(operation);
    auto work = load(*payment, record);
    auto verdict = work ? decide(record, *work) : Result<core::Verdict>(fail(work.error()));
    auto step = std::make_shared<Step>(loop_);
    step->command = record;
    step->before = std::move(before);
    payment->steps.push_back(step);
    if (!verdict || !verdict->answer) {
        Error error = verdict ? left_open() : verdict.error();
        refuse(*payment, *step, error);
        co_return fail(std::move(error));
    }
    step->work = std::move(*work);
    step->answer = Outcome{.answer = std::move(*verdict->answer)};
    CO_TRY_VOID(co_await carry_out(payment, step));
    [[maybe_unused]] const auto heard = co_await told(payment->key);
    co_return *step->answer;
}

// --- Carrying out -----------------------------------------------------------------------------

/// It shall not have been: the payment is as before.
void StandIn::refuse(Payment& payment, Step& step, Error error) {
    decided(Decision::Refused, step.command, &step, error.code);
    payment.rows = step.before;
    changed(payment.key);
    std::erase_if(payment.steps, [&](const StepPtr& other) { return other.get() == &step; });
    forget_idle(payment);
    step.live = false;
    if (error.kind == ErrorClass::Io) error.kind = ErrorClass::Unknown; // the disk may have it
    step.answer = fail(std::move(error));
    step.answered.set();
}

Task<void> StandIn::carry_out(PaymentPtr payment, StepPtr step) {
    const core::Operation* operation = step->operation ? &*step->operation : nullptr;
    if (const auto* told = std::get_if<core::RecordOutcome>(&step->command.body))
        operation = step->work.operations.find(step->command.account, told->operation);
    std::optional<core::Answer> answer;
    if (step->answer) answer = (*step->answer)->answer;
    auto number = co_await log_->accept(step->command, logged(step->work, operation, answer),
                                        Deadline::after(log_timeout));
    if (!number) {
        refuse(*payment, *step, number.error());
        co_return Result<void>{};
    }
    step->number = *number;
    step->log = log_.get();
    take(std::exchange(step->work, {}), *payment);
    if (!std::exchange(payment->queued, true)) undrained_.push_back(payment);
    if (step->operation) {
        auto outcome = co_await authorize(step);
        if (outcome) {
            CO_TRY_VOID(co_await note_outcome(payment, step, std::move(*outcome)));
        } else if (outcome.error().kind == ErrorClass::Unavailable &&
                   outcome.error().code != "cancelled") {
            co_return co_await withdraw(payment, step, std::move(outcome).error());
        } else {
            step->open = true; // nobody withdraws it any more
            decided(Decision::Unknown, step->command, step.get(), outcome.error().code);
        }
    } else {
        decided(Decision::Accepted, step->command, step.get());
    }
    step->live = false;
    step->answered.set();
    work_.set();
    co_return Result<void>{};
}

/// It is told that nothing was done once the log says so: after a crash it would be carried out.
Task<void> StandIn::withdraw(PaymentPtr payment, StepPtr step, Error error) {
    if (auto gone = co_await log_->withdraw(step->number, Deadline::after(log_timeout)); gone)
        refuse(*payment, *step, std::move(error));
    step->live = false;
    step->answered.set();
    work_.set();
    co_return Result<void>{};
}

/// Neither the database nor the acquirer can be asked.
Result<void> StandIn::accept_unauthorized(Step& step) {
    const core::Operation& operation = *step.operation;
    const core::Account* account = rules_.account(operation.account);
    if (account == nullptr) return fail(no_acquirer());
    auto accepted = floor_.accept(*account, operation, env_.now());
    if (!accepted) {
        Error error = no_acquirer();
        error.message += " " + accepted.error().message;
        return fail(std::move(error));
    }
    step.exposure = std::move(*accepted);
    metrics_.decided(StandInMetrics::Decision::Unauthorized);
    log::warn("stand_in_unauthorized",
              {{"payment", operation.payment_intent}, {"account", operation.account}});
    return {};
}

/// Errors: Unavailable when the acquirer has certainly not heard of it; Unknown "stand_in_open".
Task<core::OperationOutcome> StandIn::authorize(StepPtr step) {
    Backoff backoff(env_, retry_first, retry_cap);
    bool may_be_known = false;
    while (true) {
        auto answer = co_await connector_.execute(*step->operation,
                                                  Deadline::after(options_.acquirer_timeout));
        if (answer) {
            unreached_since_.reset();
            co_return word_on(*answer, may_be_known);
        }
        if (answer.error().code == "cancelled") co_return fail(left_open());
        log::warn("acquirer_call_failed",
                  {{"operation", step->operation->id}, {"error", to_string(answer.error())}});
        const bool refused = is_refusal(answer.error());
        const bool unreached = answer.error().kind == ErrorClass::Unavailable;
        if (!refused && !unreached && !std::exchange(may_be_known, true))
            step->exposure = floor_.note(*step->operation);
        if (refused) unreached_since_.reset();
        if (unreached && !unreached_since_) unreached_since_ = env_.now();
        if (refused && !may_be_known) {
            const bool reused = answer.error().code == "reference_reused";
            co_return fail(reused ? attempted_elsewhere() : no_acquirer());
        }
        const bool given_up =
            unreached && env_.now() - *unreached_since_ >= options_.acquirer_patience;
        if (given_up && !may_be_known) {
            CO_TRY_VOID(accept_unauthorized(*step));
            may_be_known = true;
        }
        if (may_be_known) {
            step->open = true;
            step->answered.set(); // callers get `processing`; we go on asking
            // Too late for the acquirer: from now on the drain has it, which tells when the
            // database is back.
            const bool late = clock_.shared() >= step->operation->valid_until;
            if (late || !away()) co_return fail(left_open());
        }
        if (auto slept = co_await net::sleep_for(backoff.next()); !slept)
            co_return fail(left_open());
    }
}

Task<void> StandIn::note_outcome(PaymentPtr payment, StepPtr step, core::OperationOutcome outcome) {
    const core::Operation& operation = *step->operation;
    const bool declined = outcome.state != core::OperationState::Approved;
    step->exposure = {};
    core::Command record =
        command_for(operation, clock_.now(), core::record_outcome(operation, std::move(outcome)));
    step->outcome = record;
    CO_TRY(core::UnitOfWork work, load(*payment, record));
    CO_TRY(core::Verdict verdict, decide(record, work));
    auto written =
        co_await log_->outcome(step->number, record, logged(work, &operation, verdict.answer),
                               Deadline::after(log_timeout));
    decided(declined ? Decision::Declined : Decision::Approved, step->command, step.get(),
            written ? std::string_view() : std::string_view(written.error().code));
    step->open = true; // `processing` is true whatever the disk does
    if (!written) co_return Result<void>{};
    take(work, *payment);
    if (verdict.answer) step->answer = Outcome{.answer = std::move(*verdict.answer)};
    co_return Result<void>{};
}

} // namespace holdfast::processor
