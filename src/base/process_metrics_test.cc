#include "base/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace holdfast {
namespace {

double sample(const Registry& registry, const std::string& name) {
    const std::string page = registry.render();
    const std::size_t at = page.find('\n' + name + ' ');
    EXPECT_NE(at, page.npos) << name;
    return std::atof(page.c_str() + at + name.size() + 2);
}

TEST(ProcessMetrics, ShowWhatTheProcessUses) {
    SimEnv env(1);
    env.install();
    Registry registry;
    observe_process(registry);
    EXPECT_EQ(registry.names().size(), 7U);
    EXPECT_GT(sample(registry, "process_cpu_seconds_total"), 0);
    EXPECT_GT(sample(registry, "process_resident_memory_bytes"), 1e6);
    EXPECT_EQ(sample(registry, "process_start_time_seconds"), 1'790'000'000);
    const double before = sample(registry, "process_open_fds");
    const int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(sample(registry, "process_open_fds"), before + 1);
    close(extra);
    EXPECT_GE(sample(registry, "process_max_fds"), before);

    const double bugs = sample(registry, "holdfast_bugs_total");
    set_failure_hooks({.on_bug = [](std::string_view) {}});
    BUG("on purpose");
    set_failure_hooks({});
    EXPECT_EQ(sample(registry, "holdfast_bugs_total"), bugs + 1);
}

} // namespace
} // namespace holdfast
