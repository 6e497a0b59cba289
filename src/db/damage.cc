#include "db/damage.h"

#include "base/log.h"
#include "db/own_statements.h"

#include <charconv>

namespace holdfast::db {
namespace {

constexpr Duration ask_patience = std::chrono::seconds{2};
constexpr std::uint32_t global_tablespace = 1664; ///< pg_global
constexpr std::string_view next_step =
    "requests for what lies there fail, all others go on; see "
    "docs/operating/damaged-pages.md: read it on the standby, and if that has it, holdfast "
    "switchover; never set zero_damaged_pages, which destroys what is left";

/// The number right behind `before`.
std::optional<std::uint32_t> number_after(std::string_view text, std::string_view before) {
    const std::size_t at = text.find(before);
    if (at == text.npos) return std::nullopt;
    std::uint32_t number = 0;
    const char* begin = text.data() + at + before.size();
    const auto parsed = std::from_chars(begin, text.data() + text.size(), number);
    return parsed.ec == std::errc{} ? std::optional(number) : std::nullopt;
}

/// What is right behind `before`, up to one of `ends`.
std::string word_after(std::string_view text, std::string_view before, std::string_view ends) {
    const std::size_t at = text.find(before);
    if (at == text.npos) return {};
    const std::string_view rest = text.substr(at + before.size());
    return std::string(rest.substr(0, rest.find_first_of(ends)));
}

/// base/DATABASE/NUMBER, global/NUMBER, pg_tblspc/TABLESPACE/VERSION/DATABASE/NUMBER; behind the
/// number may be a fork (_fsm) or a segment (.1).
std::optional<DamagedPlace::File> file_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == path.npos) return std::nullopt;
    const auto number = number_after(path.substr(slash), "/");
    if (!number) return std::nullopt;
    if (path.starts_with("global/")) return DamagedPlace::File{global_tablespace, *number};
    return DamagedPlace::File{number_after(path, "pg_tblspc/").value_or(0), *number};
}

} // namespace

DamagedPlace damaged_place(std::string_view message) {
    DamagedPlace place;
    place.block = number_after(message, "block ");
    place.path = word_after(message, " of relation ", " \"");
    if (place.path.empty()) place.path = word_after(message, "in file \"", "\"");
    place.index = word_after(message, "index \"", "\"");
    place.file = file_of(place.path);
    return place;
}

DamageWatch::DamageWatch(Loop& loop, Registry& metrics, Pool::Connect connect)
    : connect_(std::move(connect)),
      errors_(metrics.counter("holdfast_db_damage_errors_total",
                              "Statements that the server refused because of damaged data.")),
      places_(metrics.gauge("holdfast_db_damaged_places",
                            "Damaged pages and indexes that were met in the last ten minutes.")),
      news_(loop, net::Event::Reset::Auto),
      gate_(loop, "db.damage") {}

void DamageWatch::start() {
    if (auto spawned = gate_.spawn(watch()); !spawned) BUG("damage is not watched");
}

Task<void> DamageWatch::stop(Deadline deadline) {
    gate_.cancel();
    return gate_.close(deadline);
}

void DamageWatch::note(const Error& error) {
    errors_.add();
    auto found = met_.find(error.message);
    if (found == met_.end()) {
        if (met_.size() >= places_max) return;
        found = met_.try_emplace(error.message).first;
        found->second.place = damaged_place(error.message);
        found->second.sqlstate = error.sqlstate;
        places_.set(static_cast<std::int64_t>(met_.size()));
        news_.set();
    }
    ++found->second.errors;
    found->second.last = MonotonicClock::now();
}

Task<void> DamageWatch::watch() {
    for (;;) {
        auto woken = co_await news_.wait(Deadline::after(look_around));
        if (!woken) co_return Result<void>{}; // stopping
        const MonoTime now = MonotonicClock::now();
        std::erase_if(met_,
                      [now](const auto& met) { return met.second.last < now - forget_after; });
        places_.set(static_cast<std::int64_t>(met_.size()));
        CO_TRY_VOID(co_await say_news());
    }
}

Task<void> DamageWatch::say_news() {
    // note() adds while we wait for a name: iterators of a map stay, and nobody else removes.
    for (auto& [message, met] : met_) {
        const MonoTime now = MonotonicClock::now();
        if (met.errors == 0 || (met.said && now - *met.said < say_again)) continue;
        if (met.relation.empty()) {
            auto relation = co_await relation_of(met.place);
            if (!relation && relation.error().code == "cancelled")
                co_return fail(std::move(relation).error());
            met.relation = relation ? std::move(*relation) : std::string{};
        }
        const auto block = met.place.block ? std::to_string(*met.place.block) : std::string{};
        log::error("data_damaged", {{"relation", met.relation},
                                    {"block", block},
                                    {"file", met.place.path},
                                    {"sqlstate", met.sqlstate},
                                    {"errors", met.errors},
                                    {"error", message},
                                    {"next", next_step}});
        met.errors = 0;
        met.said = now;
    }
    co_return Result<void>{};
}

/// Empty: the server does not know it either.
Task<std::string> DamageWatch::relation_of(DamagedPlace place) {
    if (!place.index.empty() || !place.file) co_return place.index;
    const Deadline deadline = Deadline::after(ask_patience);
    CO_TRY(auto connection, co_await connect_(deadline));
    Pipeline ask{Effect::Read};
    ask.add(own_statements::relation_of_file, std::int64_t{place.file->tablespace},
            std::int64_t{place.file->number});
    CO_TRY(auto results, co_await connection->run(ask, deadline));
    CO_TRY(auto name, results.front().front().get<std::string>(0));
    co_return name;
}

} // namespace holdfast::db
