#include "net/block_on.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>

namespace holdfast::net::detail {

void run_to_end(Loop& loop, asio::awaitable<void> body) {
    bool ended = false;
    std::exception_ptr failure;
    asio::co_spawn(loop, without_throwing(std::move(body)), [&](std::exception_ptr exception) {
        failure = exception;
        ended = true;
        loop.stop(); // leaves run() at once, with other tasks as they are
    });
    while (!ended) {
        loop.restart(); // somebody else's handler (a signal's) may have stopped it
        CHECK_MSG(loop.run() > 0 || ended, "the loop ran dry under a task that has not ended");
    }
    loop.restart();
    if (failure) std::rethrow_exception(failure);
}

} // namespace holdfast::net::detail
