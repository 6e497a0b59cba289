#pragma once

// A Seal from a row of the table seals, all columns in their order. Private to store.

#include "db/query_result.h"
#include "store/store.h"

namespace holdfast::store {

inline Result<Seal> read_seal(db::Row row) {
    Seal seal;
    TRY_VOID(row.read(seal.lane, seal.sequence, seal.created, seal.commands, seal.rows, seal.events,
                      seal.entries, seal.entries_sum_minor, seal.digest, seal.previous, seal.hash));
    return seal;
}

} // namespace holdfast::store
