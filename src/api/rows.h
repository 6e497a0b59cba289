#pragma once

// find_row(): one row for an answer: from the database, or as this instance knows it when it is
// away, does not answer in time, or has not got it yet (another process holds it and has fallen
// silent): who has been charged or declined is told so all the same.

#include "processor/processor.h"
#include "store/reads.h"

#include <optional>

namespace holdfast::api {

/// So long the database is waited for where there is another answer.
inline constexpr Duration row_patience = std::chrono::milliseconds{500};

inline bool is_away(const Error& error) {
    return error.kind == ErrorClass::Deadline || error.kind == ErrorClass::Unavailable;
}

/// `here` is a processor::Processor.
template <class T, class Local>
net::Task<std::optional<T>> find_row(store::Reads& store, const Local& here,
                                     Id<core::Account> account, Id<T> id, net::Deadline deadline) {
    if constexpr (requires { here.find_here(account, id); }) {
        auto known = here.find_here(account, id);
        // While no primary answers, a standby does: what others held in the meantime it has not.
        if (known && (known->current || here.database_away())) co_return std::move(known->row);
        if (known) {
            auto row = co_await store.find(account, id, deadline.capped(row_patience));
            const bool told = row ? row->has_value() : !is_away(row.error());
            if (told) co_return row;
            co_return std::move(known->row);
        }
    }
    co_return co_await store.find(account, id, deadline);
}

} // namespace holdfast::api
