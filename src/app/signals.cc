#include "app/signals.h"

#include <boost/asio/signal_set.hpp>

#include <csignal>

namespace holdfast::app {

void until_asked_to_stop(net::Loop& loop) {
    boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&loop](const auto&, int) { loop.stop(); });
    loop.run();
    loop.restart();
}

} // namespace holdfast::app
