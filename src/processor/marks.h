#pragma once

// Marks: what a process holds while the database is away, as it tells the others.
//
// A payment that stand-in has accepted is known to one process and its disk until it is drained.
// Whoever asks another process meanwhile must not be told that there is no such payment, nor what
// was true before it. So every process tells its peers which payments it holds, with the rows as
// they are now and the answers that it has given: a Mark. They answer from it, and leave the
// payment alone until it is released (mark_book.h).
//
//   MarkMessage   some marks of one life of one process, numbered without a gap for each peer. With
//                 `whole` all that was said before is void
//
// In transit: base/codec.h, version mark_version, sealed (peer_cipher.h). Marks hold no card data.
//
// Limits: mark_bytes_max for the message; marks that are larger do not fit and are not told.
// Errors: those of PeerCipher, "mark_version", "mark_corrupt".

#include "core/answer.h"
#include "core/unit_of_work.h"
#include "processor/peer_cipher.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::processor {

inline constexpr std::size_t mark_bytes_max = PeerCipher::message_bytes_max;

struct Mark {
    core::RowKey payment;
    bool held = false; ///< false: the database has it now, or it shall not have been
    std::vector<core::Snapshot> objects;
    std::vector<core::ReplayRecord> answers;
};

struct MarkMessage {
    std::string process; ///< its name, the same after a restart
    Uuid life;           ///< of this start of it: later ones sort behind
    std::uint64_t number = 0;
    bool whole = false;
    std::vector<Mark> marks;
};

/// What a message takes before it is sealed, without its marks; and a mark in it.
inline constexpr std::size_t message_head_bytes = 512;
std::size_t bytes_of(const Mark& mark);

class MarkCipher {
  public:
    MarkCipher(Env& env, const SecretString& id_secret);

    Result<std::string> seal(const MarkMessage& message);
    Result<MarkMessage> open(std::string_view sealed) const;

  private:
    PeerCipher cipher_;
};

} // namespace holdfast::processor
