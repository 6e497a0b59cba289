#pragma once

// The statements of accounts, their floor limits and API keys.

#include "store/sql_table.h"

namespace holdfast::store::sql {

#define HF_ACCOUNT "id, public_id, livemode, name, created, fee_basis_points, fee_fixed_minor"

inline constexpr Statement insert_account{
    "insert_account",
    "INSERT INTO accounts (" HF_ACCOUNT ") VALUES ($1, $2, $3, $4, $5, $6, $7)",
    {oid::uuid, oid::uuid, oid::boolean, oid::text, oid::timestamptz, oid::int4, oid::int8}};
inline constexpr Statement find_account{
    "find_account", "SELECT " HF_ACCOUNT " FROM accounts WHERE id = $1", {oid::uuid}};
inline constexpr Statement list_accounts{
    "list_accounts", "SELECT " HF_ACCOUNT " FROM accounts ORDER BY created, id"};

#undef HF_ACCOUNT
#define HF_FLOOR_LIMIT "account_id, currency, payment_minor, card_minor, total_minor"

inline constexpr Statement floor_limits_of{
    "floor_limits_of",
    "SELECT " HF_FLOOR_LIMIT " FROM floor_limits WHERE account_id = $1 ORDER BY currency",
    {oid::uuid}};
inline constexpr Statement list_floor_limits{"list_floor_limits",
                                             "SELECT " HF_FLOOR_LIMIT
                                             " FROM floor_limits ORDER BY account_id, currency"};
inline constexpr Statement set_floor_limit{
    "set_floor_limit",
    "INSERT INTO floor_limits (" HF_FLOOR_LIMIT
    ") VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (account_id, currency) DO UPDATE SET payment_minor = excluded.payment_minor,"
    " card_minor = excluded.card_minor, total_minor = excluded.total_minor",
    {oid::uuid, oid::text, oid::int8, oid::int8, oid::int8}};
inline constexpr Statement remove_floor_limit{
    "remove_floor_limit",
    "DELETE FROM floor_limits WHERE account_id = $1 AND currency = $2",
    {oid::uuid, oid::text}};

/// Behind job_lock. Counts those that have run out as gone.
inline constexpr Statement renew_floor_share{
    "renew_floor_share",
    "WITH gone AS (DELETE FROM floor_shares WHERE until < now() AND holder <> $1),"
    " others AS (SELECT count(*)::integer AS number, coalesce(sum(share_ppm), 0)::integer AS taken"
    " FROM floor_shares WHERE until >= now() AND holder <> $1),"
    " ours AS (INSERT INTO floor_shares AS s (holder, share_ppm, until)"
    " SELECT $1, least($2, 1000000 - taken), now() + $3 * interval '1 second' FROM others"
    " ON CONFLICT (holder) DO UPDATE SET share_ppm = excluded.share_ppm, until = excluded.until"
    " RETURNING share_ppm)"
    " SELECT share_ppm, number + 1 FROM ours CROSS JOIN others",
    {oid::text, oid::int4, oid::int4}};

#undef HF_FLOOR_LIMIT
#define HF_KEY "hash, account_id, publishable, hint, created, expires"

inline constexpr Statement insert_key{
    "insert_key",
    "INSERT INTO api_keys (" HF_KEY ") VALUES ($1, $2, $3, $4, $5, $6)",
    {oid::bytea, oid::uuid, oid::boolean, oid::text, oid::timestamptz, oid::timestamptz}};
inline constexpr Statement find_key{
    "find_key", "SELECT " HF_KEY " FROM api_keys WHERE hash = $1", {oid::bytea}};
inline constexpr Statement list_keys{"list_keys",
                                     "SELECT " HF_KEY
                                     " FROM api_keys WHERE account_id = $1 ORDER BY created, hash",
                                     {oid::uuid}};
inline constexpr Statement working_keys{"working_keys",
                                        "SELECT " HF_KEY
                                        " FROM api_keys WHERE expires IS NULL OR expires > now()"
                                        " ORDER BY created DESC, hash LIMIT $1",
                                        {oid::int4}};
inline constexpr Statement expire_key{"expire_key",
                                      "UPDATE api_keys SET expires = $2 WHERE hash = $1",
                                      {oid::bytea, oid::timestamptz}};

#undef HF_KEY

} // namespace holdfast::store::sql
