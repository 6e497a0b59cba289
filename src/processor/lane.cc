#include "processor/lane.h"

#include "base/damage.h"
#include "base/log.h"

#include <algorithm>

namespace holdfast::processor {

namespace {

constexpr Duration idle_wait = std::chrono::minutes{1};
constexpr Duration retry_first = std::chrono::milliseconds{2};
constexpr Duration retry_cap = std::chrono::milliseconds{500};
/// How long the slow lane waits for one row before it lets the next one try.
constexpr Duration lock_wait_slice = std::chrono::seconds{1};
/// After so many conflicts in a row the members are tried one by one.
constexpr int batch_conflicts_max = 3;

Backoff fresh_backoff(Env& env) { return {env, retry_first, retry_cap}; }

bool is_cancelled(const Error& error) { return error.code == "cancelled"; }

/// What a caller may see of a refusal: a wrong parameter is theirs, the rest is ours.
Error refusal(const Error& error) {
    if (error.kind == ErrorClass::Invalid) return error;
    if (is_damage(error)) {
        return {
            .kind = ErrorClass::Io,
            .code = "data_damaged",
            .message = "What the database stores about this object is damaged; nothing was done.",
            .sqlstate = error.sqlstate};
    }
    return {.kind = ErrorClass::Bug,
            .code = "command_refused",
            .message = "The database refused this request; nothing was done.",
            .sqlstate = error.sqlstate};
}

} // namespace

LaneContext::LaneContext(net::Loop& loop, Env& e, const Options& o, Rules r, BusinessClock& c,
                         Metrics& m, Intake::OnOrphan on_orphan)
    : env(e),
      options(o),
      rules(std::move(r)),
      clock(c),
      metrics(m),
      work{net::Event(loop, net::Event::Reset::Auto), net::Event(loop, net::Event::Reset::Auto),
           net::Event(loop, net::Event::Reset::Auto)},
      intake(
          loop, static_cast<std::size_t>(o.queue_commands_max),
          [this](Track track) { work_for(track).set(); }, std::move(on_orphan),
          [this] {
              if (stopping) wake_all(); // some wait for the others
          }) {}

Error LaneContext::expired(const Ticket& ticket) const {
    if (database_away) {
        return {.kind = ErrorClass::Unavailable,
                .code = "database_unavailable",
                .message = "The database is away; nothing was done.",
                .retryable = true};
    }
    if (ticket.track == Track::Slow) {
        return {.kind = ErrorClass::Overload,
                .code = "lock_timeout",
                .message = "This object is being changed by another request; nothing was done.",
                .retryable = true};
    }
    return {.kind = ErrorClass::Deadline,
            .code = "processor_deadline",
            .message = "The time for this request was used up; nothing was done.",
            .retryable = true};
}

void LaneContext::stop() {
    stopping = true;
    wake_all();
}

void LaneContext::wake_all() {
    for (net::Event& event : work) event.set();
}

LaneRunner::LaneRunner(LaneContext& context, std::unique_ptr<store::Lane> lane, Open open,
                       Track track)
    : context_(context),
      lane_(std::move(lane)),
      open_(std::move(open)),
      track_(track),
      backoff_(fresh_backoff(context.env)) {}

Portion LaneRunner::portion() const {
    auto cap = static_cast<std::size_t>(context_.options.batch_commands_max);
    switch (track_) {
        case Track::Normal: return {track_, cap, cap};
        case Track::Slow: return {track_, 1, cap}; // one held row must not delay the next
        case Track::Suspect: break;
    }
    return {track_, 1, 1};
}

Task<void> LaneRunner::run() {
    Result<void> end;
    while (end) {
        members_ = context_.intake.take(
            portion(), [this](const Ticket& ticket) { return context_.expired(ticket); });
        if (!members_.empty()) {
            // One wake-up may stand for many tickets: the next lane takes what this one left.
            if (context_.intake.ready(track_)) context_.work_for(track_).set();
            context_.metrics.queue(context_.intake.size());
            end = co_await settle();
            continue;
        }
        net::Event& work = context_.work_for(track_);
        if (context_.stopping && context_.intake.size() == 0) {
            work.set(); // for the other lanes of this track
            break;
        }
        auto woken = co_await work.wait(Deadline::after(idle_wait));
        if (!woken) end = fail(woken.error());
    }
    abandon_members();
    co_return end;
}

Task<void> LaneRunner::settle() {
    conflicts_ = 0;
    backoff_ = fresh_backoff(context_.env);
    while (drop_gone()) {
        Result<Attempt> attempted = co_await attempt();
        if (!attempted) {
            if (is_cancelled(attempted.error())) co_return fail(std::move(attempted).error());
            CO_TRY_VOID(co_await recover(std::move(attempted).error()));
            continue;
        }
        context_.database_away = false;
        if (*attempted == Attempt::Settled) break;
    }
    co_return Result<void>{};
}

/// Answers the members that nobody waits for any more; false when none is left.
bool LaneRunner::drop_gone() {
    MonoTime now = MonotonicClock::now();
    std::erase_if(members_, [&](Ticket* ticket) {
        if (!ticket->released && ticket->deadline.when() > now) return false;
        context_.intake.answer(ticket, fail(context_.expired(*ticket)));
        return true;
    });
    return !members_.empty();
}

std::vector<core::Needs> LaneRunner::needs() {
    std::vector<core::Needs> all;
    all.reserve(members_.size());
    for (Ticket* ticket : members_) {
        ticket->state = Ticket::State::Loading;
        ticket->answer.reset();
        bool used = ticket->needs.rows.empty() && !ticket->needs.replay;
        all.push_back(used ? core::needs(ticket->command, context_.rules.identity)
                           : std::exchange(ticket->needs, {}));
    }
    return all;
}

Deadline LaneRunner::begin_deadline() const {
    if (track_ != Track::Slow) return Deadline::after(context_.options.commit_timeout);
    auto latest = std::ranges::max(members_, {}, [](Ticket* t) { return t->deadline.when(); });
    return latest->deadline.capped(lock_wait_slice);
}

Task<void> LaneRunner::make_usable() {
    const Deadline deadline = Deadline::after(context_.options.commit_timeout);
    if (!lane_) {
        CO_TRY(lane_, co_await open_(deadline));
    } else if (broken_) {
        CO_TRY_VOID(co_await lane_->reopen(deadline));
    }
    co_return Result<void>{};
}

Task<LaneRunner::Attempt> LaneRunner::attempt() {
    CO_TRY_VOID(co_await make_usable());
    broken_ = true; // until this batch has ended well
    auto mode = track_ == Track::Slow ? store::LockMode::Wait : store::LockMode::Skip;
    CO_TRY(store::Batch loaded, co_await lane_->begin(needs(), mode, begin_deadline()));
    context_.clock.observe(loaded.database_now);
    Decided decided = decide_batch(members_, loaded, context_.clock.now(), context_.rules);
    set_aside(decided);
    // An answer that was found is not yet durable just because it can be seen: a server that gives
    // up waiting for its standby shows what it has committed alone. A commit of our own proves it.
    if (decided.changes || decided.repeats) {
        co_return co_await commit(std::move(loaded.work), decided.applied);
    }
    Result<void> ended = co_await lane_->rollback(Deadline::after(context_.options.commit_timeout));
    broken_ = !ended.has_value(); // nothing was written: the answers stand all the same
    publish_members();
    co_return Attempt::Settled;
}

Task<LaneRunner::Attempt> LaneRunner::commit(core::UnitOfWork work, std::int32_t applied) {
    auto size = members_.size();
    MonoTime started = MonotonicClock::now();
    RecentRows::Changes changes;
    if (context_.on_durable) changes = RecentRows::changes_of(work);
    Result<void> committed = co_await lane_->commit(
        std::move(work), applied, Deadline::after(context_.options.commit_timeout));
    if (!committed && remedy_for(committed.error()) != Remedy::Resolve) {
        co_return fail(std::move(committed).error());
    }
    bool durable = true;
    if (!committed) {
        log::warn("commit_answer_lost",
                  {{"lane", lane_->id()}, {"error", to_string(committed.error())}});
        CO_TRY(durable, co_await resolve());
        context_.metrics.commit_resolved(durable);
    }
    broken_ = false;
    if (!durable) co_return Attempt::Again;
    context_.metrics.committed(track_, size, MonotonicClock::now() - started);
    if (context_.on_durable && !changes.payments.empty()) context_.on_durable(changes);
    publish_members();
    co_return Attempt::Settled;
}

/// Asks until it is known whether the last commit happened. There is no other way on: an answer
/// given now could turn out wrong.
Task<bool> LaneRunner::resolve() {
    Backoff backoff = fresh_backoff(context_.env);
    for (;;) {
        Result<bool> durable =
            co_await lane_->resolve(Deadline::after(context_.options.commit_timeout));
        if (durable || is_cancelled(durable.error())) co_return durable;
        context_.database_away = true;
        CO_TRY_VOID(co_await net::sleep_for(backoff.next()));
    }
}

Task<void> LaneRunner::recover(Error error) {
    Remedy remedy = remedy_for(error);
    for (Ticket* ticket : members_) ticket->state = Ticket::State::Loading; // nothing was done
    context_.metrics.batch_failed(remedy);
    log::warn("batch_failed",
              {{"lane", lane_id()}, {"commands", members_.size()}, {"error", to_string(error)}});
    if (remedy == Remedy::Blame) {
        if (track_ == Track::Suspect)
            blame(error);
        else
            send_members_to(Track::Suspect);
        co_return Result<void>{};
    }
    bool lock_wait = error.kind == ErrorClass::Deadline || remedy == Remedy::Again;
    if (track_ == Track::Slow && lock_wait) co_return co_await rotate();
    if (remedy == Remedy::Again) {
        if (++conflicts_ >= batch_conflicts_max && members_.size() > 1) {
            send_members_to(Track::Suspect);
            co_return Result<void>{};
        }
    } else {
        context_.database_away = true;
    }
    co_return co_await net::sleep_for(backoff_.next());
}

/// The slow lane's row is still held: whoever is next in the track may try.
Task<void> LaneRunner::rotate() {
    CO_TRY_VOID(co_await net::sleep_for(backoff_.next()));
    send_members_to(Track::Slow);
    co_return Result<void>{};
}

void LaneRunner::set_aside(const Decided& decided) {
    for (Ticket* ticket : decided.gone) {
        context_.intake.answer(ticket, fail(context_.expired(*ticket)));
    }
    for (Ticket* ticket : decided.held) context_.intake.put_back(ticket, Track::Slow);
    for (Ticket* ticket : decided.behind) context_.intake.put_back(ticket, Track::Normal);
    members_ = decided.members;
}

void LaneRunner::publish_members() {
    for (Ticket* ticket : std::exchange(members_, {})) {
        context_.metrics.answered(*ticket);
        context_.intake.publish(ticket);
    }
}

void LaneRunner::send_members_to(Track track) {
    for (Ticket* ticket : std::exchange(members_, {})) context_.intake.put_back(ticket, track);
}

void LaneRunner::blame(const Error& error) {
    for (Ticket* ticket : std::exchange(members_, {})) {
        log::error("command_refused", {{"command", core::name_of(ticket->command)},
                                       {"account", ticket->command.account},
                                       {"error", to_string(error)}});
        if (is_damage(error)) context_.intake.suspect(*ticket);
        context_.intake.answer(ticket, fail(refusal(error)));
    }
}

/// The lane was cancelled with a batch in its hands.
void LaneRunner::abandon_members() {
    for (Ticket* ticket : std::exchange(members_, {})) {
        bool decided = ticket->state == Ticket::State::Deciding;
        context_.intake.answer(
            ticket, fail({.kind = decided ? ErrorClass::Unknown : ErrorClass::Unavailable,
                          .code = "processor_stopped",
                          .message = decided ? "This process ended before the result was known."
                                             : "This process is ending; nothing was done."}));
    }
}

} // namespace holdfast::processor
