#pragma once

// LoggedSteps: what the records of a command log (command_log.h) say, for who writes it and for who
// only reads it.
//
//   auto steps = read_command_log(*journal_directory(path), secret);   // beside its process, or
//   for (const auto& [number, step] : *steps) ...                      // after its death
//
// Records are taken in the order of their sequences; what is left is what is not settled. A step is
// known by the sequence of its `accepted`. Segments are released whole, so an outcome or a
// settlement may be there without its beginning: then it says nothing. The last share of floor
// limits (floor_limits.h) counts.
//
// On disk: base/codec.h, version step_version; commands, rows, operations and answers as core
// writes them. Pure, but for read_command_log(), which blocks.
//
// Errors: Invalid "step_corrupt", "step_version", those of core's decoding.

#include "base/journal.h"
#include "core/answer.h"
#include "core/command.h"
#include "core/unit_of_work.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::processor {

/// A step's number.
using StepNumber = std::uint64_t;

/// The rows as they are after a record: what an instance answers from.
struct LoggedRows {
    std::vector<core::Snapshot> objects; ///< payment, payment method, charge
    std::string operation;               ///< core::encode_operation; empty: none
    std::string answer;                  ///< core::encode_answer; empty: none
};

/// As new rows, which is what they are to who reads them. Errors: those of core::restore.
Result<core::UnitOfWork> restored(const std::vector<core::Snapshot>& objects);

/// What the log says of one step.
struct LoggedStep {
    StepNumber number = 0;
    core::Command command;
    std::optional<core::Command> outcome; ///< RecordOutcome
    LoggedRows rows;                      ///< after the last record
};

/// The part of every floor limit that the process may use, by its wall clock.
struct LoggedShare {
    std::int32_t ppm = 0;
    WallTime from, until;
};

// The records, as they are written.
std::string accepted_record(const core::Command& command, LoggedRows rows);
std::string outcome_record(StepNumber step, const core::Command& outcome, LoggedRows rows);
std::string settled_record(StepNumber step);
std::string share_record(const LoggedShare& share);

class LoggedSteps {
  public:
    Result<void> take(const JournalRecord& record);
    /// Not settled, by number.
    std::map<StepNumber, LoggedStep>& open() { return open_; }
    /// The number of its record, too.
    const std::optional<std::pair<StepNumber, LoggedShare>>& share() const { return share_; }

  private:
    std::map<StepNumber, LoggedStep> open_;
    std::optional<std::pair<StepNumber, LoggedShare>> share_;
};

/// Not settled a moment ago, without taking the log. Further errors: those of read_journal().
Result<std::map<StepNumber, LoggedStep>> read_command_log(JournalFiles& files,
                                                          const SecretString& secret);

enum class StepState : std::uint8_t {
    Created,  ///< a payment that nobody has confirmed: no money is held
    Unknown,  ///< the acquirer was asked, or was about to be; its word is not known
    Approved, ///< it holds the money, or has taken it where the sale began in the database
    Declined,
};
constexpr StepState last_enumerator(StepState) { return StepState::Declined; }
std::string_view to_string(StepState state);

/// A step for people: what to look for in the acquirer's books, and nothing of the card.
struct StepSummary {
    WallTime time; ///< when the request was received
    Id<core::Account> account;
    Id<core::PaymentIntent> payment;
    core::Money amount;
    StepState state = StepState::Created;
    Id<core::Operation> reference; ///< at the acquirer; nil: it was not asked
    Uuid request;
};
Result<StepSummary> summary_of(const LoggedStep& step);

/// The payment that a command is about; nil when it is about none.
Id<core::PaymentIntent> payment_of(const core::Command& command);

} // namespace holdfast::processor
