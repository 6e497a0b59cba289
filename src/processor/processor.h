#pragma once

// The transaction-processor: turns commands into durable outcomes, many per commit.
//
// submit() hands a command to intake and returns once its batch is durable. Batches are
// self-clocking: one is flushed as soon as a lane is free, so a lone command is a batch of one and
// under load a batch holds what arrived while the previous commits were under way, up to a cap.
// Two lanes are in flight. A batch never waits for a row lock: a command whose row is held by
// somebody goes to the slow lane, which waits for it with a deadline of its own. Commands on one
// object are applied in the order of their submission. When the database refuses a whole batch,
// its members run one by one in the suspect lane, so that only the guilty one fails.
//
// A verdict may have started an Operation. pay() runs the whole pair: submit, call the acquirer,
// submit RecordOutcome; when the outcome is unknown it asks until it is known or the deadline has
// passed, and then the resolver (resolver.h) goes on, here or, after a crash, in any instance.
//
// Runs on one loop; owned by app; all limits in Options, all shown as metrics.

#include "base/metrics.h"
#include "core/decide.h"
#include "gateway/connector.h"
#include "net/gate.h"
#include "processor/command_log.h"
#include "store/store.h"

#include <functional>
#include <memory>
#include <optional>

namespace holdfast::processor {

class MarkBook;
class MarkTeller;

/// Beside Options::lanes, one each for slow and for suspect commands; each lane has a connection.
inline constexpr std::size_t special_lanes = 2;

/// What others hold and what they are told; null where a process is alone.
struct Marks {
    MarkBook* book = nullptr;
    MarkTeller* teller = nullptr;
};

struct Options {
    int lanes = 2;
    int batch_commands_max = 512;
    int queue_commands_max = 20'000; ///< beyond it: Overload "processor_queue_full"
    Duration commit_timeout = std::chrono::seconds{10};
    Duration operation_ttl = std::chrono::seconds{15};    ///< valid_until of what we start
    Duration operation_margin = std::chrono::seconds{1};  ///< we stop so long before valid_until
    Duration acquirer_timeout = std::chrono::seconds{10}; ///< one call; < operation_ttl
    int retry_percent = 20;      ///< of calls to the acquirer may be repeats (operations.h)
    int operations_max = 50'000; ///< under way at once; beyond it: Overload "operations_full"
    /// So long a request waits for a database that is away; then stand-in takes it, or it is
    /// refused. Only where there is a command log.
    Duration hold = std::chrono::seconds{8};
    int unauthorized_max = 1000; ///< payments open under floor limits (floor_limits.h)
    Duration floor_use = std::chrono::hours{1}; ///< a share of them that is not renewed
    Duration floor_renewal = std::chrono::seconds{30};
    /// Names this process among all, and it alone, also after a restart: for leases.
    std::string name = "only";
    Registry* metrics = nullptr; ///< null: not exported
};

/// What a request got: the verdict of its last command.
struct Outcome {
    core::Answer answer;
    bool replayed = false;
    Uuid original_request;
    /// True when the acquirer's decision is still open; `answer` shows the payment processing.
    bool pending = false;
};

/// A row as an instance knows it. Unless it is `current` the database knows better, if it answers.
template <class T> struct KnownHere {
    T row;
    bool current = false;
};
template <class T> using Here = std::optional<KnownHere<T>>;

/// Accounts by id, from the edge's cache; a command's account must be known before submit().
using AccountLookup = std::function<const core::Account*(Id<core::Account>)>;

class Processor {
  public:
    /// Without a log of its own there is no stand-in (stand_in.h): requests wait for the database,
    /// and it has to be there now. `marks` outlive the processor; drain() stops their teller.
    static Task<std::unique_ptr<Processor>> create(net::Loop& loop, Env& env, store::Store& store,
                                                   gateway::Connector& connector,
                                                   const core::Identity& identity,
                                                   AccountLookup accounts, Options options,
                                                   CommandLogs logs = {}, Marks marks = {});
    virtual ~Processor() = default;

    /// One command, durable when it returns. Errors: decide's; Overload, Deadline (not done),
    /// Unknown (the deadline passed while it could not be told), Unavailable.
    virtual Task<core::Verdict> submit(core::Command command, Deadline deadline) = 0;
    /// The whole request: the command and, if it started one, its operation. A second request under
    /// an idempotency key waits for the answer of the first, here or in another instance, as long
    /// as its deadline allows; then the Error is idempotency_key_in_use.
    virtual Task<Outcome> pay(core::Command command, Deadline deadline) = 0;
    /// pay() for the caller of another process, of a payment that this one holds (passing.h); else
    /// Error Conflict "not_held_here", with nothing done.
    virtual Task<Outcome> carry_out(core::Command command, Deadline deadline) = 0;
    /// Runs one operation that is Started and ours to its recorded outcome, or until the deadline.
    virtual Task<Outcome> conclude(core::Operation operation, Deadline deadline) = 0;

    /// Payments are decided by stand-in; what else is asked of the database is in vain.
    virtual bool database_away() const = 0;
    /// Payments that stand-in has taken and the database does not have yet.
    virtual std::size_t payments_to_drain() const = 0;
    /// What this instance knows: current are a payment that stand-in has decided, until it is
    /// drained, and while the database is away everything that was seen here last.
    virtual Here<core::PaymentIntent> find_here(Id<core::Account> account,
                                                Id<core::PaymentIntent> id) const = 0;
    virtual Here<core::PaymentMethod> find_here(Id<core::Account> account,
                                                Id<core::PaymentMethod> id) const = 0;
    virtual Here<core::Charge> find_here(Id<core::Account> account, Id<core::Charge> id) const = 0;

    /// Claims an operation past its valid_until and runs it to its end (resolver.h). False: it is
    /// somebody else's, or settled, or could not be settled yet.
    virtual Task<bool> take_over(core::Operation operation) = 0;
    /// Operations valid until before this may be anybody's: the database's clock, carried forward
    /// since the last batch. A bound for looking; the batch that takes over decides.
    virtual WallTime stale_before() = 0;

    /// How long commands wait for a batch now: the queue's delay, not its length, is overload.
    virtual Duration queue_delay() const = 0;
    virtual const Uuid& instance() const = 0;
    /// Stops intake, lets what is under way end, closes the lanes.
    virtual Task<void> drain(Deadline deadline) = 0;
};

} // namespace holdfast::processor
