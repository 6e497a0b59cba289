#include "base/process_metrics.h"

#include "base/log.h"

#include <cstdio>

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

namespace holdfast {

namespace {

double cpu_seconds() {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() {
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) return 0;
    long pages_total = 0, pages_resident = 0;
    const int read = std::fscanf(file, "%ld %ld", &pages_total, &pages_resident);
    std::fclose(file);
    return read == 2 ? static_cast<double>(pages_resident * sysconf(_SC_PAGESIZE)) : 0;
}

double open_descriptors() {
    DIR* directory = opendir("/proc/self/fd");
    if (directory == nullptr) return 0;
    int count = -3; // "." and ".." and the one that reads the directory
    while (readdir(directory) != nullptr) ++count;
    closedir(directory);
    return count;
}

double max_descriptors() {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

} // namespace

void observe_process(Registry& registry) {
    registry.observe_counter("process_cpu_seconds_total", "User and system CPU time.", cpu_seconds);
    registry.observe_gauge("process_resident_memory_bytes", "Resident memory.", resident_bytes);
    registry.observe_gauge("process_open_fds", "Open file descriptors.", open_descriptors);
    registry.observe_gauge("process_max_fds", "Most file descriptors allowed.", max_descriptors);
    const double started = static_cast<double>(unix_micros(Env::current().wall())) / 1e6;
    registry.observe_gauge("process_start_time_seconds", "Start, in seconds since 1970.",
                           [started] { return started; });
    registry.observe_counter("holdfast_bugs_total", "Bugs of ours that were survived.",
                             [] { return static_cast<double>(bugs_found()); });
    registry.observe_counter("holdfast_log_lines_dropped_total",
                             "Log lines that the writer could not keep up with or write.",
                             [] { return static_cast<double>(log::dropped_lines()); });
}

} // namespace holdfast
