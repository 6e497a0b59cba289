#include "store/detail/ask.h"
#include "store/pg_store.h"
#include "store/sql_accounts.h"

namespace holdfast::store {

using db::Bytea;
using db::Effect;
using db::Pipeline;
using db::Priority;

namespace {

Result<core::Account> read_account(db::Row row) {
    core::Account account;
    TRY_VOID(row.read(account.id, account.public_id, account.livemode, account.name,
                      account.created, account.fees.basis_points, account.fees.fixed_minor));
    return account;
}

Result<ApiKey> read_key(db::Row row) {
    ApiKey key;
    TRY_VOID(row.read(key.hash, key.account, key.publishable, key.hint, key.created, key.expires));
    return key;
}

} // namespace

Task<void> PgStore::create_account(core::Account account, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::insert_account, account.id, account.public_id, account.livemode, account.name,
                 account.created, account.fees.basis_points, account.fees.fixed_minor);
    CO_TRY_VOID(co_await ask(pool_, Priority::Payment, pipeline, deadline));
    co_return Result<void>{};
}

Task<std::optional<core::Account>> PgStore::find_account(Id<core::Account> id, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::find_account, id);
    CO_TRY(auto results, co_await ask(pool_, Priority::Payment, pipeline, deadline));
    if (results[0].empty()) co_return std::nullopt;
    CO_TRY(core::Account account, read_account(results[0].front()));
    co_return account;
}

Task<std::vector<core::Account>> PgStore::list_accounts(Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::list_accounts);
    CO_TRY(auto results, co_await ask(pool_, Priority::Browse, pipeline, deadline));
    std::vector<core::Account> accounts;
    for (db::Row row : results[0]) {
        CO_TRY(core::Account account, read_account(row));
        accounts.push_back(std::move(account));
    }
    co_return accounts;
}

Task<void> PgStore::insert_key(ApiKey key, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::insert_key, Bytea{key.hash}, key.account, key.publishable, key.hint,
                 key.created, key.expires);
    CO_TRY_VOID(co_await ask(pool_, Priority::Payment, pipeline, deadline));
    co_return Result<void>{};
}

Task<std::optional<ApiKey>> PgStore::find_key(std::string hash, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::find_key, Bytea{hash});
    CO_TRY(auto results, co_await ask(pool_, Priority::Payment, pipeline, deadline));
    if (results[0].empty()) co_return std::nullopt;
    CO_TRY(ApiKey key, read_key(results[0].front()));
    co_return key;
}

Task<std::vector<ApiKey>> PgStore::list_keys(Id<core::Account> account, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::list_keys, account);
    CO_TRY(auto results, co_await ask(pool_, Priority::Browse, pipeline, deadline));
    std::vector<ApiKey> keys;
    for (db::Row row : results[0]) {
        CO_TRY(ApiKey key, read_key(row));
        keys.push_back(std::move(key));
    }
    co_return keys;
}

Task<bool> PgStore::expire_key(std::string hash, WallTime when, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::expire_key, Bytea{hash}, when);
    CO_TRY(auto results, co_await ask(pool_, Priority::Payment, pipeline, deadline));
    co_return results[0].affected() > 0;
}

} // namespace holdfast::store
