#include "processor/recent_rows.h"

namespace holdfast::processor {

RecentRows::Changes RecentRows::changes_of(const core::UnitOfWork& work) {
    Changes changes;
    for_each_change(work.payment_intents,
                    [&](const core::RowKey&, const auto& row) { changes.payments.push_back(row); });
    for_each_change(work.payment_methods,
                    [&](const core::RowKey&, const auto& row) { changes.methods.push_back(row); });
    for_each_change(work.customers, [&](const core::RowKey&, const auto& row) {
        changes.customers.push_back(row);
    });
    changes.replays = work.new_replays;
    return changes;
}

void RecentRows::note(const Changes& changes) {
    for (const auto& row : changes.payments) payments.note({row.account, row.id.uuid()}, row);
    for (const auto& row : changes.methods) methods.note({row.account, row.id.uuid()}, row);
    for (const auto& row : changes.customers) customers.note({row.account, row.id.uuid()}, row);
    for (const auto& row : changes.replays) replays.note({row.account, row.replay_key}, row);
}

} // namespace holdfast::processor
