#include "base/env.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <sys/random.h>
#include <unistd.h>

namespace holdfast {

namespace {

thread_local Env* installed = nullptr;

Duration read_clock(clockid_t id) {
    timespec t{};
    CHECK(clock_gettime(id, &t) == 0);
    return std::chrono::seconds(t.tv_sec) +
           std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(t.tv_nsec));
}

} // namespace

MonotonicClock::time_point MonotonicClock::now() { return Env::current().now(); }

std::uint64_t Env::random_u64() {
    std::uint64_t value = 0;
    fill_random(std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

std::uint64_t Env::random_below(std::uint64_t bound) {
    CHECK(bound > 0);
    // Values below 2^64 mod bound are drawn again, else small results would be a little likelier.
    const std::uint64_t reject_below = -bound % bound;
    for (;;) {
        const std::uint64_t value = random_u64();
        if (value >= reject_below) return value % bound;
    }
}

void Env::install() { installed = this; }

Env& Env::current() {
    if (installed != nullptr) return *installed;
    static RealEnv real;
    return real;
}

MonoTime RealEnv::now() { return MonoTime(read_clock(CLOCK_MONOTONIC)); }

WallTime RealEnv::wall() { return WallTime(read_clock(CLOCK_REALTIME)); }

void RealEnv::fill_random(std::span<std::byte> out) {
    // Straight from the kernel: a buffer in user space would be handed out twice after a fork.
    while (!out.empty()) {
        const ssize_t n = getrandom(out.data(), out.size(), 0);
        if (n < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        out = out.subspan(static_cast<std::size_t>(n));
    }
}

int RealEnv::pid() { return getpid(); }

std::string RealEnv::hostname() {
    char name[HOST_NAME_MAX + 1] = {};
    if (gethostname(name, HOST_NAME_MAX) != 0) return "localhost";
    return name;
}

SimEnv::SimEnv(std::uint64_t seed) : random_(seed) {}

SimEnv::~SimEnv() {
    if (installed == this) installed = nullptr;
}

void SimEnv::fill_random(std::span<std::byte> out) {
    while (!out.empty()) {
        const std::uint64_t value = random_();
        const std::size_t n = std::min(out.size(), sizeof value);
        std::memcpy(out.data(), &value, n);
        out = out.subspan(n);
    }
}

void SimEnv::note_wakeup(MonoTime when) {
    if (when > now_) wakeups_.insert(when); // what is due now, the loop runs without moving time
}

bool SimEnv::advance_to_next_wakeup(MonoTime limit) {
    wakeups_.erase(wakeups_.begin(), wakeups_.upper_bound(now_));
    if (wakeups_.empty() || *wakeups_.begin() > limit) return false;
    now_ = *wakeups_.begin();
    wakeups_.erase(wakeups_.begin());
    return true;
}

void block_thread(Duration duration) {
    timespec left{.tv_sec = duration.count() / 1'000'000,
                  .tv_nsec = (duration.count() % 1'000'000) * 1000};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

std::string environment_variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::map<std::string, std::string> environment_variables(std::string_view prefix) {
    std::map<std::string, std::string> found;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equals = text.find('=');
        if (equals == text.npos || !text.starts_with(prefix)) continue;
        found.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return found;
}

} // namespace holdfast
