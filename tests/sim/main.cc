// sim: the seeded simulation of payments.
//
//   sim --seeds 10000 [--from N] [--jobs N]     runs that many seeds, in parallel
//   sim --seed N [--verbose]                    replays one run; what was logged is shown at its
//   end
//
// A failing seed is printed with what is wrong and the command that replays it. Exit code 1 then,
// 2 for bad arguments.

#include "world.h"

#include "base/log.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

/// A run allocates little and often: what the sanitizer keeps of each block costs more than the
/// run. Unit tests of the same code have all of it, and so has a replay with
/// ASAN_OPTIONS=malloc_context_size=30.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "malloc_context_size=0:quarantine_size_mb=4:detect_stack_use_after_return=0";
}

namespace holdfast::sim {
namespace {

/// A worker that has failed so often tells nothing new.
constexpr std::uint64_t failures_max = 5;

/// What a worker has done, where its parent can see it after a crash as well.
struct Progress {
    std::uint64_t seed, runs, failed, steps, purchases, unauthorized;
};

bool run_seed(std::uint64_t seed, bool verbose, Progress& progress) {
    progress.seed = seed;
    World world(seed, verbose);
    std::vector<std::string> findings = world.run();
    if (verbose) std::fputs((log::recorded_json() + "\n").c_str(), stderr);
    ++progress.runs;
    progress.steps += world.steps();
    progress.purchases += world.purchases();
    progress.unauthorized += world.unauthorized();
    if (findings.empty()) return true;
    ++progress.failed;
    std::string text = fmt::format("seed {} failed; replay: sim --seed {} --verbose\n", seed, seed);
    for (const std::string& finding : findings) text += "    " + finding + "\n";
    std::fputs(text.c_str(), stderr);
    return false;
}

int run_all(std::uint64_t from, std::uint64_t seeds, unsigned jobs) {
    auto* progress =
        static_cast<Progress*>(mmap(nullptr, jobs * sizeof(Progress), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (progress == MAP_FAILED) return 1;
    std::vector<pid_t> workers;
    for (unsigned i = 0; i < jobs; ++i) {
        pid_t pid = fork();
        if (pid < 0) return 1;
        if (pid > 0) {
            workers.push_back(pid);
            continue;
        }
        for (std::uint64_t seed = from + i;
             seed < from + seeds && progress[i].failed < failures_max; seed += jobs) {
            run_seed(seed, false, progress[i]);
        }
        _exit(progress[i].failed == 0 ? 0 : 1);
    }
    Progress sum{};
    bool ok = true;
    for (unsigned i = 0; i < jobs; ++i) {
        int status = 0;
        waitpid(workers[i], &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
            std::fputs(fmt::format("seed {} crashed; replay: sim --seed {} --verbose\n",
                                   progress[i].seed, progress[i].seed)
                           .c_str(),
                       stderr);
        }
        ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        sum.runs += progress[i].runs;
        sum.failed += progress[i].failed;
        sum.steps += progress[i].steps;
        sum.purchases += progress[i].purchases;
        sum.unauthorized += progress[i].unauthorized;
    }
    fmt::print(
        "{} runs (seeds {} to {}), {} failed; {} purchases, {} of them accepted without "
        "the issuer's word; {} steps\n",
        sum.runs, from, from + seeds - 1, sum.failed, sum.purchases, sum.unauthorized, sum.steps);
    return ok ? 0 : 1;
}

} // namespace
} // namespace holdfast::sim

int main(int argc, char** argv) {
    CLI::App app("Seeded simulation of payments: instances, database, acquirer and clients.");
    std::uint64_t seeds = 1'000, from = 1, seed = 0;
    unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
    bool verbose = false;
    app.add_option("--seeds", seeds, "how many seeds to run")->check(CLI::PositiveNumber);
    app.add_option("--from", from, "the first seed");
    app.add_option("--jobs", jobs, "processes at once")->check(CLI::Range(1u, 256u));
    auto* one = app.add_option("--seed", seed, "run this seed only");
    app.add_flag("--verbose", verbose, "tell what happens")->needs(one);
    CLI11_PARSE(app, argc, argv);
    if (one->empty()) return holdfast::sim::run_all(from, seeds, jobs);
    holdfast::sim::Progress progress{};
    bool ok = holdfast::sim::run_seed(seed, verbose, progress);
    fmt::print("seed {}: {}, {} purchases, {} steps\n", seed, ok ? "ok" : "failed",
               progress.purchases, progress.steps);
    return ok ? 0 : 1;
}
