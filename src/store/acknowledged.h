#pragma once

// Acknowledged: the newest batch of each lane of this process that is known to be durable. A server
// that has these seals has every batch that was acknowledged here: who asks a standby wants to
// know. Lanes live as long as the process, so there are few.

#include "base/id.h"

#include <cstdint>
#include <map>

namespace holdfast::store {

class Acknowledged {
  public:
    void note(const Uuid& lane, std::int64_t sequence) { newest_[lane] = sequence; }
    const std::map<Uuid, std::int64_t>& newest() const { return newest_; }

  private:
    std::map<Uuid, std::int64_t> newest_;
};

} // namespace holdfast::store
