#pragma once

// AttemptLog: everybody who wanted to pay, whatever became of it, in a file of this instance; the
// evidence of how many were affected, recovered, lost and never reached when the database itself
// was gone.
//
//   attempts.note({.time = env.wall(), .account = account.id, .payment = payment.id,
//                  .amount_minor = 1099, .currency = currency, .outcome = AttemptOutcome::Shed,
//                  .request = request_id});
//
// One Attempt a request that creates or confirms a payment: when, for which account and payment,
// how much, how it ended, and the request's id, by which log lines are found. The payment is known
// before it exists, its id being derived from the request's key: so the attempts of one purchase
// are found together, and who was turned away and paid later has recovered. No personal data:
// neither card, customer nor address.
//
// note() never waits: attempts gather in memory, at most buffered_max, and what does not fit is
// dropped and counted. Every flush_interval they are appended to a Journal (base/journal.h) on the
// Offload, one job at a time, so that kill -9 loses no more than that interval; every sync_interval
// the Journal is synced, so that a power cut loses no more than that one. Evidence, not a promise:
// nobody waits for the disk.
//
// When the Journal is full, the older half of it makes room. When its disk fails, logging ends
// until the next start: attempts are dropped and counted, payments go on.
//
// Metrics: holdfast_attempts_total by outcome, holdfast_attempts_dropped_total,
// holdfast_attempt_log_failed (1 after the disk failed).
//
// Thread: that of the Loop, from start() to stop(), which writes what is left and closes the
// Journal. read_attempts() is for everybody, also while it is written.

#include "base/journal.h"
#include "base/metrics.h"
#include "base/offload.h"
#include "core/money.h"
#include "core/objects.h"
#include "net/gate.h"
#include "net/timer.h"

#include <array>
#include <functional>
#include <memory>
#include <vector>

namespace holdfast::api {

/// Append only: written to disk.
enum class AttemptOutcome : std::uint8_t {
    Created, ///< to be confirmed by a request to come
    Succeeded,
    Declined,
    Processing, ///< accepted in stand-in, to be settled
    Held,       ///< the database did not come back in time; nothing was done
    Shed,       ///< turned away by a limit of ours
    Refused,    ///< the request was wrong
    Failed
};
constexpr AttemptOutcome last_enumerator(AttemptOutcome) { return AttemptOutcome::Failed; }
std::string_view to_string(AttemptOutcome outcome);

struct Attempt {
    WallTime time;
    Id<core::Account> account;       ///< nil: turned away before its key was looked up
    Id<core::PaymentIntent> payment; ///< nil: nothing says which
    std::int64_t amount_minor = 0;   ///< 0: not known here
    core::Currency currency;
    AttemptOutcome outcome = AttemptOutcome::Failed;
    Uuid request;
    bool operator==(const Attempt&) const = default;
};

/// All attempts in a Journal, oldest first. Errors: those of read_journal(), Invalid
/// "attempts_corrupt", "attempts_version".
Result<void> read_attempts(JournalFiles& files, const SecretString& secret,
                           const std::function<void(const Attempt&)>& on_attempt);

struct AttemptLogOptions {
    Duration flush_interval = std::chrono::milliseconds{100};
    Duration sync_interval = std::chrono::seconds{1};
    std::size_t buffered_max = 10'000;
    Registry* metrics = nullptr; ///< null: not exported
};

class AttemptLog {
  public:
    AttemptLog(net::Loop& loop, Env& env, Offload& offload, std::shared_ptr<Journal> journal,
               AttemptLogOptions options = {});

    void start();
    void note(const Attempt& attempt);
    net::Task<void> stop(net::Deadline deadline);

  private:
    static constexpr std::size_t outcomes =
        static_cast<std::size_t>(last_enumerator(AttemptOutcome{})) + 1;

    net::Task<void> run();
    net::Task<void> flush(bool ending);

    Env& env_;
    Offload& offload_;
    std::shared_ptr<Journal> journal_; ///< a job that nobody waits for any more has it, too
    AttemptLogOptions options_;
    std::unique_ptr<Registry> own_metrics_;
    std::array<Counter*, outcomes> noted_{};
    Counter* dropped_ = nullptr;
    Gauge* failed_gauge_ = nullptr;
    std::vector<Attempt> buffer_;
    MonoTime sync_due_;
    bool unsynced_ = false;
    bool failed_ = false;
    net::Event ending_;
    net::Gate gate_;
};

} // namespace holdfast::api
