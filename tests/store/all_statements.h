#pragma once

// Every statement of src/store, for the tests that look at all of them. A statement that is missing
// here is found by statements_test.cc: it counts what the store has prepared.

#include "store/sql_accounts.h"
#include "store/sql_audit.h"
#include "store/sql_batches.h"
#include "store/sql_jobs.h"
#include "store/sql_lists.h"
#include "store/sql_reads.h"

#include <vector>

namespace holdfast::store {

using Statements = std::vector<const db::Statement*>;

template <const Table& table> void add_root(Statements& all) {
    all.insert(all.end(), {&Sql<table>::insert, &Sql<table>::update, &Sql<table>::read,
                           &Sql<table>::lock, &Sql<table>::lock_wait, &Sql<table>::exists});
}
template <const Table& table> void add_child(Statements& all) {
    all.insert(all.end(), {&Sql<table>::insert, &Sql<table>::update, &Sql<table>::read});
}
template <const ListFilter& filter> void add_list(Statements& all) {
    all.insert(all.end(), {&List<filter>::newest, &List<filter>::oldest});
}

/// What batches send.
inline Statements batch_statements() {
    Statements all;
    add_root<customers>(all);
    add_root<payment_methods>(all);
    add_root<tokens>(all);
    add_root<payment_intents>(all);
    add_child<charges>(all);
    add_child<refunds>(all);
    add_child<operations>(all);
    all.insert(all.end(),
               {&Sql<balance_transactions>::insert, &Sql<entries>::insert,
                &Sql<balance_deltas>::insert, &Sql<events>::insert, &Sql<replays>::insert,
                &LatestCharges::read, &ActiveOperations::read, &ChosenPaymentMethods::read,
                &sql::read_replays, &sql::claim, &sql::claim_wait, &sql::lock_lane,
                &sql::insert_seal, &sql::last_seal, &sql::raise_barrier, &sql::register_lane});
    return all;
}

/// What requests read.
inline Statements read_statements() {
    Statements all;
    add_list<all_customers>(all);
    add_list<customers_by_email>(all);
    add_list<all_payment_methods>(all);
    add_list<payment_methods_by_customer>(all);
    add_list<all_payment_intents>(all);
    add_list<payment_intents_by_customer>(all);
    add_list<all_charges>(all);
    add_list<charges_by_customer>(all);
    add_list<charges_by_payment_intent>(all);
    add_list<all_refunds>(all);
    add_list<refunds_by_payment_intent>(all);
    add_list<refunds_by_charge>(all);
    add_list<all_balance_transactions>(all);
    add_list<balance_transactions_by_source>(all);
    add_list<all_events>(all);
    all.insert(all.end(),
               {&Sql<customers>::position, &Sql<payment_methods>::position,
                &Sql<payment_intents>::position, &Sql<charges>::position, &Sql<refunds>::position,
                &Sql<balance_transactions>::position, &Sql<events>::position,
                &Sql<balance_transactions>::read, &Sql<events>::read, &sql::read_balance,
                &sql::find_account, &sql::floor_limits_of, &sql::find_key, &sql::list_keys,
                &sql::ping, &sql::seen_below, &sql::raise_read_barrier, &sql::standby_has});
    return all;
}

/// What jobs and people send.
inline Statements other_statements() {
    return {&sql::try_job_lock,
            &sql::fold_balances,
            &sql::sweep_operations,
            &sql::stale_operations,
            &sql::operations_after,
            &sql::allow_bitmap_scan,
            &sql::expire_replays,
            &sql::insert_account,
            &sql::list_accounts,
            &sql::list_floor_limits,
            &sql::set_floor_limit,
            &sql::remove_floor_limit,
            &sql::job_lock,
            &sql::renew_floor_share,
            &sql::insert_key,
            &sql::working_keys,
            &sql::expire_key,
            &sql::audit_snapshot,
            &sql::audit_settings,
            &sql::audit_transaction_unbalanced,
            &sql::audit_transaction_net,
            &sql::audit_balance_mismatch,
            &sql::audit_charge_captured,
            &sql::audit_charge_refunded,
            &sql::audit_refund_posted,
            &sql::audit_payment_received,
            &sql::audit_event_missing,
            &sql::audit_operation_active,
            &sql::audit_totals,
            &sql::audit_counts,
            &sql::audit_seals};
}

} // namespace holdfast::store
