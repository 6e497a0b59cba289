// A wall clock that a test sets, for unmodified programs: preloaded, it answers for the kernel's.
// The file that TEST_CLOCK_FILE names holds two numbers of eight bytes, in nanoseconds: the time
// since 1970 at which the clock stands still, or 0 while it runs, and how far it then runs ahead of
// the kernel's. A process sees every change of the file at once. Only the wall clock changes:
// deadlines go on.
//
//   LD_PRELOAD=libtest_clock.so TEST_CLOCK_FILE=/tmp/x/clock holdfast serve ...

#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t ns_per_us = 1'000;

struct Setting {
    std::int64_t stands_at_ns;
    std::int64_t ahead_ns;
};

const volatile Setting* map_setting() {
    const char* path = std::getenv("TEST_CLOCK_FILE");
    const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) std::abort();
    void* memory = ::mmap(nullptr, sizeof(Setting), PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(file);
    return static_cast<const volatile Setting*>(memory);
}

int kernel_time(clockid_t id, timespec* time) {
    return static_cast<int>(::syscall(SYS_clock_gettime, id, time));
}

std::int64_t wall_ns() {
    static const volatile Setting* const setting = map_setting();
    const std::int64_t stands_at_ns = setting->stands_at_ns;
    if (stands_at_ns != 0) return stands_at_ns;
    timespec time{};
    kernel_time(CLOCK_REALTIME, &time);
    return time.tv_sec * ns_per_s + time.tv_nsec + setting->ahead_ns;
}

} // namespace

extern "C" int clock_gettime(clockid_t id, timespec* time) noexcept {
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return kernel_time(id, time);
    const std::int64_t now_ns = wall_ns();
    *time = {.tv_sec = now_ns / ns_per_s, .tv_nsec = now_ns % ns_per_s};
    return 0;
}

extern "C" int gettimeofday(timeval* time, void*) noexcept {
    const std::int64_t now_ns = wall_ns();
    *time = {.tv_sec = now_ns / ns_per_s, .tv_usec = now_ns % ns_per_s / ns_per_us};
    return 0;
}

extern "C" time_t time(time_t* out) noexcept {
    const time_t now = wall_ns() / ns_per_s;
    if (out) *out = now;
    return now;
}
