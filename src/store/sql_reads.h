#pragma once

// The statements by which reads for display learn what their answer is worth (shown_reads.h,
// read_barrier.h).

#include "store/sql_table.h"

namespace holdfast::store::sql {

/// In the pipeline of a read, behind it: it has seen no transaction with this number or a later
/// one. 0 where commits wait for no standby: then what is seen is as durable as it will be.
inline constexpr Statement seen_below{
    "seen_below",
    "SELECT CASE WHEN current_setting('synchronous_standby_names') = '' THEN 0 "
    "ELSE pg_snapshot_xmax(pg_current_snapshot())::text::int8 END"};

/// A durable write that touches no table, which somebody could have locked: its own number, and the
/// oldest that was still running. Once it is committed, so is all that could be seen before it.
inline constexpr Statement raise_read_barrier{
    "raise_read_barrier",
    "SELECT pg_current_xact_id()::text::int8, pg_snapshot_xmin(pg_current_snapshot())::text::int8, "
    "pg_logical_emit_message(true, 'holdfast.read_barrier', '') IS NOT NULL"};

/// Whether a standby has these seals, and has replayed all that it has been sent.
inline constexpr Statement standby_has{
    "standby_has",
    "SELECT pg_is_in_recovery() "
    "AND coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true) "
    "AND NOT EXISTS (SELECT FROM (SELECT unnest($1) AS lane, unnest($2) AS sequence) AS a "
    "WHERE NOT EXISTS (SELECT FROM seals AS s WHERE s.lane = a.lane AND s.sequence = a.sequence))",
    {oid::uuid_array, oid::int8_array}};

} // namespace holdfast::store::sql
