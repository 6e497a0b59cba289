#pragma once

// audit: proves the books from the rows. `holdfast check ledger` prints the report.
//
// All of it reads one snapshot (REPEATABLE READ, read only), so that it can run beside payments.
// Every figure is recomputed from what can't be changed (entries, balance transactions, seals):
//
//   transaction_unbalanced  the entries of a transaction sum to zero in every currency
//   transaction_net         what a merchant got of a capture or refund is its amount less its fee
//   balance_mismatch        folded base + deltas = sum of entries, per ledger account
//   seal_gap, seal_chain    every lane's seals are gapless, hash to what they say, and name the
//   hash
//                           of their predecessor
//   seal_totals             all seals together count the entries, their sum and the events there
//   are charge_captured         amount captured = captures posted for it charge_refunded amount
//   refunded = refunds pending or done, and what was released refund_posted           a refund is
//   posted once when it succeeded, not otherwise payment_received        amount received = what its
//   charges captured; none succeeded without event_missing           a final state was announced
//   operation_active        an operation is open if and only if its payment waits for it
//
// Cost: a few passes over the tables, about a second per million payments; memory: sort and hash
// areas of the server, one page of seals here. Runs with the privileges of holdfast_app or _read.

#include "db/pool.h"
#include "store/audit_report.h"

namespace holdfast::store {

db::Task<AuditReport> audit(db::Pool& pool, db::Deadline deadline);

} // namespace holdfast::store
