#include "db/queue_delay.h"

#include <algorithm>

namespace holdfast::db {

constexpr std::size_t shed_max = priorities - 1; ///< all but payments

void QueueDelay::served(Duration oldest, MonoTime now) {
    if (now >= interval_end_ + options_.interval) { // nobody was served for so long
        shed_ = 0;
        begin(now);
    }
    shortest_ = std::min(shortest_, oldest);
    if (now < interval_end_) return;
    if (shortest_ > options_.target)
        shed_ = std::min(shed_ + 1, shed_max);
    else if (shed_ > 0)
        --shed_;
    begin(now);
}

std::optional<Priority> QueueDelay::shed_from() const {
    if (shed_ == 0) return std::nullopt;
    return static_cast<Priority>(priorities - shed_);
}

} // namespace holdfast::db
