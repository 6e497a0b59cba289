#pragma once

// CommandLog: what was decided without the database, durable on this machine's own disk before
// anybody hears of it.
//
//   accepted   a command, as it is to be applied later, and the rows that it has led to
//   outcome    the acquirer's word on its authorization, as the command that records it, and the
//              rows and the answer that this has led to
//   settled    the database has it, or it is decided that it shall not have happened
//   share      the part of floor limits (floor_limits.h) that this process may use, until when
//
// append() returns when the record is on the disk; many that wait share one sync. note() does not
// wait: a `settled` that a crash loses is settled again, which changes nothing. Whoever opens the
// log gets what is not settled, in the order of acceptance; what records look like, and how to read
// them beside the process that has the log, is logged_steps.h.
//
// Records hold no card data, only the vault's tokens; the Journal below encrypts them all. Segments
// are released once everything in them is settled. A share in them is gone then; it is kept anew
// every time that it is renewed.
//
// Failure: those of base/journal.h. Overload "journal_full": nothing was written, later ones may
// fit. Io "journal_failed": nothing can be accepted any more; what is in it is still drained.
//
// Thread: that of the Loop. The Journal is used by this class alone, one job at a time on the
// Offload.

#include "base/offload.h"
#include "net/gate.h"
#include "net/timer.h"
#include "processor/logged_steps.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::processor {

using net::Deadline;
using net::Task;

class CommandLog {
  public:
    /// `journal` was just opened; blocks the thread. Errors: those of reading it and of
    /// LoggedSteps.
    static Result<std::unique_ptr<CommandLog>> create(net::Loop& loop, Offload& offload,
                                                      std::shared_ptr<Journal> journal);

    /// Not settled when the log was opened, by number.
    const std::map<StepNumber, LoggedStep>& recovered() const { return recovered_; }
    /// What was kept last, also before it was opened.
    const std::optional<LoggedShare>& share() const { return share_; }

    Task<StepNumber> accept(core::Command command, LoggedRows rows, Deadline deadline);
    Task<void> outcome(StepNumber step, core::Command record, LoggedRows rows, Deadline deadline);
    void settled(StepNumber step);
    /// Settles a step that shall not have been; durable when it returns.
    Task<void> withdraw(StepNumber step, Deadline deadline);

    /// Instead of the one before; durable when it returns.
    Task<void> keep_share(LoggedShare share, Deadline deadline);

    JournalStats stats() const { return stats_; }
    /// Writes what waits and closes the Journal.
    Task<void> close(Deadline deadline);

  private:
    struct Pending;
    CommandLog(net::Loop& loop, Offload& offload, std::shared_ptr<Journal> journal);
    Result<void> recover();
    Task<StepNumber> append(std::string record, Deadline deadline);
    void may_release(StepNumber step);
    void enqueue(std::shared_ptr<Pending> pending);
    Task<void> write();

    net::Loop& loop_;
    Offload& offload_;
    std::shared_ptr<Journal> journal_; ///< a job that nobody waits for any more has it, too
    JournalStats stats_;
    std::map<StepNumber, LoggedStep> recovered_;
    std::map<StepNumber, bool> open_; ///< settled by number; those in front are released
    std::optional<LoggedShare> share_;
    StepNumber share_number_ = 0; ///< of its record; that does not keep a full log full
    std::vector<std::shared_ptr<Pending>> queue_;
    bool writing_ = false;
    net::Gate gate_;
};

struct CommandLogs {
    std::unique_ptr<CommandLog> own; ///< null: no stand-in
    /// Of processes that are not started any more: only drained.
    std::vector<std::unique_ptr<CommandLog>> left;
};

} // namespace holdfast::processor
