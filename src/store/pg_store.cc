#include "store/pg_store.h"

#include "store/detail/ask.h"
#include "store/detail/pg_lane.h"
#include "store/rows.h"
#include "store/sql_accounts.h"
#include "store/sql_jobs.h"
#include "store/wire.h"

namespace holdfast::store {

using db::Effect;
using db::Pipeline;
using db::Priority;

Task<std::unique_ptr<Lane>> PgStore::open_lane(Deadline deadline) {
    return open_pg_lane(connect_, deadline);
}

namespace {

template <const Table& table, class T>
Task<std::optional<T>> find_row(db::Pool& pool, Id<core::Account> account, Id<T> id,
                                Deadline deadline) {
    db::ParamArray<Id<core::Account>> accounts;
    db::ParamArray<Id<T>> ids;
    accounts.append(account);
    ids.append(id);
    Pipeline pipeline{Effect::Read};
    pipeline.add(Sql<table>::read, accounts, ids);
    CO_TRY(auto results, co_await ask(pool, Priority::Payment, pipeline, deadline));
    if (results[0].empty()) co_return std::nullopt;
    CO_TRY(T value, read_row<T>(results[0].front()));
    co_return value;
}

} // namespace

Task<std::optional<core::Customer>> PgStore::find(Id<core::Account> account, Id<core::Customer> id,
                                                  Deadline deadline) {
    return find_row<customers>(pool_, account, id, deadline);
}
Task<std::optional<core::PaymentMethod>> PgStore::find(Id<core::Account> account,
                                                       Id<core::PaymentMethod> id,
                                                       Deadline deadline) {
    return find_row<payment_methods>(pool_, account, id, deadline);
}
Task<std::optional<core::Token>> PgStore::find(Id<core::Account> account, Id<core::Token> id,
                                               Deadline deadline) {
    return find_row<tokens>(pool_, account, id, deadline);
}
Task<std::optional<core::PaymentIntent>> PgStore::find(Id<core::Account> account,
                                                       Id<core::PaymentIntent> id,
                                                       Deadline deadline) {
    return find_row<payment_intents>(pool_, account, id, deadline);
}
Task<std::optional<core::Charge>> PgStore::find(Id<core::Account> account, Id<core::Charge> id,
                                                Deadline deadline) {
    return find_row<charges>(pool_, account, id, deadline);
}
Task<std::optional<core::Refund>> PgStore::find(Id<core::Account> account, Id<core::Refund> id,
                                                Deadline deadline) {
    return find_row<refunds>(pool_, account, id, deadline);
}
Task<std::optional<core::BalanceTransaction>> PgStore::find(Id<core::Account> account,
                                                            Id<core::BalanceTransaction> id,
                                                            Deadline deadline) {
    return find_row<balance_transactions>(pool_, account, id, deadline);
}
Task<std::optional<core::Event>> PgStore::find(Id<core::Account> account, Id<core::Event> id,
                                               Deadline deadline) {
    return find_row<events>(pool_, account, id, deadline);
}

Task<Balance> PgStore::balance(Id<core::Account> account, Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::read_balance, account);
    CO_TRY(auto results, co_await ask(pool_, Priority::Browse, pipeline, deadline));
    Balance balance;
    for (db::Row row : results[0]) {
        Balance::Amount amount{};
        CO_TRY_VOID(row.read(amount.kind, amount.currency, amount.amount_minor));
        balance.amounts.push_back(amount);
    }
    co_return balance;
}

Task<std::vector<core::Operation>> PgStore::stale_operations(WallTime before, int limit,
                                                             Deadline deadline) {
    Pipeline pipeline;
    pipeline.begin();
    pipeline.add(sql::sweep_operations);
    const auto found = pipeline.add(sql::stale_operations, before, std::int32_t{limit});
    pipeline.commit();
    CO_TRY(auto results, co_await ask(pool_, Priority::Job, pipeline, deadline));
    co_return read_rows<core::Operation>(results[found]);
}

Task<std::int64_t> PgStore::fold_balances(int limit, Deadline deadline) {
    CO_TRY(db::Pooled connection,
           co_await pool_.acquire(Priority::Job, sql::fold_balances.name, deadline));
    Pipeline lease;
    lease.begin();
    const auto taken = lease.add(sql::try_job_lock, sql::job_locks,
                                 static_cast<std::int32_t>(sql::Job::FoldBalances));
    CO_TRY(auto leased, co_await connection->run(lease, deadline));
    CO_TRY(const bool ours, leased[taken].front().get<bool>(0));
    Pipeline fold;
    if (!ours) {
        fold.rollback();
        CO_TRY_VOID(co_await connection->run(fold, deadline));
        co_return 0;
    }
    const auto folded = fold.add(sql::fold_balances, std::int32_t{limit});
    fold.commit();
    CO_TRY(auto results, co_await connection->run(fold, deadline));
    co_return results[folded].front().get<std::int64_t>(0);
}

Task<std::int64_t> PgStore::expire_replays(WallTime before, int limit, Deadline deadline) {
    Pipeline pipeline;
    pipeline.begin();
    pipeline.add(sql::allow_bitmap_scan);
    const auto expired = pipeline.add(sql::expire_replays, before, std::int32_t{limit});
    pipeline.commit();
    CO_TRY(auto results, co_await ask(pool_, Priority::Job, pipeline, deadline));
    co_return results[expired].affected();
}

Task<void> PgStore::ping(Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::ping);
    CO_TRY(auto results, co_await ask(pool_, Priority::Payment, pipeline, deadline));
    CO_TRY(const bool read_only, results[0].front().get<bool>(0));
    if (read_only) {
        co_return fail(ErrorClass::Unavailable, "database_read_only",
                       "The database answers but takes no writes: it is a standby.");
    }
    co_return Result<void>{};
}

} // namespace holdfast::store
