#pragma once

// PeerCipher: what processes of one platform say to each other, so that only they can say and read
// it.
//
// A message is sealed as a record of a journal is (base/journal_format.h: AES-256-GCM, a random
// salt for each PeerCipher and a number for each message), behind the salt. The key is derived from
// the platform's id secret and a purpose, so that what was sealed for one end is worth nothing at
// another.
//
// Limits: message_bytes_max. Errors: Invalid "peer_message_refused" for what no process of this
// platform has sealed for this purpose, Overload "peer_message_too_large".

#include "base/journal_format.h"
#include "base/secret.h"

#include <string>
#include <string_view>

namespace holdfast {
class Env;
}

namespace holdfast::processor {

class PeerCipher {
  public:
    static constexpr std::size_t message_bytes_max = journal_record_bytes_max;

    PeerCipher(Env& env, const SecretString& id_secret, std::string_view purpose);

    Result<std::string> seal(std::string_view message);
    Result<std::string> open(std::string_view sealed) const;

  private:
    JournalKey key_;
    SegmentHeader header_;
    SegmentCipher cipher_;
    std::uint64_t sealed_ = 0;
};

} // namespace holdfast::processor
