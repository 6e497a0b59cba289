#include "api/attempt_log.h"

#include "base/codec.h"
#include "base/log.h"
#include "net/offload_await.h"

#include <algorithm>
#include <span>
#include <utility>

namespace holdfast::api {

using net::Deadline;
using net::Task;

template <class A> void fields(A& archive, Attempt& v) {
    std::uint8_t currency = v.currency.index();
    archive(v.time, v.account, v.payment, v.amount_minor, currency, v.outcome, v.request);
    if constexpr (A::reading) {
        const auto known = core::Currency::from_index(currency);
        if (!known) return archive.refuse("A currency is unknown.");
        v.currency = *known;
    }
}

namespace {

constexpr std::uint8_t attempts_version = 1;
constexpr std::size_t attempts_per_record = 500;
/// At most 80 bytes each: time 10, account, payment and request 16 each, amount 10, currency 2,
/// outcome 1.
static_assert(attempts_per_record * 80 < journal_record_bytes_max);

/// A disk that takes longer is broken.
constexpr Duration write_timeout = std::chrono::seconds{60};

/// What one record of the Journal holds.
struct Attempts {
    std::vector<Attempt> list;
};

template <class A> void fields(A& archive, Attempts& v) { archive(v.list); }

/// Appends, and lets the older half go when there is no room.
Result<void> append_to(Journal& journal, std::string_view record) {
    auto added = journal.append(record);
    if (!added && added.error().code == "journal_full") {
        const JournalStats stats = journal.stats();
        TRY_VOID(journal.release(stats.oldest_sequence +
                                 (stats.next_sequence - stats.oldest_sequence) / 2));
        added = journal.append(record);
    }
    if (!added) return fail(std::move(added.error()));
    return {};
}

enum class Then : std::uint8_t { Nothing, Sync, Close };

/// On a worker.
Result<void> write(Journal& journal, std::span<const Attempt> attempts, Then then) {
    while (!attempts.empty()) {
        const auto some = attempts.first(std::min(attempts.size(), attempts_per_record));
        TRY_VOID(append_to(
            journal, encode_versioned(attempts_version, Attempts{{some.begin(), some.end()}})));
        attempts = attempts.subspan(some.size());
    }
    switch (then) {
        case Then::Nothing: return {};
        case Then::Sync: return journal.sync();
        case Then::Close: return journal.close();
    }
    return {};
}

} // namespace

std::string_view to_string(AttemptOutcome outcome) {
    static constexpr auto names = std::to_array<std::string_view>(
        {"created", "succeeded", "declined", "processing", "held", "shed", "refused", "failed"});
    return names.at(static_cast<std::size_t>(outcome));
}

Result<void> read_attempts(JournalFiles& files, const SecretString& secret,
                           const std::function<void(const Attempt&)>& on_attempt) {
    return read_journal(files, secret, [&](const JournalRecord& record) -> Result<void> {
        TRY(const Attempts attempts,
            decode_versioned<Attempts>(record.payload, attempts_version, "attempts"));
        for (const Attempt& attempt : attempts.list) on_attempt(attempt);
        return {};
    });
}

AttemptLog::AttemptLog(net::Loop& loop, Env& env, Offload& offload,
                       std::shared_ptr<Journal> journal, AttemptLogOptions options)
    : env_(env),
      offload_(offload),
      journal_(std::move(journal)),
      options_(options),
      own_metrics_(options.metrics == nullptr ? std::make_unique<Registry>() : nullptr),
      sync_due_(env.now() + options.sync_interval),
      ending_(loop, net::Event::Reset::Manual),
      gate_(loop, "attempt_log") {
    Registry& metrics = own_metrics_ ? *own_metrics_ : *options.metrics;
    for (std::size_t i = 0; i < noted_.size(); ++i) {
        const std::string outcome(to_string(static_cast<AttemptOutcome>(i)));
        noted_[i] = &metrics.counter("holdfast_attempts_total",
                                     "Attempts to pay, by their outcome.", {{"outcome", outcome}});
    }
    dropped_ = &metrics.counter("holdfast_attempts_dropped_total",
                                "Attempts to pay that the attempt log could not take.");
    failed_gauge_ = &metrics.gauge("holdfast_attempt_log_failed",
                                   "1 after the disk of the attempt log failed.");
}

void AttemptLog::start() {
    if (auto started = gate_.spawn(run()); !started) BUG("attempt log started after its stop");
}

void AttemptLog::note(const Attempt& attempt) {
    noted_[static_cast<std::size_t>(attempt.outcome)]->add();
    if (failed_ || ending_.is_set() || buffer_.size() >= options_.buffered_max) {
        dropped_->add();
        return;
    }
    buffer_.push_back(attempt);
}

Task<void> AttemptLog::stop(Deadline deadline) {
    ending_.set();
    return gate_.close(deadline);
}

Task<void> AttemptLog::run() {
    for (bool ending = false; !ending && !failed_;) {
        CO_TRY(ending, co_await ending_.wait(Deadline::after(options_.flush_interval)));
        CO_TRY_VOID(co_await flush(ending));
    }
    co_return Result<void>{};
}

Task<void> AttemptLog::flush(bool ending) {
    const bool due = env_.now() >= sync_due_;
    if (buffer_.empty() && !(unsynced_ && due) && !ending) co_return Result<void>{};
    const Then then = ending ? Then::Close : due ? Then::Sync : Then::Nothing;
    const auto attempts = std::make_shared<std::vector<Attempt>>(std::exchange(buffer_, {}));
    auto work = [journal = journal_, attempts, then] { return write(*journal, *attempts, then); };
    const auto written =
        co_await net::offloaded(offload_, std::move(work), Deadline::after(write_timeout));
    if (written) {
        unsynced_ = then == Then::Nothing;
        if (then == Then::Sync) sync_due_ = env_.now() + options_.sync_interval;
        co_return Result<void>{};
    }
    dropped_->add(attempts->size());
    if (written.error().code == "offload_full" || written.error().code == "journal_full")
        co_return Result<void>{}; // nothing is broken: the next ones may have more luck
    failed_ = true;               // whether a job that is late still has the Journal or not
    failed_gauge_->set(1);
    log::error("attempt_log_failed", {{"error", to_string(written.error())}});
    co_return Result<void>{};
}

} // namespace holdfast::api
