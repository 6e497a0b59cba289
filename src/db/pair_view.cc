#include "db/pair_view.h"

#include <fmt/format.h>

namespace holdfast::db {
namespace {

constexpr std::int64_t lag_max_bytes = 16 << 20;

} // namespace

std::string pair_view_statement(Node standby) {
    return fmt::format(
        "SELECT r, current_setting('synchronous_standby_names') <> '', "
        "EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{0}' "
        "AND wal_status IS DISTINCT FROM 'lost'), "
        "CASE WHEN r THEN false ELSE (pg_control_checkpoint()).timeline_id = "
        "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END, "
        "coalesce(s.standing, 0), coalesce(s.reply_time::text, '') "
        "FROM pg_is_in_recovery() AS r LEFT JOIN LATERAL ("
        "SELECT reply_time, CASE WHEN r OR state <> 'streaming' THEN 0 "
        "WHEN pg_current_wal_flush_lsn() - flush_lsn <= {1} THEN 2 ELSE 1 END AS standing "
        "FROM pg_stat_replication WHERE application_name = '{0}' "
        "ORDER BY standing DESC, reply_time DESC LIMIT 1) AS s ON true",
        EmbeddedCluster::standby_name_of(standby), lag_max_bytes);
}

Result<PairView> read_pair_view(const QueryResult& result) {
    if (result.empty()) return fail(ErrorClass::Bug, "pair_view_empty", "No row of the pair.");
    PairView view;
    std::int32_t standing = 0;
    TRY_VOID(result.front().read(view.in_recovery, view.commits_wait, view.slot_good, view.settled,
                                 standing, view.last_message));
    view.standing = static_cast<StandbyStanding>(standing);
    return view;
}

std::string flushed_statement(Node standby, std::string_view position) {
    return fmt::format(
        "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = "
        "'{}' AND sync_state = 'sync' AND flush_lsn >= '{}')::text",
        EmbeddedCluster::standby_name_of(standby), position);
}

std::string slot_statement(Node standby) {
    return fmt::format(
        "SELECT pg_create_physical_replication_slot('{0}', true)::text WHERE NOT EXISTS "
        "(SELECT FROM pg_replication_slots WHERE slot_name = '{0}')",
        EmbeddedCluster::standby_name_of(standby));
}

std::string lost_slot_statement(Node standby) {
    return fmt::format(
        "SELECT pg_drop_replication_slot(slot_name)::text FROM pg_replication_slots "
        "WHERE slot_name = '{}' AND wal_status = 'lost' AND NOT active",
        EmbeddedCluster::standby_name_of(standby));
}

} // namespace holdfast::db
