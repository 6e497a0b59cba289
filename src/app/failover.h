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
//   primary lost (ended, or silent for silence_max)
//     promotable, standby answers   Promote: kill what is left of the old one, then store, promote
//     else                          Restart it in place
//   standby not streaming for lag_max, primary well     Degrade
//   standby streaming and caught up, not promotable     Resynchronize

#include "base/env.h"
#include "base/result.h"
#include "db/embedded_cluster.h"

#include <optional>
#include <string>

namespace holdfast::app {

struct PairState {
    db::Node primary = db::Node::A;
    std::int64_t epoch = 1;
    bool promotable = false;
    bool operator==(const PairState&) const = default;
};

/// The state of a data directory; that of a new one when there is none yet. Error Invalid
/// "cluster_state_invalid": which node is the primary must not be guessed.
Result<PairState> load_pair_state(const std::string& path);
Result<void> store_pair_state(const std::string& path, const PairState& state,
                              const std::optional<UserIdentity>& owner);

/// What was seen of the pair, now.
struct PairFacts {
    bool primary_runs = true;       ///< its process lives
    Duration primary_silent{};      ///< since it last answered a look
    Duration standby_silent{};      ///< likewise
    bool standby_caught_up = false; ///< streams, and has flushed what the primary has
    Duration standby_away{};        ///< since it last streamed
};

enum class PairMove : std::uint8_t { None, Promote, Degrade, Resynchronize };

struct FailoverLimits {
    Duration silence_max = std::chrono::seconds{3}; ///< of a primary whose process lives
    Duration witness_max =
        std::chrono::seconds{1}; ///< a standby that answered so recently can take over
    Duration standby_away_max = std::chrono::seconds{2};
};

PairMove next_move(const PairState& state, const PairFacts& facts, const FailoverLimits& limits);

} // namespace holdfast::app
