#pragma once

// PgReads: Reads as SQL. Which server is asked, and what its answer is worth, is said by who
// derives from it, in ask().

#include "db/pipeline.h"
#include "db/query_result.h"
#include "db/wait_queue.h"
#include "store/reads.h"

namespace holdfast::store {

class PgReads : public virtual Reads {
  public:
    Task<std::optional<core::Customer>> find(Id<core::Account>, Id<core::Customer>,
                                             Deadline) override;
    Task<std::optional<core::PaymentMethod>> find(Id<core::Account>, Id<core::PaymentMethod>,
                                                  Deadline) override;
    Task<std::optional<core::Token>> find(Id<core::Account>, Id<core::Token>, Deadline) override;
    Task<std::optional<core::PaymentIntent>> find(Id<core::Account>, Id<core::PaymentIntent>,
                                                  Deadline) override;
    Task<std::optional<core::Charge>> find(Id<core::Account>, Id<core::Charge>, Deadline) override;
    Task<std::optional<core::Refund>> find(Id<core::Account>, Id<core::Refund>, Deadline) override;
    Task<std::optional<core::BalanceTransaction>> find(Id<core::Account>,
                                                       Id<core::BalanceTransaction>,
                                                       Deadline) override;
    Task<std::optional<core::Event>> find(Id<core::Account>, Id<core::Event>, Deadline) override;

    Task<Page<core::Customer>> list_customers(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::PaymentMethod>> list_payment_methods(Id<core::Account>, ListQuery,
                                                         Deadline) override;
    Task<Page<core::PaymentIntent>> list_payment_intents(Id<core::Account>, ListQuery,
                                                         Deadline) override;
    Task<Page<core::Charge>> list_charges(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::Refund>> list_refunds(Id<core::Account>, ListQuery, Deadline) override;
    Task<Page<core::BalanceTransaction>> list_balance_transactions(Id<core::Account>, ListQuery,
                                                                   Deadline) override;
    Task<Page<core::Event>> list_events(Id<core::Account>, ListQuery, Deadline) override;
    Task<Balance> balance(Id<core::Account>, Deadline) override;

  private:
    struct Asking;
    /// Answers a pipeline that only reads, of one statement; results behind that of this one are
    /// none of the caller's, who owns the pipeline and does nothing more with it.
    virtual Task<std::vector<db::QueryResult>> ask(db::Priority priority, db::Pipeline& pipeline,
                                                   Deadline deadline) = 0;
};

} // namespace holdfast::store
