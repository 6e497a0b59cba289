#include "db/exchange.h"

#include "base/log.h"

#include <fmt/format.h>

namespace holdfast::db {

void Exchange::restart(CommitPoint commit_point, std::size_t steps) {
    commit_point_ = commit_point;
    owed_.clear();
    answered_ = 0;
    commit_at_.reset();
    wait_given_up_ = rolled_back_ = refusal_leaves_doubt_ = false;
    refusal_.reset();
    results_.clear();
    results_.reserve(steps);
}

void Exchange::owe(Owed what, const Statement* statement) {
    if ((what == Owed::Commit && commit_point_ == CommitPoint::Commit) ||
        (what == Owed::Sync && commit_point_ == CommitPoint::Sync)) {
        commit_at_ = owed_.size();
    }
    owed_.push_back({what, statement});
}

bool Exchange::fits_sync() const {
    return next().what == Owed::Sync || next().what == Owed::Separator;
}

bool Exchange::fits_result(std::string_view tag) const {
    if (next().what == Owed::Commit) return tag == "COMMIT" || tag == "ROLLBACK";
    return !fits_sync();
}

void Exchange::succeeded(QueryResult result) {
    const Owed what = next().what;
    ++answered_;
    if (what == Owed::Commit) rolled_back_ = result.tag() == "ROLLBACK";
    if (what == Owed::Step || what == Owed::Commit) results_.push_back(std::move(result));
}

void Exchange::refused(Error error, bool fatal) {
    const Owed what = next().what;
    if (what == Owed::Timeouts && !fatal) {
        // In a transaction of its own; what follows runs under the timeouts of the one before.
        log::warn("timeouts_not_set", {{"sqlstate", error.sqlstate}, {"error", error.message}});
        ++answered_;
        return;
    }
    if (!refusal_) {
        refusal_leaves_doubt_ = fatal && answered_ == commit_at_;
        refusal_ = std::move(error);
    }
    if (!fits_sync()) ++answered_; // a Sync itself is always answered, by synced()
}

void Exchange::skipped() { ++answered_; }

void Exchange::synced() { ++answered_; }

bool Exchange::can_cancel() const {
    return !done() && (!commit_at_ || (refusal_ && !refusal_leaves_doubt_));
}

Result<std::vector<QueryResult>> Exchange::verdict(const std::optional<Error>& interruption) {
    if (refusal_ && !refusal_leaves_doubt_) return std::unexpected(std::move(*refusal_));
    if (interruption && !commit_at_) return std::unexpected(*interruption);
    if (refusal_ || (interruption && answered_ <= *commit_at_)) {
        const Error& reason = refusal_ ? *refusal_ : *interruption;
        return fail(
            Error{.kind = ErrorClass::Unknown,
                  .code = "commit_unknown",
                  .message = fmt::format("The answer to a COMMIT was lost: {}", reason.message),
                  .sqlstate = reason.sqlstate});
    }
    if (rolled_back_) {
        return fail(Error{.kind = ErrorClass::Conflict,
                          .code = "transaction_rolled_back",
                          .message = "The server answered COMMIT with ROLLBACK.",
                          .retryable = true});
    }
    if (wait_given_up_) {
        return fail(ErrorClass::Unknown, "commit_not_replicated",
                    "The server stopped waiting for its synchronous standby: the transaction is "
                    "committed there, but may be lost with it.");
    }
    return std::move(results_);
}

} // namespace holdfast::db
