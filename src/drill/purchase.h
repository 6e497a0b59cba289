#pragma once

// Purchase: one thing that somebody wants to pay for, and what the client was told about it. The
// first of the three witnesses (witnesses.h); however many requests it takes, it is counted once.
//
// Its id travels in the payment's metadata[purchase_id] into the ledger and into the acquirer's
// books, so that what was really charged can be counted per purchase, whoever retried what.
//
// A purchase is offered at `intended` whether or not the platform keeps up (open loop): its latency
// counts from then, so that a stall shows in every purchase that it delayed.

#include "base/env.h"

#include <cstdint>
#include <string>

namespace holdfast::drill {

inline std::int64_t in_ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

/// How a client behaves.
enum class Manner : std::uint8_t {
    Sdk,           ///< as Stripe's SDKs: the same key again, by their rules (stripe_sdk.h)
    ConfirmAgain,  ///< confirms once more under a new key when the answer is slow, or it has it
    TwoInstances,  ///< sends its confirmation twice at once, over two connections
    Abandon,       ///< goes away before the answer is there
    PollThenRetry, ///< stops waiting after a second, polls the payment, then confirms again
};

/// The last thing the client was told.
enum class Told : std::uint8_t {
    Nothing,   ///< nothing yet
    Succeeded, ///< 2xx, paid
    Accepted,  ///< 2xx, `processing` or `requires_capture`: approved in stand-in
    Declined,  ///< 402 for a card that its issuer declines
    Failed,    ///< any other answer, or none
    Abandoned, ///< the client went away before there was an answer
};

struct Purchase {
    std::string id;
    Manner manner = Manner::Sdk;
    std::int64_t amount_minor = 0;
    bool card_declines = false;
    MonoTime intended{};

    Told told = Told::Nothing;
    MonoTime ended{};
    std::string payment;      ///< pi_..., once the client knows it
    std::string trouble;      ///< of Failed: what the answer was
    bool turned_away = false; ///< of Failed: by a 503 that says when and whether to come again

    Duration latency() const { return ended - intended; }
    bool acknowledged() const {
        return told == Told::Succeeded || told == Told::Accepted || told == Told::Declined;
    }
};

} // namespace holdfast::drill
