#pragma once

// Answer: what a command came to, as it is stored in the replay cache and shown to the caller.
//
// It holds a snapshot of the object as it was right after the change, in the codec of
// snapshot.h, and is rendered to JSON at the edge, each time alike. A declined card is an answer
// too (HTTP 402 with the payment intent inside). Requests that fail validation or hit an
// unexpected state have no Answer but an Error: nothing was written, a retry decides anew.

#include "core/objects.h"

namespace holdfast::core {

struct Snapshot {
    ObjectKind kind = ObjectKind::PaymentIntent;
    std::string bytes; ///< snapshot.h
    bool operator==(const Snapshot&) const = default;
};

struct Answer {
    Snapshot object;
    std::optional<PaymentError> declined; ///< set: 402, `object` is the payment intent
    bool operator==(const Answer&) const = default;
};

/// A row of the replay cache. Key: (account, replay_key); replay_key covers endpoint and
/// idempotency key.
struct ReplayRecord {
    Id<Account> account;
    Uuid replay_key;
    std::uint64_t fingerprint = 0;
    Uuid request_id; ///< of the original request, for Original-Request
    WallTime created;
    Answer answer;
    bool operator==(const ReplayRecord&) const = default;
};

} // namespace holdfast::core
