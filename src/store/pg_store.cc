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
    return open_pg_lane(connect_, acknowledged_, deadline);
}

Task<std::vector<db::QueryResult>> PgStore::ask(Priority priority, Pipeline& pipeline,
                                                Deadline deadline) {
    return store::ask(pool_, priority, pipeline, deadline);
}

Task<std::vector<core::Operation>> PgStore::stale_operations(WallTime before, int limit,
                                                             Deadline deadline) {
    Pipeline pipeline;
    pipeline.begin();
    pipeline.add(sql::sweep_operations);
    const auto found = pipeline.add(sql::stale_operations, before, std::int32_t{limit});
    pipeline.commit();
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Job, pipeline, deadline));
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
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Job, pipeline, deadline));
    co_return results[expired].affected();
}

Task<void> PgStore::ping(Deadline deadline) {
    Pipeline pipeline{Effect::Read};
    pipeline.add(sql::ping);
    CO_TRY(auto results, co_await store::ask(pool_, Priority::Payment, pipeline, deadline));
    CO_TRY(const bool read_only, results[0].front().get<bool>(0));
    if (read_only) {
        co_return fail(ErrorClass::Unavailable, "database_read_only",
                       "The database answers but takes no writes: it is a standby.");
    }
    co_return Result<void>{};
}

} // namespace holdfast::store
