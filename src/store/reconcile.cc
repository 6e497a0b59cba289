#include "store/reconcile.h"

#include "store/detail/ask.h"
#include "store/rows.h"
#include "store/sql_jobs.h"

namespace holdfast::store {

db::Task<std::vector<core::Operation>> operations_after(db::Pool& pool, core::RowKey after,
                                                        int limit, db::Deadline deadline) {
    db::Pipeline pipeline{db::Effect::Read};
    pipeline.add(sql::operations_after, after.account, after.id, std::int32_t{limit});
    CO_TRY(auto results, co_await ask(pool, db::Priority::Report, pipeline, deadline));
    co_return read_rows<core::Operation>(results[0]);
}

} // namespace holdfast::store
