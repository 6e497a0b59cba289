#pragma once

// BatchQuery: the begin of a batch. Adds the statements that lock and load what a LockPlan names to
// a pipeline, and makes a Batch of the answers.
//
// The order is part of the meaning: claims, row locks by kind and key (the order of LockPlan), then
// everything that is only read, in later statements, so that it is as of after the locks.

#include "db/pipeline.h"
#include "db/query_result.h"
#include "store/lock_plan.h"
#include "store/store.h"
#include "store/write_batch.h"

namespace holdfast::store {

class BatchQuery {
  public:
    BatchQuery(LockPlan plan, LockMode mode, db::Pipeline& pipeline);

    /// `originals` gets what was loaded.
    Result<Batch> read(const std::vector<db::QueryResult>& results, Originals& originals) const;

  private:
    static constexpr std::size_t not_asked = static_cast<std::size_t>(-1);
    struct Asked {
        std::size_t lock = not_asked, exists = not_asked, read = not_asked;
    };

    template <class T> void ask_locks(db::Pipeline& pipeline);
    template <class T> void ask_exists(db::Pipeline& pipeline);
    template <class T> void ask_reads(db::Pipeline& pipeline);
    void ask_claims(db::Pipeline& pipeline);
    void ask_children(db::Pipeline& pipeline);

    template <class T> Asked& asked() { return asked_[static_cast<std::size_t>(core::kind_of<T>)]; }
    template <class T> const Asked& asked() const {
        return asked_[static_cast<std::size_t>(core::kind_of<T>)];
    }

    LockPlan plan_;
    LockMode mode_;
    std::array<Asked, object_kinds> asked_;
    std::size_t claims_ = not_asked, charges_ = not_asked, operations_ = not_asked,
                payment_methods_ = not_asked, replays_ = not_asked;
};

} // namespace holdfast::store
