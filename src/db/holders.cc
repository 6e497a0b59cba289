#include "db/holders.h"

#include "base/log.h"

namespace holdfast::db {

constexpr std::string_view other = "other";

Holders::Holders(net::Loop& loop, Registry& metrics, std::string pool, Duration long_after,
                 std::function<std::size_t()> waiting)
    : metrics_(metrics),
      pool_(std::move(pool)),
      long_after_(long_after),
      waiting_(std::move(waiting)),
      alarm_(loop, [this] { look(); }) {}

std::string_view Holders::known(std::string_view holder) {
    auto found = names_.find(holder);
    if (found == names_.end() && names_.size() >= names_max) {
        holder = other;
        found = names_.find(other);
    }
    if (found == names_.end()) {
        const Registry::Labels labels{{"db_client_connection_pool_name", pool_},
                                      {"holder", std::string(holder)}};
        Name name{metrics_.gauge("holdfast_db_connections_held",
                                 "Connections on loan, by the code that holds them.", labels),
                  metrics_.counter("holdfast_db_connection_held_long_total",
                                   "Connections that were held for long, by holder.", labels)};
        found = names_.emplace(holder, name).first;
    }
    return found->first;
}

std::uint64_t Holders::lent(std::string_view holder, int backend_pid) {
    names_.find(holder)->second.held.add(1);
    const MonoTime now = MonotonicClock::now();
    loans_.emplace(++numbers_, Loan{holder, now, backend_pid});
    // Set once for whoever comes in the meantime, too: what is returned soon costs no timer.
    if (!looking_) alarm_.set(net::Deadline::at(now + long_after_));
    looking_ = true;
    return numbers_;
}

void Holders::returned(std::uint64_t loan) {
    const auto found = loans_.find(loan);
    names_.find(found->second.holder)->second.held.add(-1);
    loans_.erase(found);
}

void Holders::look() {
    const MonoTime now = MonotonicClock::now();
    looking_ = false;
    for (auto& [number, loan] : loans_) {
        if (loan.told) continue;
        const MonoTime due = loan.since + long_after_;
        if (now < due) {
            alarm_.set(net::Deadline::at(due));
            looking_ = true;
            return;
        }
        loan.told = true;
        names_.find(loan.holder)->second.held_long.add();
        const auto held = std::chrono::duration_cast<std::chrono::milliseconds>(now - loan.since);
        log::warn("connection_held_long", {{"pool", pool_},
                                           {"holder", loan.holder},
                                           {"backend_pid", loan.backend_pid},
                                           {"held_ms", held.count()},
                                           {"waiting", waiting_()}});
    }
}

std::vector<Holding> Holders::list() const {
    const MonoTime now = MonotonicClock::now();
    std::vector<Holding> list;
    for (const auto& [number, loan] : loans_)
        list.push_back({std::string(loan.holder), now - loan.since, loan.backend_pid});
    return list;
}

} // namespace holdfast::db
