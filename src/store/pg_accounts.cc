#include "store/detail/ask.h"
#include "store/pg_store.h"
#include "store/sql_accounts.h"
#include "store/sql_jobs.h"
#include "store/wire.h"

#include <unordered_map>

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

struct OwnedFloorLimit {
    Id<core::Account> account;
    core::FloorLimit limit;
};

Result<OwnedFloorLimit> read_floor_limit(db::Row row) {
    OwnedFloorLimit owned;
    TRY_VOID(row.read(owned.account, owned.limit.currency, owned.limit.payment_minor,
                      owned.limit.card_minor, owned.limit.total_minor));
    return owned;
}

Result<ApiKey> read_key(db::Row row) {
    ApiKey key;
    TRY_VOID(row.read(key.hash, key.account, key.publishable, key.hint, key.created, key.expires));
    return key;
}

Result<std::vector<ApiKey>> read_keys(const db::QueryResult& rows) {
    std::vector<ApiKey> keys;
    for (db::Row row : rows) {
        TRY(ApiKey key, read_key(row));
        keys.push_back(std::move(key));
    }
    return keys;
}

} // namespace

Task<void> PgStore::create_account(core::Account account, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::insert_account, account.id, account.public_id, account.livemode, account.name,
                 account.created, account.fees.basis_points, account.fees.fixed_minor);
    CO_TRY_VOID(co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    co_return Result<void>{};
}

Task<std::optional<core::Account>> PgStore::find_account(Id<core::Account> id, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    const auto found = pipeline.add(sql::find_account, id);
    const auto limits = pipeline.add(sql::floor_limits_of, id);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    if (results[found].empty()) co_return std::nullopt;
    CO_TRY(core::Account account, read_account(results[found].front()));
    for (db::Row row : results[limits]) {
        CO_TRY(OwnedFloorLimit owned, read_floor_limit(row));
        account.floor_limits.push_back(owned.limit);
    }
    co_return account;
}

Task<std::vector<core::Account>> PgStore::list_accounts(Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    const auto listed = pipeline.add(sql::list_accounts);
    const auto limits = pipeline.add(sql::list_floor_limits);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Browse, pipeline, deadline));
    std::unordered_map<Id<core::Account>, std::vector<core::FloorLimit>> by_account;
    for (db::Row row : results[limits]) {
        CO_TRY(OwnedFloorLimit owned, read_floor_limit(row));
        by_account[owned.account].push_back(owned.limit);
    }
    std::vector<core::Account> accounts;
    for (db::Row row : results[listed]) {
        CO_TRY(core::Account account, read_account(row));
        account.floor_limits = std::move(by_account[account.id]);
        accounts.push_back(std::move(account));
    }
    co_return accounts;
}

Task<void> PgStore::set_floor_limit(Id<core::Account> account, core::FloorLimit limit,
                                    Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::set_floor_limit, account, limit.currency, limit.payment_minor,
                 limit.card_minor, limit.total_minor);
    CO_TRY_VOID(co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    co_return Result<void>{};
}

Task<bool> PgStore::remove_floor_limit(Id<core::Account> account, core::Currency currency,
                                       Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::remove_floor_limit, account, currency);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    co_return results[0].affected() > 0;
}

Task<FloorShare> PgStore::renew_floor_share(std::string holder, std::int32_t wanted_ppm,
                                            Duration lease, Deadline deadline) {
    Pipeline pipeline;
    pipeline.begin();
    pipeline.add(sql::job_lock, sql::job_locks, static_cast<std::int32_t>(sql::Job::FloorShares));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lease).count();
    const auto renewed = pipeline.add(sql::renew_floor_share, holder, wanted_ppm,
                                      static_cast<std::int32_t>(seconds));
    pipeline.commit();
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Job, pipeline, deadline));
    FloorShare share;
    CO_TRY_VOID(results[renewed].front().read(share.ppm, share.holders));
    co_return share;
}

Task<void> PgStore::insert_key(ApiKey key, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::insert_key, Bytea{key.hash}, key.account, key.publishable, key.hint,
                 key.created, key.expires);
    CO_TRY_VOID(co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    co_return Result<void>{};
}

Task<std::optional<ApiKey>> PgStore::find_key(std::string hash, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::find_key, Bytea{hash});
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    if (results[0].empty()) co_return std::nullopt;
    CO_TRY(ApiKey key, read_key(results[0].front()));
    co_return key;
}

Task<std::vector<ApiKey>> PgStore::list_keys(Id<core::Account> account, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::list_keys, account);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Browse, pipeline, deadline));
    co_return read_keys(results[0]);
}

Task<std::vector<ApiKey>> PgStore::working_keys(int limit, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::working_keys, std::int32_t{limit});
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Browse, pipeline, deadline));
    co_return read_keys(results[0]);
}

Task<bool> PgStore::expire_key(std::string hash, WallTime when, Deadline deadline) {
    Pipeline pipeline;
    pipeline.add(sql::expire_key, Bytea{hash}, when);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    co_return results[0].affected() > 0;
}

} // namespace holdfast::store
