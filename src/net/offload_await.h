#pragma once

// offloaded(): awaits work that base Offload does on another thread.
//
//   CO_TRY(Hash hash, co_await offloaded(offload_, [password, salt] { return argon2(password,
//   salt); },
//                                        deadline));
//
// The work gets values and gives a value (a T, a Result<T> or nothing). A waiter that is late or
// cancelled stops waiting; the work goes on and its value is dropped: Error "offload_unfinished"
// (Unknown). A full queue is "offload_full" (Overload), and nothing was done.
//
// Under SimEnv the Offload runs inline. The Offload is shut down before the Loop is destroyed.

#include "base/offload.h"
#include "net/timer.h"
#include "net/waiter.h"

#include <boost/asio/post.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace holdfast::net {

namespace detail {

template <class T> struct AsResult {
    using Value = T;
};
template <> struct AsResult<void> {
    using Value = void;
};
template <class T> struct AsResult<Result<T>> {
    using Value = T;
};

template <class T> struct Offloaded {
    explicit Offloaded(Loop& loop) : done(loop, Event::Reset::Manual) {}
    Event done;
    std::optional<Result<T>> value;
};

std::unexpected<Error> offload_unfinished_error();

} // namespace detail

template <class Work>
Task<typename detail::AsResult<std::invoke_result_t<Work&>>::Value> offloaded(Offload& offload,
                                                                              Work work,
                                                                              Deadline deadline) {
    using Given = std::invoke_result_t<Work&>;
    using T = typename detail::AsResult<Given>::Value;
    Loop& loop = loop_of(co_await asio::this_coro::executor);
    auto shared = std::make_shared<detail::Offloaded<T>>(loop);
    auto compute = [work = std::move(work)]() mutable -> Result<T> {
        if constexpr (std::is_void_v<Given>) {
            work();
            return {};
        } else {
            return work();
        }
    };
    // The worker's only reference moves on to the loop with the value: `shared` dies on the loop.
    auto hand_over = [&loop, shared](Result<T> value) mutable {
        shared->value.emplace(std::move(value));
        asio::post(loop, [shared = std::move(shared)] { shared->done.set(); });
    };
    CO_TRY_VOID(offload.run(std::move(compute), std::move(hand_over)));
    auto waited = co_await shared->done.wait(deadline);
    // `value` belongs to the worker until `done` is set.
    if (!shared->done.is_set() || !waited) co_return detail::offload_unfinished_error();
    co_return std::move(*shared->value);
}

} // namespace holdfast::net
