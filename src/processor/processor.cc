#include "processor/processor.h"

#include "base/log.h"
#include "net/timer.h"
#include "processor/lane.h"
#include "processor/operations.h"
#include "processor/stand_in.h"

#include <unordered_map>
#include <vector>

namespace holdfast::processor {

namespace {

/// By more than this no clock is wrong.
constexpr Duration clock_skew_max = std::chrono::hours{24 * 365};
constexpr Duration open_lane_timeout = std::chrono::seconds{10};
/// Where it can be done without.
constexpr Duration open_lane_patience = std::chrono::seconds{2};
constexpr Duration drain_poll = std::chrono::milliseconds{5};
/// How often a second request under one key looks for the answer of the first.
constexpr Duration join_pause_min = std::chrono::milliseconds{20};
constexpr Duration join_pause_max = std::chrono::milliseconds{500};
/// So long before its deadline it is told to come back: 409 is a better answer than none.
constexpr Duration join_margin = std::chrono::milliseconds{500};
/// While stand-in has nothing to drain, now and then a request tells whether the database is back.
constexpr Duration probe_interval = std::chrono::seconds{1};
/// Another process that has its database lets go of a payment at once.
constexpr Duration release_patience = std::chrono::milliseconds{500};
/// For the answer of another process, while nobody can drain: as long as an issuer takes.
constexpr Duration elsewhere_patience = std::chrono::seconds{3};

/// The submitter's hand on its ticket; letting go early withdraws what has not been decided.
class TicketHold {
  public:
    TicketHold(Intake& intake, Ticket* ticket) : intake_(intake), ticket_(ticket) {}
    ~TicketHold() { intake_.release(ticket_); }
    TicketHold(const TicketHold&) = delete;
    TicketHold& operator=(const TicketHold&) = delete;
    Ticket* operator->() const { return ticket_; }
    Ticket& operator*() const { return *ticket_; }

  private:
    Intake& intake_;
    Ticket* ticket_;
};

class CountedCall {
  public:
    explicit CountedCall(int& count) : count_(count) { ++count_; }
    ~CountedCall() { --count_; }
    CountedCall(const CountedCall&) = delete;
    CountedCall& operator=(const CountedCall&) = delete;

  private:
    int& count_;
};

Error draining_error() {
    return {.kind = ErrorClass::Unavailable,
            .code = "processor_draining",
            .message = "This process is ending; nothing was done.",
            .retryable = true};
}

Error unknown_result() {
    return {.kind = ErrorClass::Unknown,
            .code = "commit_pending",
            .message =
                "The time was used up while the result was being written; "
                "a retry under the same key tells.",
            .retryable = true};
}

/// In the path of a request, or in a parameter of a refund.
bool is_missing_payment(const Error& error) {
    return error.code == "resource_missing" &&
           (error.param == "intent" || error.param == "payment_intent");
}

/// The database could not be reached, or not used: not a word about the command itself.
bool is_outage(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Unavailable:
        case ErrorClass::Deadline:
        case ErrorClass::Unknown: return error.code != "cancelled";
        case ErrorClass::Overload: return error.code == "lock_timeout";
        default: return false;
    }
}

class BatchingProcessor final : public Processor {
  public:
    BatchingProcessor(net::Loop& loop, Env& env, store::Store& store, gateway::Connector& connector,
                      const core::Identity& identity, AccountLookup accounts, Options options,
                      CommandLogs logs, Marks marks)
        : store_(store),
          options_(options),
          accounts_(std::move(accounts)),
          instance_(Uuid::time_ordered(env)),
          clock_(env),
          metrics_(options_.metrics),
          context_(loop, env, options_,
                   Rules{identity, [this](Id<core::Account> id) { return find_account(id); },
                         instance_, options_.operation_ttl},
                   clock_, metrics_,
                   [this](core::Operation started) { operations_.carry_on(std::move(started)); }),
          operations_(
              loop, env, store, connector, options_, clock_, metrics_,
              [this](core::Command c, Deadline d) { return enter(std::move(c), d); }, instance_),
          gate_(loop, "processor") {
        if (!logs.own) return;
        stand_in_ = std::make_unique<StandIn>(
            loop, env, connector, context_.rules, clock_, std::move(logs),
            [this](core::Command c, Deadline d) { return enter(std::move(c), d); },
            [this](std::int32_t wanted_ppm, Duration lease, Deadline d) {
                return store_.renew_floor_share(options_.name, wanted_ppm, lease, d);
            },
            operations_, marks,
            StandInOptions{.acquirer_timeout = options_.acquirer_timeout,
                           .unauthorized_max = options_.unauthorized_max,
                           .floor_use = options_.floor_use,
                           .floor_renewal = options_.floor_renewal,
                           .metrics = options_.metrics});
        operations_.answer_away_by([this](core::Operation operation, core::Command record) {
            return stand_in_->pay_away(std::move(operation), std::move(record));
        });
        context_.on_durable = [this](const RecentRows::Changes& changes) {
            payments_committed_ = MonotonicClock::now();
            stand_in_->recent().note(changes);
            stand_in_->ended();
        };
    }

