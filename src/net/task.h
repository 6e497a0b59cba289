#pragma once

// Task<T>: a coroutine that yields a Result<T> on the event loop of this process.
//
// Rules (docs/coroutines.md; clang-tidy checks what it can):
//  - await a Task in the expression that creates it;
//  - parameters by value, unless awaited at once by the caller;
//  - no capturing lambda coroutines;
//  - nothing but Asio-aware RAII across co_await;
//  - every spawn goes through a Gate (net/gate.h), every await carries a Deadline (net/deadline.h),
//    which is re-checked afterwards.
//
// Including this costs Asio's awaitable; sockets stay inside the sources of net and db.

#include "base/result.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace holdfast::net {

namespace asio = boost::asio;

template <class T> using Task = asio::awaitable<Result<T>>;

using Loop = asio::io_context;

} // namespace holdfast::net
