// Drills of disks that are full.

#include "drill/faults.h"
#include "drill/scenario.h"

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

constexpr Step disk_full[] = {
    {10s, "the disk of both databases is full", faults::fill_database_disk, Step::Kind::Blow},
    {25s, "and their log is used up", faults::use_up_log},
    {60s, "there is space again", faults::free_disk},
    {75s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};
constexpr Step log_disk_full[] = {
    {5s, "the disk of the command logs is full", faults::fill_log_disk},
    {10s, "both database servers hang", faults::freeze_databases, Step::Kind::Blow},
    {25s, "are the command logs full?", faults::prove_log_full},
    {35s, "is everybody told to come again?", faults::refused_cleanly, Step::Kind::Check},
    {40s, "there is space again", faults::free_disk},
    {45s, "is anybody taken, without a database?", faults::taken_again, Step::Kind::Check},
    {60s, "the databases go on", faults::thaw},
    {65s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
};

/// Both nodes of the embedded pair lie in one data directory: a disk that fills up is that of both.
/// Were it that of one, that one would be lost and the other take over, as in primary-killed.
constexpr const char* databases[] = {"postgres-a", "postgres-b"};
/// A fresh pair has 1.2 GiB, and the payments of the drill write as much again.
constexpr std::uint64_t database_disk_bytes = 3072ULL << 20;
/// The attempt log of each process takes 8 MiB at its start.
constexpr const char* logs[] = {"command-log", "attempt-log"};
constexpr std::uint64_t log_disk_bytes = 24ULL << 20;
/// Pieces that are used up in seconds at any rate of purchases.
constexpr const char* small_segments[] = {"--processor-log-segment", "128"};

constexpr Scenario scenarios[] = {
    {.name = "disk-full",
     .sentence = "The disk of both database servers fills up, then their log has no space either.",
     .steps = disk_full,
     .length = 95s,
     .disk = ScenarioDisk{database_disk_bytes, databases},
     .embedded_only = true},
    {.name = "log-disk-full",
     .sentence = "The disk of the command log is full while both database servers hang.",
     .steps = log_disk_full,
     .length = 90s,
     .expectation = {.none_failed = false, .refused_cleanly = true, .attempts_kept = false},
     .settings = small_segments,
     .disk = ScenarioDisk{log_disk_bytes, logs}},
};

} // namespace

std::span<const Scenario> disk_scenarios() { return scenarios; }

} // namespace holdfast::drill