    Task<void> open();

    Task<core::Verdict> submit(core::Command command, Deadline deadline) override;
    Task<Outcome> pay(core::Command command, Deadline deadline) override;
    Task<Outcome> carry_out(core::Command command, Deadline deadline) override;
    Task<Outcome> conclude(core::Operation operation, Deadline deadline) override;
    bool database_away() const override { return stand_in_ && stand_in_->away(); }
    std::size_t payments_to_drain() const override {
        return stand_in_ ? stand_in_->open_payments() : 0;
    }
    Here<core::PaymentIntent> find_here(Id<core::Account> account,
                                        Id<core::PaymentIntent> id) const override {
        return stand_in_ ? stand_in_->find(account, id) : std::nullopt;
    }
    Here<core::PaymentMethod> find_here(Id<core::Account> account,
                                        Id<core::PaymentMethod> id) const override {
        return stand_in_ ? stand_in_->find(account, id) : std::nullopt;
    }
    Here<core::Charge> find_here(Id<core::Account> account, Id<core::Charge> id) const override {
        return stand_in_ ? stand_in_->find(account, id) : std::nullopt;
    }
    Task<bool> take_over(core::Operation operation) override;
    WallTime stale_before() override;
    Duration queue_delay() const override { return context_.intake.delay(); }
    const Uuid& instance() const override { return instance_; }
    Task<void> drain(Deadline deadline) override;

  private:
    Task<void> open_lane(Track track);
    Task<core::Verdict> enter(core::Command command, Deadline deadline);
    Task<core::Verdict> join(core::Command command, Duration hold, Deadline deadline);
    Task<Outcome> pay_in_database(core::Command command, Duration hold, Deadline deadline);
    Task<Outcome> pay_or_stand_in(core::Command command, Deadline deadline);
    Task<std::optional<Outcome>> ask_its_holder(core::Command command, Deadline deadline);
    bool probes();
    Task<void> fetch_account(Id<core::Account> id, Deadline deadline);
    const core::Account* find_account(Id<core::Account> id) const;

