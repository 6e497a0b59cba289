#pragma once

// The statements of accounts and API keys.

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
inline constexpr Statement expire_key{"expire_key",
                                      "UPDATE api_keys SET expires = $2 WHERE hash = $1",
                                      {oid::bytea, oid::timestamptz}};

#undef HF_KEY

} // namespace holdfast::store::sql
