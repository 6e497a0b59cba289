#include "db/cluster_view.h"

#include <algorithm>
#include <utility>

namespace holdfast::db {

std::string_view to_string(Standing standing) {
    switch (standing) {
        case Standing::Unknown: return "unknown";
        case Standing::Primary: return "primary";
        case Standing::Standby: return "standby";
        case Standing::ReadOnly: return "read_only";
        case Standing::StalePrimary: return "stale_primary";
        case Standing::Foreign: return "foreign";
    }
    return "unknown";
}

Standing ClusterView::claim(const Sighting& sighting) const {
    if (sighting.system_identifier != system_identifier_) return Standing::Foreign;
    if (sighting.in_recovery) return Standing::Standby;
    if (sighting.timeline < timeline_) return Standing::StalePrimary;
    return sighting.read_only ? Standing::ReadOnly : Standing::Primary;
}

bool ClusterView::saw(std::size_t server, Sighting sighting) {
    if (system_identifier_.empty()) system_identifier_ = sighting.system_identifier;
    servers_[server] = {.last = std::move(sighting), .answered = true};
    const Sighting& seen = servers_[server].last;
    if (seen.system_identifier == system_identifier_)
        timeline_ = std::max(timeline_, seen.timeline);

    // It has stepped down, or somebody was seen on a newer timeline: rather none than an old one.
    if (primary_ && claim(servers_[*primary_].last) != Standing::Primary) primary_.reset();
    // Two primaries on one timeline can't come from a promotion: the first is kept.
    if (primary_ || claim(seen) != Standing::Primary) return false;
    primary_ = server;
    ++epoch_;
    return true;
}

Standing ClusterView::standing(std::size_t server) const {
    const Server& one = servers_[server];
    return one.answered ? claim(one.last) : Standing::Unknown;
}

} // namespace holdfast::db
