#include "base/thread_watch.h"

#include "base/thread.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <mutex>
#include <string_view>
#include <thread>

#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <pthread.h>

namespace holdfast {

namespace {

constexpr std::size_t frames_max = 40;
constexpr Duration stack_patience = std::chrono::milliseconds{100};
constexpr std::size_t own_frames = 2; ///< of the handler and the kernel's trampoline

/// Written by the signal handler on the watched thread, read by the watching one.
struct StackSlot {
    std::array<void*, frames_max> frames{};
    std::atomic<int> count{-1};
};
StackSlot stack_slot;
std::atomic<bool> watching{false};

void take_stack(int) {
    int saved = errno;
    int count = backtrace(stack_slot.frames.data(), static_cast<int>(frames_max));
    stack_slot.count.store(count, std::memory_order_release);
    errno = saved;
}

std::string describe(const std::array<void*, frames_max>& frames, std::size_t count) {
    std::string out;
    for (std::size_t i = own_frames; i < count; ++i) {
        Dl_info info{};
        if (dladdr(frames[i], &info) == 0 || info.dli_fname == nullptr) continue;
        std::string_view module = info.dli_fname;
        module.remove_prefix(std::min(module.rfind('/') + 1, module.size()));
        auto offset =
            static_cast<const char*>(frames[i]) - static_cast<const char*>(info.dli_fbase);
        fmt::format_to(std::back_inserter(out), "{}{}+{:#x}", out.empty() ? "" : " ", module,
                       offset);
    }
    return out;
}

Duration cpu_time(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return std::chrono::seconds{t.tv_sec} +
           std::chrono::duration_cast<Duration>(std::chrono::nanoseconds{t.tv_nsec});
}

} // namespace

struct ThreadWatch::Watch {
    const std::atomic<std::uint64_t>& work;
    Options options;
    std::function<void(const Report&)> report;
    pthread_t watched = pthread_self();
    clockid_t cpu_clock{};
    struct sigaction before{};

    std::atomic<std::uint64_t> stalls{0};
    std::atomic<std::uint64_t> blocks{0};
    std::atomic<Duration::rep> longest_us{0};

    std::mutex mutex;
    std::condition_variable ended;
    bool ending = false;
    std::thread thread;

    Watch(const std::atomic<std::uint64_t>& w, Options o, std::function<void(const Report&)> r)
        : work(w), options(o), report(std::move(r)) {}

    void run();
    std::string stack();
    bool wait();
};

bool ThreadWatch::Watch::wait() {
    std::unique_lock lock(mutex);
    return !ended.wait_for(lock, options.sample, [this] { return ending; });
}

std::string ThreadWatch::Watch::stack() {
    stack_slot.count.store(-1, std::memory_order_relaxed);
    if (pthread_kill(watched, SIGURG) != 0) return {};
    auto give_up = std::chrono::steady_clock::now() + stack_patience;
    int count = -1;
    while (count < 0 && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::yield();
        count = stack_slot.count.load(std::memory_order_acquire);
    }
    return count < 0 ? std::string() : describe(stack_slot.frames, static_cast<std::size_t>(count));
}

void ThreadWatch::Watch::run() {
    std::uint64_t piece = 0;
    Duration cpu_start{};
    auto real_start = std::chrono::steady_clock::now();
    bool stall_reported = false, block_reported = false;
    while (wait()) {
        std::uint64_t now_in = work.load(std::memory_order_relaxed);
        bool between = (now_in & 1) == 0;
        if (between && piece == now_in) continue; // idle: nothing to ask the clocks for
        Duration cpu = cpu_time(cpu_clock);
        auto real = std::chrono::steady_clock::now();
        if (now_in != piece) {
            piece = now_in;
            cpu_start = cpu;
            real_start = real;
            stall_reported = block_reported = false;
            continue;
        }
        Report now{Kind::Stall,
                   cpu - cpu_start,
                   std::chrono::duration_cast<Duration>(real - real_start),
                   {}};
        if (now.cpu >= options.threshold) {
            longest_us.store(std::max(longest_us.load(), now.cpu.count()));
            if (!std::exchange(stall_reported, true)) {
                ++stalls;
                now.stack = stack();
                report(now);
            }
        } else if (now.real >= options.blocked && !std::exchange(block_reported, true)) {
            ++blocks;
            now.kind = Kind::Block;
            now.stack = stack();
            report(now);
        }
    }
}

ThreadWatch::ThreadWatch(const std::atomic<std::uint64_t>& work, Options options,
                         std::function<void(const Report&)> report)
    : watch_(std::make_unique<Watch>(work, options, std::move(report))) {
    CHECK_MSG(!watching.exchange(true), "one ThreadWatch in a process");
    CHECK(pthread_getcpuclockid(watch_->watched, &watch_->cpu_clock) == 0);
    // The first backtrace() loads a library, which no signal handler may do.
    (void)backtrace(stack_slot.frames.data(), static_cast<int>(frames_max));
    struct sigaction action{};
    action.sa_handler = take_stack;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGURG, &action, &watch_->before);
    watch_->thread = start_thread("thread-watch", [watch = watch_.get()] { watch->run(); });
}

ThreadWatch::~ThreadWatch() {
    {
        std::lock_guard lock(watch_->mutex);
        watch_->ending = true;
    }
    watch_->ended.notify_one();
    watch_->thread.join();
    sigaction(SIGURG, &watch_->before, nullptr);
    watching.store(false);
}

std::uint64_t ThreadWatch::stalls() const { return watch_->stalls.load(); }
std::uint64_t ThreadWatch::blocks() const { return watch_->blocks.load(); }
Duration ThreadWatch::longest() const { return Duration{watch_->longest_us.load()}; }

} // namespace holdfast
