#include "drill/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace holdfast::drill {

namespace {

constexpr std::size_t troubles_max = 5;

bool failed(const Purchase& purchase) {
    return purchase.told == Told::Failed || purchase.told == Told::Nothing ||
           (purchase.told != Told::Abandoned && purchase.latency() > answer_patience);
}

void count_one(const Purchase& purchase, Figures& figures) {
    ++figures.offered;
    if (failed(purchase)) {
        ++figures.failed;
        if (!purchase.turned_away) ++figures.failed_badly;
        if (figures.troubles.size() < troubles_max && !purchase.trouble.empty())
            figures.troubles.push_back(purchase.trouble);
        return;
    }
    if (purchase.told == Told::Abandoned) {
        ++figures.abandoned;
        return;
    }
    ++figures.acknowledged;
    if (purchase.told == Told::Succeeded) ++figures.succeeded;
    if (purchase.told == Told::Accepted) ++figures.standin;
    if (purchase.told == Told::Declined) ++figures.declined;
}

Duration longest_gap(std::vector<MonoTime> moments, const Times& times) {
    std::sort(moments.begin(), moments.end());
    Duration longest{};
    MonoTime last = times.start;
    for (const MonoTime moment : moments) {
        if (moment > times.end) break;
        longest = std::max(longest, moment - last);
        last = moment;
    }
    return std::max(longest, times.end - last);
}

/// See Figures::recovered_after_ms.
std::optional<std::int64_t> recovery(const std::deque<Purchase>& purchases, const Times& times) {
    MonoTime last = times.strike;
    for (const Purchase& purchase : purchases) {
        if (purchase.ended < times.strike || purchase.told == Told::Abandoned) continue;
        if (!failed(purchase) && purchase.latency() <= late_after) continue;
        if (purchase.intended > times.end - well_again) return std::nullopt;
        last = std::max(last, purchase.ended);
    }
    return in_ms(last - times.strike);
}

} // namespace

Duration quantile(std::vector<Duration>& values, int percent) {
    if (values.empty()) return Duration{0};
    std::sort(values.begin(), values.end());
    const std::size_t rank = (values.size() * static_cast<std::size_t>(percent) + 99) / 100;
    return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

Figures count(const std::deque<Purchase>& purchases, const Times& times) {
    Figures figures;
    std::vector<Duration> latencies;
    std::vector<MonoTime> acknowledged;
    for (const Purchase& purchase : purchases) {
        count_one(purchase, figures);
        if (purchase.told != Told::Abandoned) latencies.push_back(purchase.latency());
        if (purchase.acknowledged()) acknowledged.push_back(purchase.ended);
        if (purchase.intended >= times.strike) {
            ++figures.struck;
            const bool slow = purchase.told != Told::Abandoned && purchase.latency() > outage_after;
            if (failed(purchase) || slow) ++figures.struck_bad;
        }
    }
    figures.p50_ms = in_ms(quantile(latencies, 50));
    figures.p99_ms = in_ms(quantile(latencies, 99));
    figures.max_stall_ms = in_ms(longest_gap(std::move(acknowledged), times));
    figures.recovered_after_ms = recovery(purchases, times);
    return figures;
}

std::string_view to_string(Outcome outcome) {
    static constexpr std::array names{"passed", "failed", "invalid", "outage", "no_outage"};
    return names[static_cast<std::size_t>(outcome)];
}

Judgement judge(const Figures& figures, const Expectation& expectation) {
    if (figures.unproven) return {Outcome::Invalid, {*figures.unproven}};
    Judgement judgement{Outcome::Passed, {}};
    const auto require = [&judgement](bool holds, std::string otherwise) {
        if (!holds) judgement.reasons.push_back(std::move(otherwise));
    };
    for (const std::string& unmet : figures.unmet) require(false, unmet);
    const Comparison& books = figures.witnesses;
    require(figures.offered > 0, "no purchase was offered");
    require(books.lost == 0, fmt::format("{} acknowledged purchases are lost", books.lost));
    require(books.doubled == 0, fmt::format("{} purchases were charged twice", books.doubled));
    require(books.orphan_holds == 0,
            fmt::format("{} holds belong to no payment", books.orphan_holds));
    require(books.event_missing == 0, fmt::format("{} events are missing", books.event_missing));
    if (expectation.attempts_kept)
        require(books.unlogged == 0,
                fmt::format("{} acknowledged purchases are in no attempt log", books.unlogged));
    require(books.ledger_balanced, "the ledger does not balance");
    require(books.books_agree, "ledger and acquirer disagree");
    require(figures.recovered_after_ms.has_value(), "it had not recovered when the load ended");
    if (expectation.none_failed)
        require(figures.failed == 0, fmt::format("{} purchases failed", figures.failed));
    if (expectation.refused_cleanly)
        require(figures.failed_badly == 0,
                fmt::format("{} purchases failed by something else than a 503 that says to come "
                            "again",
                            figures.failed_badly));
    if (expectation.none_in_standin)
        require(figures.standin == 0,
                fmt::format("{} purchases were deferred instead of held", figures.standin));
    const std::int64_t stall_max_ms = in_ms(expectation.stall_max);
    require(figures.max_stall_ms <= stall_max_ms,
            fmt::format("payments stood still for {} ms, at most {} are allowed",
                        figures.max_stall_ms, stall_max_ms));
    if (!judgement.reasons.empty()) judgement.outcome = Outcome::Failed;
    return judgement;
}

Judgement judge_unprotected(const Figures& figures) {
    if (figures.unproven) return {Outcome::Invalid, {*figures.unproven}};
    if (figures.struck_bad * 100 > figures.struck * outage_percent) return {Outcome::Outage, {}};
    return {Outcome::NoOutage,
            {fmt::format("only {} of {} purchases failed or took over 2 s", figures.struck_bad,
                         figures.struck)}};
}

} // namespace holdfast::drill
