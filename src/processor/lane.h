#pragma once

// LaneRunner: one store lane at work: take a portion from intake, settle it, take the next.
//
// Settling a batch ends when each member has been answered or has moved to another track:
//
//   begin -> decide -> commit  durable: publish the answers
//                              answer lost: resolve until known; durable: publish, else decide anew
//                              conflict (40P01, 40001, 55P03): a little later, again
//                              database away or slow: reconnect, again, while a member has time
//                              refused: the members go to the suspect track, where each is alone
//                                and a refusal is its own
//   rows held by others        those members go to the slow track, which waits for the lock
//   nothing to write           rollback, then publish: an error costs no commit. A repeated answer
//                                does, because it acknowledges again what somebody else wrote
//
// So batches are self-clocking: what arrives during a commit is the next batch. A member whose
// submitter has left is dropped until it is decided; after that it shares the fate of the batch.
//
// One coroutine per lane, on the loop of the instance, through the processor's Gate. Limits:
// Options. Errors of the store never end a lane; only cancellation and stop() do.

#include "processor/batch.h"
#include "processor/business_clock.h"
#include "processor/intake.h"
#include "processor/metrics.h"
#include "processor/processor.h"
#include "processor/recent_rows.h"
#include "processor/remedy.h"

#include <array>
#include <functional>
#include <memory>

namespace holdfast::processor {

/// What the lanes of one instance share.
struct LaneContext {
    LaneContext(net::Loop& loop, Env& e, const Options& o, Rules r, BusinessClock& c, Metrics& m,
                Intake::OnOrphan on_orphan);

    Env& env;
    const Options& options;
    Rules rules;
    BusinessClock& clock;
    Metrics& metrics;
    std::array<net::Event, tracks> work; ///< tells the lanes of a track that something is ready
    Intake intake;
    bool stopping = false;
    bool database_away = false; ///< since the last batch that failed for it
    /// What a batch with payments in it has made durable; null: nobody wants to know.
    std::function<void(const RecentRows::Changes&)> on_durable;

    net::Event& work_for(Track track) { return work[static_cast<std::size_t>(track)]; }
    /// What a ticket gets whose time is up before it was done.
    Error expired(const Ticket& ticket) const;
    /// Lanes end once intake is empty.
    void stop();

  private:
    void wake_all();
};

class LaneRunner {
  public:
    /// Without a `lane`, because the database is away, it opens one for its first batch.
    using Open = std::function<Task<std::unique_ptr<store::Lane>>(Deadline)>;
    LaneRunner(LaneContext& context, std::unique_ptr<store::Lane> lane, Open open, Track track);

    Task<void> run();

  private:
    enum class Attempt : std::uint8_t { Settled, Again };

    Task<void> settle();
    Task<Attempt> attempt();
    Task<void> make_usable();
    Uuid lane_id() const { return lane_ ? lane_->id() : Uuid{}; }
    Task<Attempt> commit(core::UnitOfWork work, std::int32_t applied);
    Task<bool> resolve();
    Task<void> recover(Error error);
    Task<void> rotate();

    bool drop_gone();
    std::vector<core::Needs> needs();
    Deadline begin_deadline() const;
    void set_aside(const Decided& decided);
    void publish_members();
    void send_members_to(Track track);
    void blame(const Error& error);
    void abandon_members();
    Portion portion() const;

    LaneContext& context_;
    std::unique_ptr<store::Lane> lane_;
    Open open_;
    Track track_;
    bool broken_ = false; ///< needs reopen() before the next batch
    int conflicts_ = 0;   ///< of the batch in hand
    Backoff backoff_;
    std::vector<Ticket*> members_;
};

} // namespace holdfast::processor
