#pragma once

// Exchange: what one pipeline asked of the server, what was answered so far, and what that proves.
// Pure bookkeeping, no socket: the one place that decides whether a transaction was committed.
//
// The server answers in order, so the answers are matched with a queue of what is owed. A refusal
// (ErrorResponse) makes the server skip everything up to the next Sync, a COMMIT included: then
// nothing was committed. Where the answers stop coming, the verdict depends on where the pipeline
// commits (CommitPoint) and whether that was answered:
//
//   refusal before the commit point             not committed: the refusal
//   answers stop before the commit's answer     Unknown "commit_unknown", once it may have been
//   sent FATAL in place of the commit's answer       the same: the server may have died after it
//   answers stop after the commit's answer      committed: success
//   COMMIT answered by ROLLBACK                 Conflict "transaction_rolled_back"
//   wait for the standby given up (a warning)   Unknown "commit_not_replicated"
//
// An answer that can't be one to what is owed (bytes were changed on the way) is no answer: with it
// the answers have stopped.

#include "base/result.h"
#include "db/query_result.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace holdfast::db {

struct Statement;

enum class CommitPoint : std::uint8_t {
    None,   ///< it only reads, or the transaction goes on
    Commit, ///< an explicit COMMIT
    Sync,   ///< implicit transaction: the Sync at the end commits
};

class Exchange {
  public:
    /// Separator: a Sync between what must not share a transaction. Sync: the one at the end.
    enum class Owed : std::uint8_t { Prepare, Timeouts, Separator, Step, Commit, Sync };

    struct Item {
        Owed what;
        const Statement* statement; ///< of a Prepare
    };

    void restart(CommitPoint commit_point, std::size_t steps);
    /// Said before it is sent: from then on the server may act on it.
    void owe(Owed what, const Statement* statement = nullptr);

    bool done() const { return answered_ == owed_.size(); }
    const Item& next() const { return owed_[answered_]; } ///< not when done()

    /// Whether a result with this tag can be the answer to next(), or the end of a Sync can.
    bool fits_result(std::string_view tag) const;
    bool fits_sync() const;

    // What the server said about next().
    void succeeded(QueryResult result);
    void refused(Error error, bool fatal);
    void skipped();
    void synced();
    /// The server gave up waiting for the synchronous standby, and committed locally.
    void wait_given_up() { wait_given_up_ = true; }

    /// The server may be at work, and cancelling that can't leave a commit in doubt.
    bool can_cancel() const;

    /// After done(), or with the reason why no more answers come. Once per exchange.
    Result<std::vector<QueryResult>> verdict(const std::optional<Error>& interruption);

  private:
    CommitPoint commit_point_ = CommitPoint::None;
    std::vector<Item> owed_;
    std::size_t answered_ = 0;
    std::optional<std::size_t> commit_at_; ///< in owed_; empty: nothing sent that commits
    bool wait_given_up_ = false;
    bool rolled_back_ = false;
    std::optional<Error> refusal_;
    bool refusal_leaves_doubt_ = false; ///< FATAL in place of the commit's answer
    std::vector<QueryResult> results_;
};

} // namespace holdfast::db
