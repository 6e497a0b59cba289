#include "db/socket_watch.h"

#include "net/timer.h"

#include <fmt/format.h>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace holdfast::db {

namespace asio = net::asio;
using Descriptor = asio::posix::stream_descriptor;

/// Shared with the handlers, which Asio may run after the watch has gone.
struct SocketWatch::State {
    explicit State(net::Loop& loop) : descriptor(loop), ready(loop, net::Event::Reset::Auto) {}

    Descriptor descriptor;
    net::Event ready;
    std::uint64_t generation = 0; ///< handlers of an earlier descriptor don't count
    bool reading = false;
    bool writing = false;

    static void arm(const std::shared_ptr<State>& state, Descriptor::wait_type what, bool& armed) {
        if (armed) return;
        armed = true;
        state->descriptor.async_wait(what, [state, &armed, generation = state->generation](
                                               const boost::system::error_code&) {
            if (generation != state->generation) return;
            armed = false;
            state->ready.set(); // after an error, too: libpq will meet it again
        });
    }
};

SocketWatch::SocketWatch(net::Loop& loop) : state_(std::make_shared<State>(loop)) {}

SocketWatch::~SocketWatch() { release(); }

Result<void> SocketWatch::watch(int descriptor) {
    release();
    if (descriptor < 0) {
        return fail(ErrorClass::Unavailable, "socket_closed", "The connection has no socket.");
    }
    boost::system::error_code error;
    state_->descriptor.assign(descriptor, error);
    if (error) {
        return fail(ErrorClass::Io, "socket_watch",
                    fmt::format("Can't watch a socket: {}.", error.message()));
    }
    return {};
}

void SocketWatch::release() {
    ++state_->generation;
    state_->reading = state_->writing = false;
    state_->ready.reset();
    if (state_->descriptor.is_open()) state_->descriptor.release();
}

net::Task<bool> SocketWatch::wait(Direction direction, net::Deadline deadline) {
    State::arm(state_, Descriptor::wait_read, state_->reading);
    if (direction == Direction::ReadOrWrite) {
        State::arm(state_, Descriptor::wait_write, state_->writing);
    }
    co_return co_await state_->ready.wait(deadline);
}

} // namespace holdfast::db
