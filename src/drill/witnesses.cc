#include "drill/witnesses.h"

#include <fmt/format.h>

#include <string_view>

namespace holdfast::drill {

namespace {

constexpr std::size_t differences_max = 10;

class Comparer {
  public:
    explicit Comparer(const LedgerCheck& check) {
        found_.ledger_balanced = check.balanced;
        found_.books_agree = check.agrees;
        for (const std::string& finding : check.findings) note(finding);
    }

    void client(const Purchase& purchase, const LedgerEntry& ledger, const BookedPurchase& booked) {
        const bool has_money = ledger.succeeded == 1 &&
                               ledger.received_minor == purchase.amount_minor &&
                               booked.net_minor == purchase.amount_minor;
        const bool declined_later = ledger.payments > 0 && ledger.succeeded == 0 &&
                                    ledger.status != "processing" && booked.charges == 0;
        if (purchase.told == Told::Accepted && declined_later)
            ++found_.standin_declined;
        else if ((purchase.told == Told::Succeeded || purchase.told == Told::Accepted) &&
                 !has_money)
            ++found_.lost, differ("lost", purchase.id, ledger, booked);
        if (booked.charges > 1 || (purchase.told == Told::Declined && booked.charges > 0))
            ++found_.doubled, differ("doubled", purchase.id, ledger, booked);
    }

    /// Whatever the client was told.
    void books(const std::string& id, const LedgerEntry& ledger, const BookedPurchase& booked) {
        if (booked.held_minor != 0 && ledger.waiting_for_capture == 0)
            ++found_.orphan_holds, differ("orphan hold", id, ledger, booked);
        if (ledger.events_missing > 0)
            found_.event_missing += ledger.events_missing,
                differ("event missing", id, ledger, booked);
        if (ledger.received_minor != booked.net_minor) {
            found_.books_agree = false;
            differ("books differ", id, ledger, booked);
        }
    }

    Comparison take() && { return std::move(found_); }

  private:
    void differ(std::string_view what, const std::string& id, const LedgerEntry& ledger,
                const BookedPurchase& booked) {
        note(fmt::format(
            "{}: purchase {}: ledger {} ({} received), acquirer {} charges "
            "({} net, {} held)",
            what, id, ledger.payments == 0 ? "has nothing" : ledger.status, ledger.received_minor,
            booked.charges, booked.net_minor, booked.held_minor));
    }
    void note(std::string text) {
        if (found_.differences.size() < differences_max)
            found_.differences.push_back(std::move(text));
    }

    Comparison found_;
};

template <class Map> const auto& find_in(const Map& map, const std::string& id) {
    static const typename Map::mapped_type nothing{};
    auto it = map.find(id);
    return it == map.end() ? nothing : it->second;
}

} // namespace

Comparison compare(const std::deque<Purchase>& told, const LedgerWitness& ledger,
                   const AcquirerWitness& acquirer, const LedgerCheck& check) {
    Comparer comparer(check);
    for (const Purchase& purchase : told)
        comparer.client(purchase, find_in(ledger, purchase.id), find_in(acquirer, purchase.id));
    for (const auto& [id, entry] : ledger) comparer.books(id, entry, find_in(acquirer, id));
    for (const auto& [id, booked] : acquirer) {
        if (!ledger.contains(id)) comparer.books(id, {}, booked);
    }
    return std::move(comparer).take();
}

void compare_attempts(const std::deque<Purchase>& told, const AttemptWitness& logged,
                      Comparison& found) {
    for (const Purchase& purchase : told) {
        if (!purchase.acknowledged()) continue;
        const auto& outcomes = find_in(logged, purchase.payment);
        const bool paid = purchase.told == Told::Succeeded && outcomes.contains("succeeded");
        const bool declined = purchase.told == Told::Declined && outcomes.contains("declined");
        // Who looked instead of asking again has seen what an attempt under way had come to by
        // then.
        const bool accepted = purchase.told == Told::Accepted &&
                              (outcomes.contains("processing") || outcomes.contains("succeeded") ||
                               outcomes.contains("declined"));
        if (paid || declined || accepted) continue;
        ++found.unlogged;
        if (found.differences.size() < differences_max)
            found.differences.push_back(fmt::format("unlogged: purchase {}, {}: {}", purchase.id,
                                                    purchase.payment, fmt::join(outcomes, ", ")));
    }
}

} // namespace holdfast::drill
