// The outages that Holdfast was built against, as drills. Figures are those of their reports.

#include "drill/faults.h"
#include "drill/scenario.h"

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

constexpr Step migration_lock[] = {
    {10s, "a migration locks the payments tables", faults::lock_payments, Step::Kind::Blow},
    {13s, "does anybody wait for it?", faults::prove_waiting},
    {70s, "the migration is rolled back", faults::unlock_payments},
};

/// Everything that came together in that flash sale. The link and the primary are lost in both
/// orders: first the standby lacks payments when the primary dies, so nobody may take over; then
/// one that has them all takes over, and what was the primary is cut off while it catches up.
///
/// Payments are at 80 % of what this machine carries when nobody looks (scenario.h), and more
/// visitors look than it could serve beside them. A refusal costs something as well: twice
/// as many as flash_sale_visitors would keep two cores busy with refusing alone, and where the load
/// generator is on the same two cores that says nothing of the platform. They stay away when the
/// sale calms down: by then payments, still as many, have to be well again.
constexpr double flash_sale_visitors = 1'000;
/// All come from this machine, which real ones don't.
constexpr const char* one_address[] = {"--api-connections-per-address", "4096"};
constexpr Step flash_sale[] = {
    {10s, "conflicting transactions", faults::start_deadlocks, Step::Kind::Blow},
    {20s, "the link to the standby is cut", faults::cut_link},
    {30s, "and then the primary is lost", faults::kill_primary},
    {45s, "the link is back", faults::mend_link},
    {50s, "has nobody taken over who lacked payments?", faults::same_primary, Step::Kind::Check},
    {55s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
    {60s, "the primary is lost", faults::kill_primary},
    {62s, "and then the link is cut", faults::cut_link},
    {75s, "the link is back", faults::mend_link},
    {80s, "is the pair whole again?", faults::in_sync_again, Step::Kind::Check},
    {85s, "the sale calms down", faults::calm_down},
    {90s, "was nobody refused but visitors?", faults::only_visitors_refused, Step::Kind::Check},
};

constexpr Step corrupt_page[] = {
    {10s, "a page of the payments table is damaged on disk", faults::damage_page, Step::Kind::Blow},
    {12s, "its customers come back, and insist", faults::customers_insist},
    {30s, "were they told what is wrong?", faults::customers_hear, Step::Kind::Check},
    {31s, "is the damage named, and nothing else blamed?", faults::damage_is_named,
     Step::Kind::Check},
    {45s, "the page is put back as it was", faults::mend_page},
    {48s, "can its customers pay now?", faults::customers_pay, Step::Kind::Check},
};

constexpr Step heavy_job[] = {
    {5s, "old payments are added", faults::add_old_payments},
    {15s, "a job rewrites the payments table", faults::start_heavy_job, Step::Kind::Blow},
    {75s, "the job is ended", faults::end_heavy_job},
};

/// The least that the configuration takes, with people browsing beside the payments.
constexpr const char* smallest_pool[] = {"--db-pool-max", "2", "--processor-lanes", "1"};
constexpr std::size_t ordinary_smallest_pool = 1;
/// A second: some two connections' worth of lists.
constexpr double pool_visitors = 300;
constexpr Step pool_wrong[] = {
    {10s, "is the pool as small as configured?", faults::prove_small_pool, Step::Kind::Blow},
};

/// The same mistake, made while everything runs, in the way that the platform offers. So many look
/// that the small pool is too small for them; with the others it is nearly all that two cores do.
constexpr double canary_visitors = 900;
constexpr Step pool_set_wrong[] = {
    {10s, "the pools are set far too small", faults::shrink_pool, Step::Kind::Blow},
    {40s, "is it taken back by itself?", faults::pool_as_before, Step::Kind::Check},
    {45s, "nobody looks any more", faults::visitors_leave},
};

constexpr Scenario scenarios[] = {
    {.name = "000-migration-lock",
     .sentence = "A migration holds ACCESS EXCLUSIVE on the payments tables for 60 s at peak.",
     .steps = migration_lock,
     .length = 95s,
     .seed = Seed{"IR20240413", 75, "12,000 transactions", "$200,000"}},
    {.name = "001-flash-sale",
     .sentence =
         "One merchant's flash sale near the limit of the machine: visitors beyond it, "
         "outside transactions that deadlock, the link to the standby and the primary lost.",
     .steps = flash_sale,
     .length = 130s,
     .seed = Seed{"INC-2024-001234", 150, "15,420 users", "$287,500"},
     .visitors = flash_sale_visitors,
     .of_capacity = 80,
     .settings = one_address},
    {.name = "002-corrupt-page",
     .sentence =
         "A page of the payments table is damaged on the primary's disk; its checksum tells.",
     .steps = corrupt_page,
     .length = 60s,
     .seed = Seed{"2023-06-09", 1680, "100 % of users", ""},
     .before = faults::make_old_payments},
    {.name = "003-heavy-job",
     .sentence = "An outside job rewrites the whole payments table, unthrottled, at peak.",
     .steps = heavy_job,
     .length = 95s,
     .seed = Seed{"2024-06-20", 135, "5,000 transactions", "$50,000"}},
    {.name = "004-pool-misconfigured",
     .sentence =
         "Connection pools set far too small, forced past all warnings, while people browse.",
     .steps = pool_wrong,
     .length = 60s,
     .seed = Seed{"2023-06-08", 900, "75 % of users", ""},
     .visitors = pool_visitors,
     .settings = smallest_pool,
     .ordinary_pool = ordinary_smallest_pool},
    {.name = "004-pool-canary",
     .sentence = "The same pools, set at run time (`holdfast pool set`) while people browse: one "
                 "process tries it, and it is taken back.",
     .steps = pool_set_wrong,
     .length = 60s,
     .seed = Seed{"2023-06-08", 900, "75 % of users", ""},
     .visitors = canary_visitors,
     .ordinary_pool = ordinary_smallest_pool},
};

} // namespace

std::span<const Scenario> outage_scenarios() { return scenarios; }

} // namespace holdfast::drill
