#pragma once

// `holdfast standin sweep`: money that the acquirer holds for nobody.
//
// Stand-in asks the acquirer for a hold that only a command log knows of. When that log is lost for
// good, its holds stay on the payers' cards until they expire: nobody will capture or release them.
// The sweep finds them by the acquirer's list: approved authorizations that are neither captured
// nor released, that were booked longer ago than `older_than_s`, and whose reference is neither an
// operation of the database nor in a command log of this machine. With `reverse` each is reversed,
// by its reference.
//
// What it can't see is a command log on another machine that is not drained: `older_than_s` is the
// guard. And the acquirer's books must be those of this platform alone: where they know of
// approvals, and the database of none of them, it is the wrong one, and nothing is reversed.
//
// Read in this order, for payments go on: the acquirer's books, the logs, the database. What a log
// has drained since it was read is in the database, and what it holds was on disk before the
// acquirer heard of it. A sale of which nobody knows can't be, since stand-in takes no money: it is
// reported, and never reversed.
//
// Errors: Conflict "holds_unclaimed", "holds_not_reversed", "sale_unknown",
// "books_of_another_platform"; Invalid "sweep_without_logs"; those of standin_logs.h and
// reconcile.h. Nothing is reversed unless books, every log and the database were read to the end.

#include "app/commands.h"

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::app {

/// Ten years; no hold lives as long.
inline constexpr std::int64_t sweep_older_than_max_s = 315'360'000;

struct SweepOptions {
    Target target;
    /// Further ones: of `serve` processes on this machine that no `up` has started. Their
    /// id_secret_file is that of the `up`, if there is one.
    std::vector<std::string> command_logs;
    std::string id_secret_file;
    std::int64_t older_than_s = 86'400;
    bool reverse = false;
    bool json = false;
};

Result<void> standin_sweep(const SweepOptions& options);

} // namespace holdfast::app
