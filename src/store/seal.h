#pragma once

// Seals: what a batch leaves behind besides its rows. Seal n of a lane holds the counts and the sum
// of what batch n wrote, a digest over its bytes, and the hash of seal n - 1. It decides what
// became of a batch whose COMMIT was never answered, and its chain and sums show later whether
// anything was cut off or changed (docs/adr/0004-batches-deltas-seals.md).
//
// The hash is SHA-256 over the fields in the order of struct Seal: the lane's 16 bytes, integers as
// eight bytes big-endian (created in microseconds since 1970), digests as 32 bytes. The first seal
// of a lane follows seal 0, whose hash is 32 zero bytes.

#include "store/store.h"

#include <string>
#include <string_view>

namespace holdfast::store {

inline constexpr std::size_t digest_bytes = 32;

/// What the first seal of a lane names as its predecessor.
Seal first_predecessor(const Uuid& lane);

/// The seal that follows `last`: counts `work` and hashes.
Seal next_seal(const Seal& last, const core::UnitOfWork& work, std::int32_t commands,
               WallTime created, std::string_view digest);

std::string seal_hash(const Seal& seal);

} // namespace holdfast::store
