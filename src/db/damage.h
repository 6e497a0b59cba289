#pragma once

// DamageWatch: names what the server reports as damaged, once for each place, for people.
//
// PostgreSQL refuses to read a page whose checksum is wrong (SQLSTATE XX001), an index that
// contradicts itself (XX002) or a block that the disk can't give (58030), and says which file and
// block, not which table. One such page is no outage: all others are read and written as before, so
// neither the topology nor the breaker nor readiness looks at these errors, and nothing is failed
// over for them, though the standby may well have the page undamaged: who decides that is a person,
// who is told what to do next (docs/operating/damaged-pages.md).
//
//   DamageWatch damage(loop, registry, topology.connector());
//   topology.on_damage([&damage](const Error& error) { damage.note(error); });
//   damage.start();  ...  co_await damage.stop(deadline);
//
// A place is logged as "data_damaged" (relation, block, file) when it is met first, and once in
// `say_again` while it is met; after `forget_after` without any report it counts as repaired. The
// name of the relation is asked for over a connection of its own, while there is something to ask.
//
// Limits: places_max places; more are only counted. Thread: that of the Loop. Metrics:
// holdfast_db_damage_errors_total, holdfast_db_damaged_places.

#include "base/metrics.h"
#include "db/pool.h"
#include "net/gate.h"
#include "net/timer.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::db {

/// What the server's message says about where the damage is.
struct DamagedPlace {
    /// A relation's file as PostgreSQL identifies it; 0 is the database's own tablespace.
    struct File {
        std::uint32_t tablespace = 0, number = 0;
        bool operator==(const File&) const = default;
    };
    std::string path;  ///< base/16384/16500; empty: not said
    std::string index; ///< by its name, where the message has that
    std::optional<File> file;
    std::optional<std::uint32_t> block;
    bool operator==(const DamagedPlace&) const = default;
};

/// Pure. Of a message in English, as servers of ours write them; others give an empty place.
DamagedPlace damaged_place(std::string_view message);

class DamageWatch {
  public:
    static constexpr std::size_t places_max = 1000;
    static constexpr Duration say_again = std::chrono::minutes{1};
    static constexpr Duration forget_after = std::chrono::minutes{10};
    static constexpr Duration look_around = std::chrono::seconds{10};

    DamageWatch(Loop& loop, Registry& metrics, Pool::Connect connect);

    void start();
    Task<void> stop(Deadline deadline);

    /// An error for which is_damage() holds (base/damage.h).
    void note(const Error& error);

  private:
    struct Met {
        DamagedPlace place;
        std::string sqlstate, relation;
        std::int64_t errors = 0; ///< since it was said
        MonoTime last{};
        std::optional<MonoTime> said{};
    };

    Task<void> watch();
    Task<void> say_news();
    Task<std::string> relation_of(DamagedPlace place);

    Pool::Connect connect_;
    std::map<std::string, Met, std::less<>> met_; ///< by the server's message
    Counter& errors_;
    Gauge& places_;
    net::Event news_;
    net::Gate gate_;
};

} // namespace holdfast::db
