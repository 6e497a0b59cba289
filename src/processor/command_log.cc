#include "processor/command_log.h"

#include "base/log.h"
#include "net/offload_await.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace holdfast::processor {

namespace {

/// A disk that takes longer is broken.
constexpr Duration write_timeout = std::chrono::seconds{60};

} // namespace

struct CommandLog::Pending {
    Pending(net::Loop& loop, std::string bytes)
        : record(std::move(bytes)), done(loop, net::Event::Reset::Manual) {}
    std::string record;
    bool must_be_durable = true;
    std::optional<Result<StepNumber>> number;
    net::Event done;
};

CommandLog::CommandLog(net::Loop& loop, Offload& offload, std::shared_ptr<Journal> journal)
    : loop_(loop), offload_(offload), journal_(std::move(journal)), gate_(loop, "command_log") {}

Result<std::unique_ptr<CommandLog>> CommandLog::create(net::Loop& loop, Offload& offload,
                                                       std::shared_ptr<Journal> journal) {
    auto log = std::unique_ptr<CommandLog>(new CommandLog(loop, offload, std::move(journal)));
    TRY_VOID(log->recover());
    return log;
}

Result<void> CommandLog::recover() {
    LoggedSteps steps;
    JournalReader reader = journal_->read(0);
    while (true) {
        TRY(const std::optional<JournalRecord> record, reader.next());
        if (!record) break;
        TRY_VOID(steps.take(*record));
    }
    recovered_ = std::move(steps.open());
    for (const auto& [number, step] : recovered_) open_.emplace(number, false);
    if (steps.share()) std::tie(share_number_, share_) = *steps.share();
    stats_ = journal_->stats();
    return {};
}

Task<StepNumber> CommandLog::accept(core::Command command, LoggedRows rows, Deadline deadline) {
    CO_TRY(StepNumber number, co_await append(accepted_record(command, std::move(rows)), deadline));
    open_.emplace(number, false);
    co_return number;
}

Task<void> CommandLog::outcome(StepNumber step, core::Command record, LoggedRows rows,
                               Deadline deadline) {
    auto written = co_await append(outcome_record(step, record, std::move(rows)), deadline);
    if (!written) co_return fail(std::move(written).error());
    co_return Result<void>{};
}

void CommandLog::may_release(StepNumber step) {
    if (auto found = open_.find(step); found != open_.end()) found->second = true;
}

void CommandLog::settled(StepNumber step) {
    may_release(step);
    auto record = std::make_shared<Pending>(loop_, settled_record(step));
    record->must_be_durable = false;
    enqueue(std::move(record));
}

Task<void> CommandLog::withdraw(StepNumber step, Deadline deadline) {
    CO_TRY_VOID(co_await append(settled_record(step), deadline));
    may_release(step); // not before: where that fails, the step goes on
    co_return Result<void>{};
}

Task<void> CommandLog::keep_share(LoggedShare share, Deadline deadline) {
    CO_TRY(const StepNumber number, co_await append(share_record(share), deadline));
    share_number_ = number;
    share_ = share;
    co_return Result<void>{};
}

Task<StepNumber> CommandLog::append(std::string record, Deadline deadline) {
    auto pending = std::make_shared<Pending>(loop_, std::move(record));
    enqueue(pending);
    CO_TRY(bool done, co_await pending->done.wait(deadline));
    if (!done)
        co_return fail(ErrorClass::Unknown, "log_slow",
                       "The disk of the command log has not answered in time.");
    co_return *pending->number;
}

void CommandLog::enqueue(std::shared_ptr<Pending> pending) {
    queue_.push_back(std::move(pending));
    if (std::exchange(writing_, true)) return;
    if (auto spawned = gate_.spawn(write()); !spawned) {
        writing_ = false;
        for (auto& waiting : std::exchange(queue_, {})) {
            waiting->number = fail(spawned.error());
            waiting->done.set();
        }
    }
}

/// Everything that waits, with one sync for all of it, until nothing waits.
Task<void> CommandLog::write() {
    struct Written {
        std::vector<Result<StepNumber>> numbers;
        JournalStats stats;
    };
    while (!queue_.empty()) {
        auto batch = std::exchange(queue_, {});
        std::vector<std::string> records;
        bool sync = false;
        for (const auto& pending : batch) {
            records.push_back(std::move(pending->record));
            sync = sync || pending->must_be_durable;
        }
        StepNumber settled = 0;
        while (!open_.empty() && open_.begin()->second) {
            settled = open_.begin()->first;
            open_.erase(open_.begin());
        }
        if (open_.empty() && share_number_ > 0) settled = std::max(settled, share_number_ - 1);
        auto work = [journal = journal_, records = std::move(records), sync,
                     settled]() -> Result<Written> {
            Written written;
            for (const std::string& record : records)
                written.numbers.push_back(journal->append(record));
            if (sync) {
                if (auto synced = journal->sync(); !synced)
                    for (auto& number : written.numbers) number = fail(synced.error());
            }
            if (settled > 0)
                if (auto released = journal->release(settled); !released)
                    log::warn("command_log_not_released", {{"error", to_string(released.error())}});
            written.stats = journal->stats();
            return written;
        };
        auto written =
            co_await net::offloaded(offload_, std::move(work), Deadline::after(write_timeout));
        if (written) stats_ = written->stats;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i]->number = written ? written->numbers[i]
                                       : Result<StepNumber>(std::unexpected(written.error()));
            if (!*batch[i]->number && batch[i]->must_be_durable)
                log::error("command_log_failed", {{"error", to_string(batch[i]->number->error())}});
            batch[i]->done.set();
        }
    }
    writing_ = false;
    co_return Result<void>{};
}

Task<void> CommandLog::close(Deadline deadline) {
    CO_TRY_VOID(co_await gate_.close(deadline));
    auto work = [journal = journal_] { return journal->close(); };
    co_return co_await net::offloaded(offload_, std::move(work), deadline);
}

} // namespace holdfast::processor
