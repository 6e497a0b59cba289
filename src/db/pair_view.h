#pragma once

// PairView: what the primary of the embedded pair (embedded_cluster.h) says of itself and of its
// standby, in one question, and the statements by which it is told what to do about the other node.
// Who decides is app/cluster_keeper.h.
//
// A standby is heard of by the time of its last message, which its primary keeps: it sends one a
// second when it has nothing to say, so one that is frozen is noticed after that, although its
// connection stands (state = 'streaming') until wal_sender_timeout. Compare it with the one before
// only: it is wall time.
//
//   CO_TRY(auto results, co_await connection->run(pipeline_of(pair_view_statement(Node::B))));
//   CO_TRY(PairView view, read_pair_view(results.front()));

#include "db/embedded_cluster.h"
#include "db/query_result.h"

#include <optional>
#include <string>

namespace holdfast::db {

/// Behind: more than 16 MB, one segment of the log, of what the primary has flushed is missing.
enum class StandbyStanding : std::uint8_t { Away, Behind, CaughtUp };

struct PairView {
    bool in_recovery = false;
    bool commits_wait = false; ///< the configuration that counts names a standby
    bool slot_good = false;    ///< the standby's slot is there and has lost nothing
    bool settled = false;      ///< the control file names the timeline that is written
    StandbyStanding standing = StandbyStanding::Away;
    std::string last_message; ///< of the standby; empty: it is not connected
};

std::string pair_view_statement(Node standby);
Result<PairView> read_pair_view(const QueryResult& result);

/// Answers true once the standby counts for commits and has all up to `position`.
std::string flushed_statement(Node standby, std::string_view position);

/// Makes a node's slot on the other one, unless it is there, with the position reserved: what a
/// standby that is away will need stays, up to max_slot_wal_keep_size. On a node in recovery it is
/// from its last restartpoint on.
std::string slot_statement(Node standby);
/// Removes the slot if what it should have kept is gone, to make room for another.
std::string lost_slot_statement(Node standby);

} // namespace holdfast::db
