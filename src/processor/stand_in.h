#pragma once

// StandIn: payments while the database is away (docs/concepts/stand-in.md).
//
// It is the processor's path minus PostgreSQL: the same commands are decided by the same rules
// (core/decide.h), over the rows that this instance knows (RecentRows, and what it has decided
// since), and made durable in the CommandLog instead. Only creating and confirming a payment are
// taken, and the acquirer is asked for an authorization, never for money:
//
//   accept    decided, with a reference of stand-in's own; on disk before the acquirer is called
//   authorize live; the issuer's word is on disk before the caller hears it. Declined is final;
//             approved is requires_capture, or `processing` where the money is to be taken at once
//   drain     when the database is back the same command goes through the processor. Where nothing
//             else has happened to the payment meanwhile it is adopted under that reference, the
//             outcome recorded, and what is to be captured is captured. Otherwise the database's
//             version has won and the hold is reversed
//
// So a duplicate, whoever made it, costs a temporary hold and never a charge.
//
// Other processes are told what is held here before the caller is answered (marks.h), and what they
// hold is answered from here, and left alone until they have drained it or have fallen silent.
//
// A step whose authorization certainly never reached the acquirer is accepted unauthorized where
// the merchant's floor limits allow that (floor_limits.h), else withdrawn and refused. One without
// the issuer's word is answered `processing`; the same reference is asked for again, here or by the
// drain: the acquirer executes a reference once.
//
// Steps of one payment are handled one after the other, in order. The database is away from the
// first command that could not be committed within its time until the next that is (began(),
// ended()); then nobody waits for it in vain. Limits: payments_max open, the log's size. Errors of
// pay(), all of them with nothing done: Unavailable "stand_in_unable" for what can't be decided
// here, "stand_in_no_acquirer"; Overload "stand_in_full", "journal_full"; those of the rules.
//
// On the loop of the instance; owned by the processor.

#include "base/metrics.h"
#include "gateway/connector.h"
#include "net/gate.h"
#include "processor/batch.h"
#include "processor/business_clock.h"
#include "processor/command_log.h"
#include "processor/floor_limits.h"
#include "processor/mark_teller.h"
#include "processor/operations.h"
#include "processor/processor.h"
#include "processor/recent_rows.h"
#include "processor/stand_in_metrics.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

namespace holdfast::processor {

struct StandInOptions {
    Duration acquirer_timeout = std::chrono::seconds{10};
    /// To reach it at all; once it is used up payments are refused at once, until it answers one.
    Duration acquirer_patience = std::chrono::seconds{5};
    std::size_t payments_max = 100'000;
    std::size_t drain_width = 32;                      ///< payments drained at the same time
    std::ptrdiff_t unauthorized_max = 1000;            ///< accepted under floor limits
    Duration floor_use = std::chrono::hours{1};        ///< of a share that is not renewed
    Duration floor_lease = std::chrono::hours{24};     ///< after which others get it
    Duration floor_renewal = std::chrono::seconds{30}; ///< a new process has its part after two
    Duration floor_patience = std::chrono::seconds{5};
    Registry* metrics = nullptr;
};

/// The payment that a command is about, as the key of its row.
inline core::RowKey payment_key(const core::Command& command) {
    return {command.account, payment_of(command).uuid()};
}

/// What can't be decided without the database; nothing was done.
inline Error stand_in_unable(std::string message) {
    return {.kind = ErrorClass::Unavailable,
            .code = "stand_in_unable",
            .message = std::move(message),
            .retryable = true};
}

class StandIn : private MarkHolder {
  public:
    using Submit = Operations::Submit;
    /// Store::renew_floor_share() in the name of this process.
    using RenewShare =
        std::function<Task<store::FloorShare>(std::int32_t wanted_ppm, Duration lease, Deadline)>;

    StandIn(net::Loop& loop, Env& env, gateway::Connector& connector, Rules rules,
            BusinessClock& clock, CommandLogs logs, Submit submit, RenewShare renew_share,
            Operations& operations, Marks marks, StandInOptions options);
    ~StandIn() override;

    /// Takes up what earlier processes have left in the logs, and begins to drain.
    Result<void> start();
    /// Ends; what is not drained stays in the log for the next start.
    Task<void> stop(Deadline deadline);

