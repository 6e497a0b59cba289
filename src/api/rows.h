#pragma once

// find_row(): one row for an answer: as stand-in knows it, else from the database.

#include "processor/processor.h"
#include "store/store.h"

#include <optional>

namespace holdfast::api {

template <class T>
net::Task<std::optional<T>> find_row(store::Store& store, const processor::Processor& processor,
                                     Id<core::Account> account, Id<T> id, net::Deadline deadline) {
    if constexpr (requires { processor.find_here(account, id); })
        if (auto here = processor.find_here(account, id)) co_return here;
    co_return co_await store.find(account, id, deadline);
}

} // namespace holdfast::api
