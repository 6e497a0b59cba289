#pragma once

// PageBounds: a ListQuery's times and cursor as one open interval of (created, sequence), which is
// what the list indexes are ordered by. Filters of whole seconds become bounds with sequence 0,
// since sequences start at 1.

#include "store/store.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace holdfast::store {

/// The place of a row in a list.
using Position = std::pair<WallTime, std::int64_t>;

struct PageBounds {
    Position after{WallTime{std::chrono::seconds{0}}, 0};                ///< exclusive
    Position before{WallTime{std::chrono::seconds{253'370'764'800}}, 0}; ///< exclusive; year 9999
    bool newest_first = true; ///< how to scan: from `before` down, or from `after` up

    bool contains(const Position& p) const { return after < p && p < before; }
};

/// `cursor`: where the query's cursor stands, if it has one.
inline PageBounds page_bounds(const ListQuery& query, std::optional<Position> cursor) {
    // Keeps every bound a time that PostgreSQL can hold.
    const auto at_second = [](std::int64_t second) {
        constexpr std::int64_t last = 253'370'764'800;
        return Position{WallTime{std::chrono::seconds{std::clamp<std::int64_t>(second, 0, last)}},
                        0};
    };
    const auto next = [](std::int64_t second) {
        return second == std::numeric_limits<std::int64_t>::max() ? second : second + 1;
    };
    PageBounds bounds;
    if (query.created_gte) bounds.after = std::max(bounds.after, at_second(*query.created_gte));
    if (query.created_gt) bounds.after = std::max(bounds.after, at_second(next(*query.created_gt)));
    if (query.created_lt) bounds.before = std::min(bounds.before, at_second(*query.created_lt));
    if (query.created_lte) {
        bounds.before = std::min(bounds.before, at_second(next(*query.created_lte)));
    }
    bounds.newest_first = query.direction == PageDirection::StartingAfter || !query.cursor;
    if (cursor && bounds.newest_first) bounds.before = std::min(bounds.before, *cursor);
    if (cursor && !bounds.newest_first) bounds.after = std::max(bounds.after, *cursor);
    return bounds;
}

/// The query's cursor names no object of the account.
template <class T> std::unexpected<Error> cursor_missing(const ListQuery& query) {
    const bool after = query.direction == PageDirection::StartingAfter;
    return fail({.kind = ErrorClass::Invalid,
                 .code = "resource_missing",
                 .message = "No such object: '" + Id<T>(*query.cursor).str() + "'",
                 .param = after ? "starting_after" : "ending_before"});
}

/// Makes a page of rows scanned in the direction of `bounds`, of which one more than `limit` was
/// asked for.
template <class T> Page<T> make_page(std::vector<T> scanned, int limit, const PageBounds& bounds) {
    Page<T> page{.data = std::move(scanned)};
    page.has_more = page.data.size() > static_cast<std::size_t>(limit);
    if (page.has_more) page.data.resize(static_cast<std::size_t>(limit));
    if (!bounds.newest_first) std::ranges::reverse(page.data);
    return page;
}

} // namespace holdfast::store
