#include "store/read_barrier.h"

#include "store/detail/ask.h"
#include "store/sql_reads.h"

#include <fmt/format.h>
#include <algorithm>
#include <utility>

namespace holdfast::store {

using net::Deadline;
using net::Task;

namespace {

Error not_confirmed(std::string_view why) {
    return {
        .kind = ErrorClass::Unavailable,
        .code = "read_not_confirmed",
        .message = fmt::format("What the database shows may not be on its standby yet ({}).", why),
        .retryable = true};
}

} // namespace

/// One commit that some reads wait for.
struct ReadBarrier::Round {
    explicit Round(net::Loop& loop) : done(loop, net::Event::Reset::Manual) {}
    net::Event done;
    Result<std::uint64_t> epoch = 0; ///< of the primary that has committed
};

ReadBarrier::ReadBarrier(net::Loop& loop, Registry& metrics, db::Pool& pool,
                         const db::Topology& topology)
    : loop_(loop),
      pool_(pool),
      topology_(topology),
      barriers_(metrics.counter("holdfast_store_read_barriers_total",
                                "Commits made to be sure that what was read is on the standby.")),
      gate_(loop, "store.read_barrier") {}

Task<bool> ReadBarrier::confirm(std::uint64_t epoch, std::int64_t seen_below, Deadline deadline) {
    if (seen_below == 0 || (epoch == sure_in_ && seen_below <= sure_below_)) co_return true;
    if (!next_) next_ = std::make_shared<Round>(loop_);
    const auto round = next_;
    if (!std::exchange(running_, true)) CO_TRY_VOID(gate_.spawn(run_rounds()));
    CO_TRY(const bool in_time, co_await round->done.wait(deadline));
    if (!in_time) co_return fail(not_confirmed("no commit in time"));
    CO_TRY(const auto committed_in, round->epoch);
    co_return committed_in == epoch;
}

Task<void> ReadBarrier::run_rounds() {
    while (next_) {
        (void)co_await net::sleep_until(began_ + pace); // one that is stopped is refused below
        began_ = MonotonicClock::now();
        const auto round = std::exchange(next_, nullptr);
        auto done = co_await commit();
        round->epoch = done ? std::move(done) : fail(not_confirmed(done.error().message));
        round->done.set();
    }
    running_ = false;
    co_return Result<void>{};
}

Task<std::uint64_t> ReadBarrier::commit() {
    barriers_.add();
    const std::uint64_t epoch = topology_.view().epoch();
    db::Pipeline pipeline;
    pipeline.begin();
    const auto raised = pipeline.add(sql::raise_read_barrier);
    pipeline.commit();
    CO_TRY(auto results,
           co_await ask(pool_, db::Priority::Checkout, pipeline, Deadline::after(patience)));
    if (epoch != topology_.view().epoch())
        co_return fail(not_confirmed("another server is the primary now"));
    CO_TRY(const auto number, results[raised].front().get<std::int64_t>(0));
    CO_TRY(const auto oldest, results[raised].front().get<std::int64_t>(1));
    // Nobody else was at work: itself, too.
    const std::int64_t below = oldest == number ? number + 1 : oldest;
    sure_below_ = std::exchange(sure_in_, epoch) == epoch ? std::max(sure_below_, below) : below;
    co_return epoch;
}

Task<void> ReadBarrier::stop(Deadline deadline) {
    gate_.cancel();
    co_return co_await gate_.close(deadline);
}

} // namespace holdfast::store
