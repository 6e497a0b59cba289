#pragma once

// Books: the rules of an acquirer's books, in memory and without I/O.
//
// A reference (the id of an Operation) is executed at most once. A repeat with the same parameters
// gets the first answer again, an authorization also that of a sale and the reverse; with other
// parameters it is refused (Conflict "reference_reused") and nothing changes. A request that
// arrives at or after its valid_until is refused (Unavailable "request_expired") unless the
// reference is booked already.
//
// `reverse` makes "this reference shall not have happened" true. It undoes what was booked, and
// for a reference that is not known (yet) it leaves a tombstone, so that a late arrival is
// declined. What others were built upon must be undone first (Conflict "reversal_refused"): an
// authorization after its capture, a capture after its refund.
//
// Money: an authorization is captured once, up to what was authorized; what the capture leaves is
// released by it. Refunds never exceed what was captured, a void releases what was authorized.
// Every decision, a decline too, is booked.
//
// Every change is one BookEntry that goes to the Sink before the call returns; replay() of the same
// entries in the same order makes the same books. Whoever answers for them must first make the
// entries durable (books_file.h).
//
// Lines are in the order of booking. A reversal adds one more line for its reference, and every
// line shows the state of its reference now, so a reader who keeps the last line per reference has
// the truth. `position` is the number of lines up to and including that line.
//
// Per purchase id (metadata "purchase_id", put there by the payer's side) the books keep what was
// charged: `charges` > 1 is a payer charged twice, whatever the ledger says.
//
// Memory: about 1 kB per operation, for ever: these are the books of a simulated acquirer.
// Thread: one.

#include "gateway/book_entry.h"
#include "gateway/cards.h"

#include <functional>
#include <unordered_map>

namespace holdfast::gateway {

inline constexpr std::string_view purchase_id_key = "purchase_id";

/// What one purchase came to, in one currency.
struct Purchase {
    std::string purchase_id;
    core::Currency currency;
    std::int64_t charges = 0;    ///< authorizations with money captured and not all refunded
    std::int64_t net_minor = 0;  ///< captured less refunded
    std::int64_t held_minor = 0; ///< authorized, neither captured nor released
    bool operator==(const Purchase&) const = default;
};

struct BookTotals {
    std::int64_t lines = 0;
    std::int64_t operations = 0; ///< references, tombstones included
    std::int64_t cards = 0;
    std::int64_t doubled = 0;      ///< purchases with more than one charge
    std::int64_t repeats = 0;      ///< answers given again, since start
    std::int64_t refused_late = 0; ///< expired or reversed before they arrived, since start
};

class Books {
  public:
    using Sink = std::move_only_function<void(const BookEntry&)>;

    explicit Books(Sink sink) : sink_(std::move(sink)) {}

    /// Errors: those of check_card. `random` makes the token; `key` the fingerprint.
    Result<Vaulted> tokenize(Id<core::Account> account, const CardData& data, const HmacKey& key,
                             const Uuid& random, WallTime now);
    /// The card behind a vault token. Error NotFound "vault_token_unknown".
    Result<Vaulted> look_up(std::string_view vault_token) const;

    Result<AcquirerAnswer> execute(const core::Operation& operation, WallTime now);
    AcquirerAnswer inquire(Id<core::Operation> reference) const;
    Result<AcquirerAnswer> reverse(Id<core::Operation> reference, WallTime now);

    struct Range {
        std::string after; ///< position; empty: from the start
        std::size_t limit = 100;
        WallTime from = WallTime::min();  ///< booked at or after
        WallTime until = WallTime::max(); ///< booked before
    };
    /// Error Invalid "position_unknown": these books never gave out that position.
    Result<std::vector<BookLine>> lines(const Range& range) const;

    /// Purchases in the order in which they were first seen, from number `skip` on.
    std::vector<Purchase> purchases(std::size_t skip, std::size_t limit) const;
    std::vector<Purchase> purchases_of(std::string_view purchase_id) const;
    BookTotals totals() const;

    /// An entry from the file. Error Invalid "books_inconsistent" when it contradicts the earlier
    /// ones.
    Result<void> replay(const BookEntry& entry);

  private:
    struct Record {
        Booking booking; ///< of a tombstone: only reference and booked
        std::int64_t captured_minor = 0, refunded_minor = 0; ///< of an Authorize or Sale
        bool voided = false, reversed = false;
        bool holds_money() const; ///< it is an approved Authorize or Sale
        std::int64_t held_minor() const;
        std::int64_t net_minor() const { return captured_minor - refunded_minor; }
    };
    struct Line {
        Id<core::Operation> reference;
        WallTime booked;
    };
    enum class Direction : std::uint8_t { Do, Undo };

    const Record* find(Id<core::Operation> reference) const;
    std::optional<core::CardFailure> refusal(const core::Operation& operation, WallTime now) const;
    std::optional<core::CardFailure> card_refusal(const std::string& vault_token,
                                                  WallTime now) const;
    BookLine line_of(std::size_t index) const;
    WallTime not_before_last(WallTime now) const;

    bool fits(const BookEntry& entry) const;
    bool fits(const Booking& booking) const;
    bool can_move(const Booking& booking, Direction direction) const;
    void book(BookEntry entry);
    void apply(VaultEntry entry);
    void apply(Booking booking);
    void apply(const Reversal& reversal);
    void move(const Booking& booking, Direction direction);
    void tally(const Record& record, Direction direction);

    Sink sink_;
    std::unordered_map<Id<core::Operation>, Record> records_;
    std::unordered_map<std::string, VaultEntry> vault_;
    std::vector<Line> lines_;
    std::vector<Purchase> purchases_;
    std::unordered_map<std::string, std::vector<std::size_t>> purchase_index_;
    BookTotals totals_;
};

} // namespace holdfast::gateway
