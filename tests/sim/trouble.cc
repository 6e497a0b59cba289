// World: what goes wrong around the instances. Their own crashes are in world.cc.

#include "world.h"

#include <fmt/format.h>

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration trouble_max = seconds{12};
constexpr Duration long_trouble_max = seconds{45};

} // namespace

Task<void> World::make_trouble() {
    while (!healed_) {
        CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{0}, trouble_max)));
        if (healed_) break;
        const bool is_long = dice_.chance(15);
        const Duration length =
            dice_.between(Duration{milliseconds{50}}, is_long ? long_trouble_max : trouble_max);
        switch (dice_.below(10)) {
            case 0:
            case 1:
                note("the database goes away");
                store_.take_away(length);
                break;
            case 2:
                note("the database falls silent");
                store_.silence(length);
                break;
            case 3: CO_TRY_VOID(co_await trouble_the_acquirer(length)); break;
            case 4:
                nodes_[dice_.below(nodes_.size())]->set_skew(any_skew());
                note("a wall clock jumps");
                break;
            case 5: CO_TRY_VOID(co_await fail_over(length)); break;
            case 6:
                note("the database takes no writes");
                store_.make_read_only(length);
                break;
            case 7:
                note("somebody locks payments");
                store_.lock_payments(static_cast<int>(dice_.between(200, 1'000)), length);
                break;
            case 8: trouble_a_disk(); break;
            default: break;
        }
        if (is_long) CO_TRY_VOID(co_await net::sleep_for(length));
    }
    co_return Result<void>{};
}

/// Neither the database nor the acquirer can be asked.
Task<void> World::black_out() {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{0}, Duration{seconds{1}})));
    if (healed_) co_return Result<void>{};
    const Duration length = dice_.between(long_trouble_max / 2, long_trouble_max);
    note("the database goes away");
    store_.take_away(length);
    co_return co_await trouble_the_acquirer(length);
}

Task<void> World::trouble_the_acquirer(Duration length) {
    note("the acquirer can't be reached");
    acquirer_->set_reachable(false);
    CO_TRY_VOID(co_await net::sleep_for(length));
    acquirer_->set_reachable(true);
    note("the acquirer can be reached");
    co_return Result<void>{};
}

/// The primary dies; in half of the cases it had been without its standby.
Task<void> World::fail_over(Duration length) {
    if (dice_.chance(50)) {
        note("the standby is cut off");
        store_.cut_link(length + seconds{1});
        CO_TRY_VOID(co_await net::sleep_for(length));
        if (healed_ || dice_.chance(40)) co_return Result<void>{};
    }
    note("the primary dies, the standby takes over");
    store_.fail_over(dice_.between(Duration{milliseconds{500}}, trouble_max));
    co_return Result<void>{};
}

void World::trouble_a_disk() {
    using enum MemoryDisk::Operation;
    const auto n = dice_.below(nodes_.size());
    MemoryDisk& disk = nodes_[n]->disk();
    broken_disks_.insert(static_cast<int>(n));
    const auto kind = dice_.below(3);
    note(fmt::format("the disk of node {} {}", n, kind == 0 ? "is full" : "fails"));
    if (kind == 0)
        disk.set_capacity(0); // whoever opens the log now finds no room
    else
        disk.fail(kind == 1 ? Sync : Write, dice_.below(5));
}

} // namespace holdfast::sim
