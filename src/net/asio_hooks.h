#pragma once

// Tells LoopWatch where a callback of the event loop begins and ends.
//
// Asio calls these macros (BOOST_ASIO_CUSTOM_HANDLER_TRACKING, set for every target in
// tools/cmake/Holdfast.cmake) around each handler that it runs. The cost is two relaxed stores to a
// thread-local counter; the looking is done by the thread of net/loop_watch.h. Nothing else of
// Asio's tracking is used.

#include <atomic>
#include <cstdint>

namespace holdfast::net::detail {

/// Number of the callback this thread is in; the lowest bit says whether it is still running.
inline thread_local constinit std::atomic<std::uint64_t> loop_turn{0};

struct CallbackMark {
    static void begin() {
        loop_turn.store((loop_turn.load(std::memory_order_relaxed) + 2) | 1,
                        std::memory_order_relaxed);
    }
    static void end() {
        loop_turn.store(loop_turn.load(std::memory_order_relaxed) & ~std::uint64_t{1},
                        std::memory_order_relaxed);
    }
};

} // namespace holdfast::net::detail

#define BOOST_ASIO_INHERIT_TRACKED_HANDLER
#define BOOST_ASIO_ALSO_INHERIT_TRACKED_HANDLER
#define BOOST_ASIO_HANDLER_TRACKING_INIT (void)0
#define BOOST_ASIO_HANDLER_LOCATION(args) (void)0
#define BOOST_ASIO_HANDLER_CREATION(args) (void)0
#define BOOST_ASIO_HANDLER_COMPLETION(args) (void)0
#define BOOST_ASIO_HANDLER_INVOCATION_BEGIN(args) ::holdfast::net::detail::CallbackMark::begin()
#define BOOST_ASIO_HANDLER_INVOCATION_END ::holdfast::net::detail::CallbackMark::end()
#define BOOST_ASIO_HANDLER_OPERATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_REGISTRATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_DEREGISTRATION(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_READ_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_WRITE_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_ERROR_EVENT 0
#define BOOST_ASIO_HANDLER_REACTOR_EVENTS(args) (void)0
#define BOOST_ASIO_HANDLER_REACTOR_OPERATION(args) (void)0
