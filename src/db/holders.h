#pragma once

// Holders: who has which connection of a pool, and since when.
//
// A connection that does not come back is the fault of the code that holds it, and the pool is
// where it hurts. So each loan bears the name of its holder; one that is held for longer than
// `long_after` is logged once, "connection_held_long", with holder, backend and how many wait, and
// counted. At most names_max names are told apart; the rest are "other".
//
// Owner: a Pool. Thread: that of its Loop. Metrics: holdfast_db_connections_held,
// holdfast_db_connection_held_long_total, each by pool and holder.

#include "base/metrics.h"
#include "net/timer_queue.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::db {

/// One loan, for those who ask who holds what.
struct Holding {
    std::string holder;
    Duration held{};
    int backend_pid = 0;
};

class Holders {
  public:
    static constexpr std::size_t names_max = 64;

    /// `waiting` says how many wait for a connection.
    Holders(net::Loop& loop, Registry& metrics, std::string pool, Duration long_after,
            std::function<std::size_t()> waiting);

    /// The name under which this holder is known; lives as long as this object.
    std::string_view known(std::string_view holder);
    /// `holder` is a known() one. Returns the number of the loan.
    std::uint64_t lent(std::string_view holder, int backend_pid);
    void returned(std::uint64_t loan);

    /// The longest first.
    std::vector<Holding> list() const;

  private:
    struct Name {
        Gauge& held;
        Counter& held_long;
    };
    struct Loan {
        std::string_view holder;
        MonoTime since;
        int backend_pid;
        bool told = false;
    };
    void look();

    Registry& metrics_;
    const std::string pool_;
    const Duration long_after_;
    std::function<std::size_t()> waiting_;
    std::map<std::string, Name, std::less<>> names_;
    std::map<std::uint64_t, Loan> loans_; ///< by number, which is by age
    std::uint64_t numbers_ = 0;
    bool looking_ = false; ///< the alarm is set
    net::Alarm alarm_;
};

} // namespace holdfast::db
