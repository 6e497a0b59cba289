#pragma once

// block_on(loop, task): runs the loop on the calling thread until `task` has ended and returns its
// answer. The door from ordinary code into coroutines: main() of a command, and tests with sockets.
// Never from inside a callback of that loop. Under SimEnv use SimLoop::run.
//
//   Loop loop{1};
//   Result<HttpResponse> answer = block_on(loop, client.request(std::move(request), deadline));

#include "net/run_into.h"

#include <optional>
#include <utility>

namespace holdfast::net {

namespace detail {
void run_to_end(Loop& loop, asio::awaitable<void> body);
} // namespace detail

template <class T> Result<T> block_on(Loop& loop, Task<T> task) {
    std::optional<Result<T>> result;
    detail::run_to_end(loop, detail::run_into<T>(std::move(task), result));
    return std::move(*result);
}

} // namespace holdfast::net
