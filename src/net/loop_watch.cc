#include "net/loop_watch.h"

#include "base/log.h"
#include "net/asio_hooks.h"

namespace holdfast::net {

namespace {

double milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void log_report(const ThreadWatch::Report& report) {
    bool stall = report.kind == ThreadWatch::Kind::Stall;
    log::warn(stall ? "loop_stall" : "loop_blocked",
              {{"cpu_ms", static_cast<std::int64_t>(milliseconds(report.cpu))},
               {"real_ms", static_cast<std::int64_t>(milliseconds(report.real))},
               {"stack", report.stack}});
}

} // namespace

LoopWatch::LoopWatch(Registry& registry, ThreadWatch::Options options)
    : watch_(std::make_shared<ThreadWatch>(detail::loop_turn, options, log_report)) {
    std::weak_ptr<ThreadWatch> weak = watch_;
    auto read = [weak](auto ask) {
        auto watch = weak.lock();
        return watch ? ask(*watch) : 0.0;
    };
    registry.observe_counter(
        "holdfast_loop_stall_total", "Callbacks that used the event loop's CPU for too long.",
        [read] { return read([](auto& w) { return static_cast<double>(w.stalls()); }); });
    registry.observe_counter(
        "holdfast_loop_blocked_total", "Callbacks that blocked the event loop in a system call.",
        [read] { return read([](auto& w) { return static_cast<double>(w.blocks()); }); });
    registry.observe_gauge(
        "holdfast_loop_stall_longest_seconds", "CPU time of the longest stall so far.",
        [read] { return read([](auto& w) { return milliseconds(w.longest()) / 1000; }); });
}

} // namespace holdfast::net
