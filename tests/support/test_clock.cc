// A wall clock that a test sets, for an unmodified program: preloaded, it answers clock_gettime()
// with the time that the file named by STOPPED_CLOCK_FILE holds (eight bytes, nanoseconds since
// 1970), or with the kernel's while that is 0. A process sees every change of the file at once.
// Only the wall clock stands still: deadlines go on.
//
//   LD_PRELOAD=libstopped_clock.so STOPPED_CLOCK_FILE=/tmp/x/clock holdfast serve ...

#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

const volatile std::int64_t* map_clock() {
    const char* path = std::getenv("STOPPED_CLOCK_FILE");
    const int file = path ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) std::abort();
    void* memory = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(file);
    return static_cast<const volatile std::int64_t*>(memory);
}

} // namespace

extern "C" int clock_gettime(clockid_t id, timespec* time) noexcept {
    static const volatile std::int64_t* const clock_ns = map_clock();
    const std::int64_t stopped_ns = *clock_ns;
    const bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (!wall || stopped_ns == 0) return static_cast<int>(::syscall(SYS_clock_gettime, id, time));
    time->tv_sec = stopped_ns / ns_per_s;
    time->tv_nsec = stopped_ns % ns_per_s;
    return 0;
}
