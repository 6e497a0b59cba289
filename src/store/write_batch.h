#pragma once

// write_batch: adds to a pipeline what a UnitOfWork changed, as one set-based statement per table
// and kind of change, none for what did not change. Originals knows how the rows of a batch were
// loaded, so that an update leaves out the columns that seldom change.

#include "core/unit_of_work.h"
#include "db/pipeline.h"
#include "store/rows.h"

#include <map>

namespace holdfast::store {

class Originals {
  public:
    template <class T> void remember(const T& row) {
        parts_.insert_or_assign({core::kind_of<T>, row.id.uuid()}, guarded_part(row));
    }
    /// Also true for a row that was never remembered.
    template <class T> bool changed(const T& row) const {
        auto it = parts_.find({core::kind_of<T>, row.id.uuid()});
        return it == parts_.end() || it->second != guarded_part(row);
    }
    void clear() { parts_.clear(); }

  private:
    std::map<std::pair<core::ObjectKind, Uuid>, std::string> parts_;
};

void write_batch(db::Pipeline& pipeline, const core::UnitOfWork& work, const Originals& originals);

// Its parts.
void write_customers(db::Pipeline&, const core::Rows<core::Customer>&, const Originals&);
void write_payment_methods(db::Pipeline&, const core::Rows<core::PaymentMethod>&, const Originals&);
void write_tokens(db::Pipeline&, const core::Rows<core::Token>&);
void write_payment_intents(db::Pipeline&, const core::Rows<core::PaymentIntent>&, const Originals&);
void write_charges(db::Pipeline&, const core::Rows<core::Charge>&, const Originals&);
void write_refunds(db::Pipeline&, const core::Rows<core::Refund>&, const Originals&);
void write_operations(db::Pipeline&, const core::Rows<core::Operation>&, const Originals&);
void write_ledger(db::Pipeline&, const std::vector<core::LedgerTransaction>&);
void write_events(db::Pipeline&, const std::vector<core::Event>&);
void write_replays(db::Pipeline&, const std::vector<core::ReplayRecord>&);

} // namespace holdfast::store
