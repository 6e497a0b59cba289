#pragma once

// failover: when the embedded pair changes roles. Pure decisions over what the keeper
// (cluster_keeper.h) has seen; no clock, no process, no socket.
//
// PairState is what must survive a crash of the supervisor, fsynced to DATA/cluster.json:
//
//   primary     which node is the primary, by decision: roles are stored, never inferred
//   epoch       grows with each change of the primary
//   promotable  the other node has every commit that was ever acknowledged
//
// Degrade, then promote: before synchronous replication is given up, promotable=false is durable;
// before it is believed again, the standby has caught up and commits wait for it. So a standby that
// was not in sync is never promoted by itself, whatever dies when: then the old primary is started
// again where it is, and until it is there nothing is written.
//
// next_move() goes by facts alone, so that what was interrupted is simply decided again, and every
// fact that is not as it should be leads to a move in the end, if only by the supervisor's, who
// starts again what has ended:
//
//   primary lost (ended, or silent for silence_max)
//     promotable, standby answers                  Promote: all of the old one gone, store, promote
//     runs, but gave no answer for mute_max        RestartPrimary, where it is
//   primary by decision, in recovery               FinishPromotion
//   commits wait for a standby that is away, or for one that is not trusted and behind;
//   or a standby is trusted and they don't wait    Degrade
//   the standby's slot is missing or lost          MakeSlot
//   the control file is on the old timeline        Checkpoint
//   not promotable, standby streams and is caught up    Resynchronize
//   standby whole, not heard of for useless_max    RemakeStandby: what it needs is gone
//   standby gave no answer for mute_max            RestartStandby

#include "base/env.h"
#include "base/result.h"
#include "db/embedded_cluster.h"

#include <algorithm>
#include <optional>
#include <string>

namespace holdfast::app {

struct PairState {
    db::Node primary = db::Node::A;
    std::int64_t epoch = 1;
    bool promotable = false;
    bool operator==(const PairState&) const = default;
};

/// Error Invalid "cluster_state_invalid", also when there is none: which node is the primary must
/// not be guessed.
Result<PairState> load_pair_state(const std::string& path);
Result<void> store_pair_state(const std::string& path, const PairState& state,
                              const std::optional<UserIdentity>& owner);

/// How long something has been missing, by the looks at it. Time in which nobody could look (our
/// own process was held up, the one who knows did not answer) counts as one look at most, which is
/// `step_max` with its pause.
class Absence {
  public:
    static constexpr Duration step_usual = std::chrono::seconds{1};
    void seen(MonoTime now) {
        lasting_ = {};
        looked_ = now;
    }
    void missed(MonoTime now, Duration step_max = step_usual) {
        lasting_ += std::min(now - looked_, step_max);
        looked_ = now;
    }
    void note(bool there, MonoTime now, Duration step_max = step_usual) {
        there ? seen(now) : missed(now, step_max);
    }
    Duration lasting() const { return lasting_; }

  private:
    Duration lasting_{};
    MonoTime looked_{};
};

/// What the primary says, as it was asked last.
struct PrimarySays {
    bool in_recovery = false;
    bool commits_wait = true;       ///< for the standby
    bool standby_caught_up = false; ///< streams, and has flushed nearly what the primary has
    Duration standby_away{};        ///< since it was last heard of, streaming
    bool slot_good = true;          ///< the standby's
    bool settled = true;            ///< the control file names the timeline that is written
};

/// What was seen of the pair, now.
struct PairFacts {
    bool primary_runs = true;           ///< something of its processes lives
    Duration primary_silent{};          ///< without an answer to a look
    Duration primary_mute{};            ///< without any answer, a refusal ("starting up") included
    Duration standby_silent{};          ///< as the primary; the longest when it never answered
    Duration standby_mute{};            ///< as the primary, since it was last started or copied
    Duration standby_useless{};         ///< whole, and its primary has heard nothing of it
    std::optional<PrimarySays> primary; ///< none: it did not say, or is another one now
};

enum class PairMove : std::uint8_t {
    None,
    Promote,
    RestartPrimary,
    FinishPromotion,
    Degrade,
    MakeSlot,
    Checkpoint,
    Resynchronize,
    RemakeStandby,
    RestartStandby,
};

struct FailoverLimits {
    Duration silence_max = std::chrono::seconds{3}; ///< of a primary whose process lives
    Duration witness_max =
        std::chrono::seconds{1}; ///< a standby that answered so recently can take over
    Duration mute_max = std::chrono::seconds{30};
    Duration standby_away_max = std::chrono::seconds{2};
    Duration standby_useless_max = std::chrono::minutes{10}; ///< recovery may take some
};

PairMove next_move(const PairState& state, const PairFacts& facts, const FailoverLimits& limits);

/// Why the standby can't take over now, on purpose, with nothing lost and nothing to wait for;
/// empty when it can.
std::string_view against_switchover(const PairState& state, const PairFacts& facts,
                                    const FailoverLimits& limits);

} // namespace holdfast::app
