#pragma once

// How net/ itself starts coroutines (Gate, with_deadline, block_on, SimLoop). Others use those.

#include "net/task.h"

#include <optional>
#include <utility>

namespace holdfast::net::detail {

/// Every spawned coroutine goes through this: Asio would throw out of the next co_await of a
/// cancelled one; ours answer an Error instead.
asio::awaitable<void> without_throwing(asio::awaitable<void> body);

/// Keeps the answer of `task` outside of Asio's completion, which would have to default-construct
/// it. `result` lives until the task has ended.
template <class T> asio::awaitable<void> run_into(Task<T> task, std::optional<Result<T>>& result) {
    result.emplace(co_await std::move(task));
}

} // namespace holdfast::net::detail
