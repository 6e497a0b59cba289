#pragma once

// ClusterView: what is known of the servers of one database cluster, and which of them may be
// written. Pure: sightings in, standing out.
//
// A server is believed to be the primary when it is not in recovery and on the newest timeline that
// anybody of its cluster was seen on: a promotion begins a new timeline, so a primary that was
// frozen or cut off while another took over gives itself away by its old one, for ever. Timelines
// only grow here. The system identifier, the same in all copies of one cluster, is learned from the
// first sighting; a server of another cluster is never written, whatever it claims.
//
// A primary that does not answer stays the primary until another one is proven: nobody else may be
// written meanwhile. It is `reachable` or not.
//
// Sources: PostgreSQL documentation, 27.3 (failover), 27.4.1 (timelines). Why not by the order of a
// host list, or by pg_is_in_recovery() alone: both have written to stale primaries.

#include "base/env.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::db {

/// What one look at a server showed.
struct Sighting {
    std::string system_identifier;
    std::uint32_t timeline = 0;
    bool in_recovery = true;
    bool read_only = false;     ///< a primary that somebody has closed for writes
    std::uint64_t position = 0; ///< bytes of log: written by a primary, replayed by a standby
};

enum class Standing : std::uint8_t {
    Unknown,      ///< has not answered, or not the last time
    Primary,      ///< may be written
    Standby,      ///< follows
    ReadOnly,     ///< would be the primary, but takes no writes
    StalePrimary, ///< claims to be the primary on an old timeline: must never be written
    Foreign,      ///< of another cluster
};
std::string_view to_string(Standing standing);

class ClusterView {
  public:
    explicit ClusterView(std::size_t servers) : servers_(servers) {}

    /// True when another server is the primary now than before, or the first one was found.
    bool saw(std::size_t server, Sighting sighting);
    void missed(std::size_t server) { servers_[server].answered = false; }

    /// The last one that was proven, reachable or not.
    std::optional<std::size_t> primary() const { return primary_; }
    bool primary_reachable() const { return primary_ && servers_[*primary_].answered; }
    Standing standing(std::size_t server) const;
    /// Newest anybody was seen on; 0 before the first sighting.
    std::uint32_t timeline() const { return timeline_; }
    /// Grows with each change of the primary: what was begun under an older one is over.
    std::uint64_t epoch() const { return epoch_; }
    /// The last sighting, however old.
    const Sighting& last(std::size_t server) const { return servers_[server].last; }
    std::size_t size() const { return servers_.size(); }

  private:
    struct Server {
        Sighting last;
        bool answered = false;
    };
    Standing claim(const Sighting& sighting) const;

    std::vector<Server> servers_;
    std::string system_identifier_;
    std::uint32_t timeline_ = 0;
    std::uint64_t epoch_ = 0;
    std::optional<std::size_t> primary_;
};

} // namespace holdfast::db
