#include "store/columns.h"
#include "store/tables.h"
#include "store/wire.h"
#include "store/write_batch.h"

#include <bit>

namespace holdfast::store {

using db::Bytea;

void write_ledger(db::Pipeline& pipeline,
                  const std::vector<core::LedgerTransaction>& transactions) {
    if (transactions.empty()) return;
    Columns<Id<core::Account>, Id<core::BalanceTransaction>, WallTime, WallTime, std::int64_t,
            std::int64_t, Uuid, core::ObjectKind, core::PostingKind, core::Currency, std::string>
        rows;
    Columns<Id<core::Account>, Id<core::BalanceTransaction>, std::int16_t, std::int64_t,
            core::LedgerAccountKind, core::Currency>
        lines;
    for (const auto& [row, posted] : transactions) {
        rows.append(row.account, row.id, row.created, row.available_on, row.amount.minor,
                    row.fee_minor, row.source, row.source_kind, row.kind, row.amount.currency,
                    row.description);
        std::int16_t line = 0;
        for (const core::Entry& entry : posted) {
            lines.append(row.account, row.id, ++line, entry.amount_minor, entry.account.kind,
                         entry.account.currency);
        }
    }
    send(pipeline, Sql<balance_transactions>::insert, rows);
    send(pipeline, Sql<entries>::insert, lines);

    Columns<Id<core::Account>, core::LedgerAccountKind, core::Currency, std::int64_t> deltas;
    for (const core::Delta& delta : core::sum_deltas(transactions)) {
        deltas.append(delta.account.owner, delta.account.kind, delta.account.currency,
                      delta.amount_minor);
    }
    if (!deltas.empty()) send(pipeline, Sql<balance_deltas>::insert, deltas);
}

void write_events(db::Pipeline& pipeline, const std::vector<core::Event>& list) {
    if (list.empty()) return;
    Columns<Id<core::Account>, Id<core::Event>, WallTime, Uuid, Uuid, std::string, core::ObjectKind,
            std::string, Bytea>
        rows;
    for (const core::Event& event : list) {
        rows.append(event.account, event.id, event.created, event.object_id,
                    null_if_nil(event.request_id), event.type, event.object.kind,
                    event.idempotency_key, Bytea{event.object.bytes});
    }
    send(pipeline, Sql<events>::insert, rows);
}

void write_replays(db::Pipeline& pipeline, const std::vector<core::ReplayRecord>& records) {
    if (records.empty()) return;
    Columns<Id<core::Account>, Uuid, std::int64_t, Uuid, WallTime, Bytea> rows;
    for (const core::ReplayRecord& record : records) {
        const std::string answer = core::encode_answer(record.answer);
        rows.append(record.account, record.replay_key,
                    std::bit_cast<std::int64_t>(record.fingerprint), record.request_id,
                    record.created, Bytea{answer});
    }
    send(pipeline, Sql<replays>::insert, rows);
}

void write_batch(db::Pipeline& pipeline, const core::UnitOfWork& work, const Originals& originals) {
    write_customers(pipeline, work.customers, originals);
    write_payment_methods(pipeline, work.payment_methods, originals);
    write_tokens(pipeline, work.tokens);
    write_payment_intents(pipeline, work.payment_intents, originals);
    write_charges(pipeline, work.charges, originals);
    write_refunds(pipeline, work.refunds, originals);
    write_operations(pipeline, work.operations, originals);
    write_ledger(pipeline, work.transactions);
    write_events(pipeline, work.events);
    write_replays(pipeline, work.new_replays);
}

} // namespace holdfast::store