    /// Creating under a key and confirming; all else waits for the database.
    static bool can_take(const core::Command& command);
    Task<Outcome> pay(core::Command command, Deadline deadline);
    /// An authorization or sale that began in the database, with an outcome that it can't be told
    /// now: on disk when this returns, and the answer that it leads to.
    Task<Outcome> pay_away(core::Operation operation, core::Command record);
    /// What stand-in has answered to this very request, until it is drained.
    std::optional<Outcome> answered(const core::Command& command) const;
    /// Returns when the payment of `command` is drained. Error Unavailable when it is not in time,
    /// Io when its rows in the database are damaged.
    Task<void> wait_drained(core::Command command, Deadline deadline);
    /// Another process holds the payment of `command`, and speaks.
    bool held_elsewhere(const core::Command& command) const;
    /// Returns when it no longer does; with its answer where it has given one to this very request.
    /// Error Unavailable when it is not in time.
    Task<std::optional<Outcome>> wait_released(core::Command command, Deadline deadline);
    /// Has the process that holds its payment carry it out. Errors: MarkTeller::pass_on().
    Task<Outcome> pass_on(core::Command command, Deadline deadline);
    bool holds(const core::RowKey& payment) const { return payments_.contains(payment); }
    /// Another process holds it, or held it when it was last heard.
    bool known_elsewhere(const core::RowKey& payment) const { return marked(payment) != nullptr; }
    /// The database has it, though another process, which is silent, holds it, too.
    void decided_here(const core::RowKey& payment);
    /// Processor::find_here().
    Here<core::PaymentIntent> find(Id<core::Account> account, Id<core::PaymentIntent> id) const;
    Here<core::PaymentMethod> find(Id<core::Account> account, Id<core::PaymentMethod> id) const;
    Here<core::Charge> find(Id<core::Account> account, Id<core::Charge> id) const;

    void began();
    void ended();
    bool away() const { return away_since_.has_value(); }

    RecentRows& recent() { return recent_; }
    std::size_t open_payments() const { return payments_.size(); }

  private:
    struct Step;
    struct Payment;
    using StepPtr = std::shared_ptr<Step>;
    using PaymentPtr = std::shared_ptr<Payment>;
    enum class Drained : std::uint8_t { Adopted, Superseded, Later };

    PaymentPtr payment_for(const core::RowKey& key);
    /// Unless it has steps, or the drain has it, which forgets it then.
    void forget_idle(const Payment& payment);
    Result<StepPtr> decide_step(Payment& payment, core::Command command);
    Result<core::UnitOfWork> load(const Payment& payment, const core::Command& command) const;
    Result<core::Verdict> decide(const core::Command& command, core::UnitOfWork& work) const;

    Task<void> carry_out(PaymentPtr payment, StepPtr step);
    Task<core::OperationOutcome> authorize(StepPtr step);
    Result<void> accept_unauthorized(Step& step);
    Task<void> withdraw(PaymentPtr payment, StepPtr step, Error error);
    void take_up_floor_share();
    Task<void> keep_floor_share();
    Task<std::int32_t> renew_floor_share(std::int32_t wanted_ppm);
    Task<void> note_outcome(PaymentPtr payment, StepPtr step, core::OperationOutcome outcome);
    void take(const core::UnitOfWork& work, Payment& payment);
    void refuse(Payment& payment, Step& step, Error error);
    void decided(StandInMetrics::Decision decision, const core::Command& command, const Step* step,
                 std::string_view why = {});

    const MarkBook::Held* marked(const core::RowKey& payment) const;
    void changed(const core::RowKey& payment);
    Task<void> told(core::RowKey payment);
    bool holds_any() const override { return !payments_.empty(); }
    std::vector<core::RowKey> held() const override;
    Mark mark_of(const core::RowKey& payment) const override;

    Result<void> take_up(CommandLog& log);
    Task<void> drain();
    Task<void> drain_payment(PaymentPtr payment);
    Task<Drained> drain_step(StepPtr step);
    Task<void> let_go(StepPtr step);

    net::Loop& loop_;
    Env& env_;
    gateway::Connector& connector_;
    Rules rules_;
    BusinessClock& clock_;
    const std::unique_ptr<CommandLog> log_;
    const std::vector<std::unique_ptr<CommandLog>> left_; ///< of others, only drained
    Submit submit_;
    RenewShare renew_share_;
    Operations& operations_;
    Marks marks_;
    StandInOptions options_;
    FloorLimits floor_;
    RecentRows recent_;
    StandInMetrics metrics_;
    std::unordered_map<core::RowKey, PaymentPtr, RowKeyHash> payments_;
    std::deque<PaymentPtr> undrained_; ///< in the order of their first step
    std::optional<MonoTime> away_since_;
    std::optional<MonoTime> unreached_since_; ///< the acquirer: calls did not even leave
    std::size_t draining_ = 0;
    net::Event work_; ///< something to drain, or one has been drained
    net::Gate gate_;
};

} // namespace holdfast::processor
