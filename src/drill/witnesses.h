#pragma once

// The three witnesses of what became of every purchase, compared by purchase id. Pure.
//
//   the clients     what they were told (purchase.h)
//   the ledger      what the database says of its payments (witness_reading.h)
//   the acquirer    what its own books say was charged and is still held
//
// No two of them share code or storage that could make the same mistake twice. Beside them the
// attempt logs of the processes (api/attempt_log.h) are evidence, not a promise: what they have is
// compared with what clients were told, by payment.
//
//   lost             told paid or accepted, and the ledger or the books do not have the money;
//                    accepted and declined later is not lost (standin_declined)
//   doubled          charged more than once, or charged although told declined
//   orphan_holds     money held at the acquirer that no payment waits to capture
//   event_missing    paid in the ledger, and nobody was told by an event
//   unlogged         told paid, accepted or declined, and no attempt in any log ended so
//   ledger_balanced  the audit of all rows (holdfast check ledger) found nothing
//   books_agree      neither did its comparison with the acquirer, nor this one with the ledger

#include "drill/purchase.h"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::drill {

struct LedgerEntry {
    int payments = 0; ///< payment intents of this purchase
    int succeeded = 0;
    int waiting_for_capture = 0;
    std::int64_t received_minor = 0;
    int events_missing = 0;
    std::string status; ///< of the latest
};
using LedgerWitness = std::map<std::string, LedgerEntry>;

struct BookedPurchase {
    std::int64_t charges = 0;
    std::int64_t net_minor = 0;
    std::int64_t held_minor = 0;
};
using AcquirerWitness = std::map<std::string, BookedPurchase>;

/// By payment, how its attempts ended (api::AttemptOutcome).
using AttemptWitness = std::map<std::string, std::set<std::string_view>>;

/// What `holdfast check ledger` found.
struct LedgerCheck {
    bool balanced = false;
    bool agrees = false;
    std::vector<std::string> findings; ///< the first ones
};

struct Comparison {
    std::int64_t lost = 0, doubled = 0, orphan_holds = 0, event_missing = 0, standin_declined = 0;
    std::int64_t unlogged = 0;
    bool ledger_balanced = false, books_agree = false;
    std::vector<std::string> differences; ///< the first ones, one line each

    bool clean() const {
        return lost == 0 && doubled == 0 && orphan_holds == 0 && event_missing == 0 &&
               ledger_balanced && books_agree;
    }
};

Comparison compare(const std::deque<Purchase>& told, const LedgerWitness& ledger,
                   const AcquirerWitness& acquirer, const LedgerCheck& check);
/// Adds `unlogged` to what was found.
void compare_attempts(const std::deque<Purchase>& told, const AttemptWitness& logged,
                      Comparison& found);

} // namespace holdfast::drill