    store::Store& store_;
    Options options_;
    AccountLookup accounts_;
    std::unordered_map<Id<core::Account>, core::Account> fetched_; ///< not known to the edge
    Uuid instance_;
    BusinessClock clock_;
    Metrics metrics_;
    LaneContext context_;
    Operations operations_;
    std::unique_ptr<StandIn> stand_in_; ///< null without a command log
    MonoTime payments_committed_{};
    MonoTime next_probe_{};
    std::vector<std::unique_ptr<LaneRunner>> runners_;
    int calls_ = 0; ///< under way from outside
    bool draining_ = false;
    net::Gate gate_;
};

Task<void> BatchingProcessor::open() {
    for (int i = 0; i < options_.lanes; ++i) CO_TRY_VOID(co_await open_lane(Track::Normal));
    CO_TRY_VOID(co_await open_lane(Track::Slow));
    CO_TRY_VOID(co_await open_lane(Track::Suspect));
    for (auto& runner : runners_) CO_TRY_VOID(gate_.spawn(runner->run()));
    if (stand_in_) CO_TRY_VOID(stand_in_->start());
    log::info("processor_started", {{"instance", instance_}});
    co_return Result<void>{};
}

/// A database that is away at the start is stood in for from the start.
Task<void> BatchingProcessor::open_lane(Track track) {
    std::unique_ptr<store::Lane> lane;
    if (!database_away()) {
        const Duration patience = stand_in_ ? open_lane_patience : open_lane_timeout;
        auto opened = co_await store_.open_lane(Deadline::after(patience));
        if (!opened && !(stand_in_ && is_outage(opened.error())))
            co_return fail(std::move(opened).error());
        if (opened)
            lane = std::move(*opened);
        else
            stand_in_->began();
    }
    auto open = [this](Deadline deadline) { return store_.open_lane(deadline); };
    runners_.push_back(
        std::make_unique<LaneRunner>(context_, std::move(lane), std::move(open), track));
    co_return Result<void>{};
}

const core::Account* BatchingProcessor::find_account(Id<core::Account> id) const {
    if (const core::Account* known = accounts_(id)) return known;
    auto found = fetched_.find(id);
    return found == fetched_.end() ? nullptr : &found->second;
}

/// A resolver meets accounts that no request has brought to this instance yet.
Task<void> BatchingProcessor::fetch_account(Id<core::Account> id, Deadline deadline) {
    CO_TRY(auto account, co_await store_.find_account(id, deadline));
    if (!account) {
        co_return fail(ErrorClass::NotFound, "account_unknown", "No such account: " + id.str());
    }
    fetched_.insert_or_assign(id, std::move(*account));
    co_return Result<void>{};
}

/// Into intake and, once durable, out of it.
Task<core::Verdict> BatchingProcessor::enter(core::Command command, Deadline deadline) {
    if (find_account(command.account) == nullptr) {
        CO_TRY_VOID(co_await fetch_account(command.account, deadline));
    }
    core::Needs needs = core::needs(command, context_.rules.identity);
    CO_TRY(Ticket * entered, context_.intake.push(std::move(command), std::move(needs), deadline));
    TicketHold ticket(context_.intake, entered);
    CO_TRY_VOID(co_await ticket->answered.wait(deadline));
    switch (ticket->state) {
        case Ticket::State::Answered: co_return std::move(*ticket->answer);
        case Ticket::State::Deciding: co_return fail(unknown_result());
        default: co_return fail(context_.expired(*ticket));
    }
}

/// A second request under one key waits for the answer of the first, wherever that runs. If its
/// instance has died that is until somebody else may take the operation over.
Task<core::Verdict> BatchingProcessor::join(core::Command command, Duration hold,
                                            Deadline deadline) {
    Duration pause = join_pause_min;
    while (true) {
        auto verdict = co_await enter(command, deadline.capped(hold));
        const bool under_way = !verdict && verdict.error().code == "idempotency_key_in_use";
        if (!under_way || draining_ || deadline.left() < pause + join_margin) co_return verdict;
        CO_TRY_VOID(co_await net::sleep_for(pause));
        pause = std::min(2 * pause, join_pause_max);
    }
}

Task<core::Verdict> BatchingProcessor::submit(core::Command command, Deadline deadline) {
    if (draining_) co_return fail(draining_error());
    CountedCall call(calls_);
    co_return co_await enter(std::move(command), deadline);
}

Task<Outcome> BatchingProcessor::pay(core::Command command, Deadline deadline) {
    if (draining_) co_return fail(draining_error());
    if (!operations_.has_room()) {
        co_return fail({.kind = ErrorClass::Overload,
                        .code = "operations_full",
                        .message = "Too many payments wait for the acquirer.",
                        .retryable = true});
    }
    CountedCall call(calls_);
    if (!stand_in_)
        co_return co_await pay_in_database(std::move(command), deadline.left(), deadline);
    co_return co_await pay_or_stand_in(std::move(command), deadline);
}

/// `hold`: how long to wait for a database that is away.
Task<Outcome> BatchingProcessor::pay_in_database(core::Command command, Duration hold,
                                                 Deadline deadline) {
    CO_TRY(core::Verdict verdict, co_await join(std::move(command), hold, deadline));
    if (verdict.started) {
        co_return co_await operations_.conclude(std::move(*verdict.started), deadline);
    }
    Outcome outcome{.replayed = verdict.replayed, .original_request = verdict.original_request};
    if (verdict.answer) outcome.answer = std::move(*verdict.answer);
    co_return outcome;
}

/// One request a second goes the ordinary way although the database is away, when nothing that is
/// to be drained tells whether it is back.
bool BatchingProcessor::probes() {
    const MonoTime now = MonotonicClock::now();
    if (stand_in_->open_payments() > 0 || now < next_probe_) return false;
    next_probe_ = now + probe_interval;
    return true;
}

/// Where another process holds the payment: its answer, or none once it has let go.
Task<std::optional<Outcome>> BatchingProcessor::ask_its_holder(core::Command command,
                                                               Deadline deadline) {
    const bool away = stand_in_->away();
    if (StandIn::can_take(command)) {
        const Duration soon = away ? Duration{} : release_patience;
        auto told = co_await stand_in_->wait_released(command, deadline.capped(soon));
        if (told) co_return told;
        auto passed = co_await stand_in_->pass_on(command, deadline);
        if (passed) co_return std::optional(*std::move(passed));
        const std::string& why = passed.error().code;
        const bool may_come = why == "peer_unreached" || why == "idempotency_key_in_use";
        if (!may_come) co_return fail(std::move(passed).error());
    }
    const Duration patience = away ? elsewhere_patience : options_.hold;
    co_return co_await stand_in_->wait_released(std::move(command), deadline.capped(patience));
}

Task<Outcome> BatchingProcessor::carry_out(core::Command command, Deadline deadline) {
    if (!stand_in_ || !stand_in_->holds(payment_key(command)) || !StandIn::can_take(command) ||
        command.stand_in)
        co_return fail(ErrorClass::Conflict, "not_held_here",
                       "This process does not hold that payment.");
    co_return co_await pay(std::move(command), deadline);
}

Task<Outcome> BatchingProcessor::pay_or_stand_in(core::Command command, Deadline deadline) {
    const MonoTime began = MonotonicClock::now();
    const core::RowKey payment = payment_key(command);
    Duration hold = options_.hold;
    if (stand_in_->held_elsewhere(command)) {
        CO_TRY(auto told, co_await ask_its_holder(command, deadline));
        if (told) co_return *std::move(told);
    }
    if (stand_in_->away()) {
        if (!probes()) co_return co_await stand_in_->pay(std::move(command), deadline);
        hold = probe_interval;
    } else if (auto told = stand_in_->answered(command)) {
        co_return *std::move(told);
    }
    auto drained = co_await stand_in_->wait_drained(command, deadline.capped(hold));
    auto paid = drained ? co_await pay_in_database(command, hold, deadline)
                        : Result<Outcome>(fail(std::move(drained).error()));
    if (paid) stand_in_->decided_here(payment);
    if (!paid && is_missing_payment(paid.error()) && stand_in_->known_elsewhere(payment))
        co_return fail(stand_in_unable(
            "The process that has accepted this payment can't be reached and the database does not "
            "have it yet; try again in a moment."));
    if (paid || !is_outage(paid.error()) || draining_) co_return paid;
    // One payment that could not be committed may be its own misfortune; when none could be in all
    // that time, it is the database.
    if (payments_committed_ <= began) stand_in_->began();
    if (!StandIn::can_take(command)) co_return paid;
    auto stood_in = co_await stand_in_->pay(std::move(command), deadline);
    // What may be on its way into the database is not undone because nobody could stand in for it.
    if (!stood_in && paid.error().kind == ErrorClass::Unknown) co_return paid;
    co_return stood_in;
}

Task<Outcome> BatchingProcessor::conclude(core::Operation operation, Deadline deadline) {
    if (draining_) co_return fail(draining_error());
    CountedCall call(calls_);
    co_return co_await operations_.conclude(std::move(operation), deadline);
}

/// Before the first batch has told the time, everything that is open may be stale: the batch that
/// refuses to take it over tells. By our own clock an idle instance that is slow would wait.
WallTime BatchingProcessor::stale_before() {
    return clock_.database_now().value_or(clock_.now() + clock_skew_max);
}

Task<bool> BatchingProcessor::take_over(core::Operation operation) {
    if (draining_) co_return fail(draining_error());
    co_return co_await operations_.take_over(std::move(operation));
}

Task<void> BatchingProcessor::drain(Deadline deadline) {
    draining_ = true;
    // What was accepted goes on to its recorded outcome, as long as there is time.
    while ((calls_ > 0 || operations_.under_way() > 0) && !deadline.passed()) {
        CO_TRY_VOID(co_await net::sleep_for(drain_poll));
    }
    if (stand_in_) CO_TRY_VOID(co_await stand_in_->stop(deadline));
    Result<void> operations_ended = co_await operations_.close(deadline);
    context_.intake.refuse_waiting(draining_error());
    context_.stop();
    Result<void> lanes_ended = co_await gate_.close(deadline);
    if (!operations_ended) co_return operations_ended;
    CO_TRY_VOID(lanes_ended); // else they still run: their lanes stay
    runners_.clear();
    log::info("processor_drained", {{"instance", instance_}});
    co_return Result<void>{};
}

} // namespace

Task<std::unique_ptr<Processor>> Processor::create(net::Loop& loop, Env& env, store::Store& store,
                                                   gateway::Connector& connector,
                                                   const core::Identity& identity,
                                                   AccountLookup accounts, Options options,
                                                   CommandLogs logs, Marks marks) {
    auto processor =
        std::make_unique<BatchingProcessor>(loop, env, store, connector, identity,
                                            std::move(accounts), options, std::move(logs), marks);
    CO_TRY_VOID(co_await processor->open());
    co_return processor;
}

} // namespace holdfast::processor
