#include "gateway/books.h"

#include "base/secret.h"

#include <algorithm>
#include <charconv>

namespace holdfast::gateway {

namespace {

using core::OperationKind;

/// Twelve digits, as in field 4 of an ISO 8583 message.
constexpr std::int64_t amount_minor_limit = 999'999'999'999;
constexpr std::uint32_t authorization_codes = 1'000'000;

/// Whoever asks for the money first decides whether it is held or taken.
bool same_kind(OperationKind one, OperationKind other) {
    return one == other || (asks_for_money(one) && asks_for_money(other));
}

bool same_parameters(const Booking& booking, const core::Operation& operation) {
    return same_kind(booking.kind, operation.kind) && booking.amount == operation.amount &&
           booking.original == operation.original && booking.vault_token == operation.vault_token;
}

/// Six digits that follow from the reference, so that every run of a test shows the same.
std::string authorization_code(Id<core::Operation> reference) {
    std::string digits =
        std::to_string(crc32c(chars(reference.uuid().bytes)) % authorization_codes);
    return std::string(6 - digits.size(), '0') + digits;
}

core::CardFailure refused(std::string code, std::string message) {
    return {std::move(code), "", std::move(message)};
}

std::string_view purchase_id_of(const Booking& booking) {
    auto found = booking.metadata.find(purchase_id_key);
    return found == booking.metadata.end() ? std::string_view() : found->second;
}

} // namespace

bool Books::Record::holds_money() const {
    return asks_for_money(booking.kind) && booking.approved && !reversed;
}

std::int64_t Books::Record::held_minor() const {
    if (!holds_money() || voided || booking.kind != OperationKind::Authorize) return 0;
    return captured_minor > 0 ? 0 : booking.amount.minor; // a capture is final
}

const Books::Record* Books::find(Id<core::Operation> reference) const {
    auto found = records_.find(reference);
    return found == records_.end() ? nullptr : &found->second;
}

/// Lines are found by time with a binary search, so time never runs backwards here.
WallTime Books::not_before_last(WallTime now) const {
    return lines_.empty() ? now : std::max(now, lines_.back().booked);
}

// --- Cards ------------------------------------------------------------------------------------

Result<Vaulted> Books::tokenize(Id<core::Account> account, const CardData& data, const HmacKey& key,
                                const Uuid& random, WallTime now) {
    TRY(CheckedCard checked, check_card(data, now));
    if (checked.card.fingerprint.empty()) {
        checked.card.fingerprint = card_fingerprint(key, account, checked.number);
    }
    wipe(checked.number.data(), checked.number.size());
    Vaulted vaulted{checked.token_prefix + random.base62(), std::move(checked.card)};
    book(VaultEntry{vaulted.vault_token, vaulted.card, now});
    return vaulted;
}

Result<Vaulted> Books::look_up(std::string_view vault_token) const {
    auto found = vault_.find(std::string(vault_token));
    if (found == vault_.end()) {
        return fail(ErrorClass::NotFound, "vault_token_unknown",
                    "No card was tokenized under that vault token.");
    }
    return Vaulted{found->second.vault_token, found->second.card};
}

std::optional<core::CardFailure> Books::card_refusal(const std::string& vault_token,
                                                     WallTime now) const {
    if (vault_token.contains('.')) {
        auto found = vault_.find(vault_token);
        if (found == vault_.end()) return invalid_account();
        const core::CardDetails& card = found->second.card;
        if (is_expired(card.exp_month, card.exp_year, now)) return expired_card();
    }
    return charge_refusal(vault_token);
}

// --- Operations -------------------------------------------------------------------------------

Result<AcquirerAnswer> Books::execute(const core::Operation& operation, WallTime now) {
    if (const Record* known = find(operation.id)) {
        if (known->reversed) {
            ++totals_.refused_late;
            return AcquirerAnswer{
                .finding = Finding::Declined, .failure = processing_error(), .repeated = true};
        }
        if (!same_parameters(known->booking, operation)) {
            return fail(ErrorClass::Conflict, "reference_reused",
                        "The reference was used before with other parameters.");
        }
        ++totals_.repeats;
        AcquirerAnswer answer = inquire(operation.id);
        answer.repeated = true;
        return answer;
    }
    if (now >= operation.valid_until) {
        ++totals_.refused_late;
        return fail({.kind = ErrorClass::Unavailable,
                     .code = "request_expired",
                     .message = "The request arrived after its valid_until; nothing was done.",
                     .retryable = true});
    }
    auto failure = refusal(operation, now);
    book(Booking{.reference = operation.id,
                 .account = operation.account,
                 .payment_intent = operation.payment_intent,
                 .kind = operation.kind,
                 .amount = operation.amount,
                 .original = operation.original,
                 .vault_token = operation.vault_token,
                 .metadata = operation.metadata,
                 .approved = !failure,
                 .failure = failure.value_or(core::CardFailure{}),
                 .authorization_code = failure ? "" : authorization_code(operation.id),
                 .booked = not_before_last(now)});
    return inquire(operation.id);
}

/// Why the answer is no.
std::optional<core::CardFailure> Books::refusal(const core::Operation& operation,
                                                WallTime now) const {
    const std::int64_t amount = operation.amount.minor;
    const bool amount_matters = operation.kind != OperationKind::Void;
    if (amount_matters && (amount < 1 || amount > amount_minor_limit)) {
        return refused("amount_invalid", "The amount is not between one minor unit and the limit.");
    }
    if (asks_for_money(operation.kind)) return card_refusal(operation.vault_token, now);

    const Record* money = find(operation.original);
    if (money == nullptr || !money->holds_money()) {
        return refused("authorization_not_found", "There is no such approved authorization.");
    }
    if (amount_matters && money->booking.amount.currency != operation.amount.currency) {
        return refused("currency_mismatch", "The authorization is in another currency.");
    }
    switch (operation.kind) {
        case OperationKind::Capture:
            if (money->booking.kind == OperationKind::Authorize && amount <= money->held_minor())
                break;
            return refused("capture_exceeds_authorization",
                           "So much is not authorized (any more).");
        case OperationKind::Void:
            if (money->held_minor() > 0) break;
            return refused("nothing_to_void", "The authorization holds nothing (any more).");
        case OperationKind::Refund:
            if (amount > money->net_minor()) {
                return refused("refund_exceeds_capture", "So much was not captured.");
            }
            return refund_refusal(money->booking.vault_token);
        case OperationKind::Authorize:
        case OperationKind::Sale: break;
    }
    return std::nullopt;
}

AcquirerAnswer Books::inquire(Id<core::Operation> reference) const {
    const Record* record = find(reference);
    if (record == nullptr) return {.finding = Finding::NotFound};
    if (record->reversed) return {.finding = Finding::Reversed};
    const Booking& booking = record->booking;
    if (!booking.approved) return {.finding = Finding::Declined, .failure = booking.failure};
    return {.finding = Finding::Approved,
            .authorization_code = booking.authorization_code,
            .executed_as = booking.kind};
}

Result<AcquirerAnswer> Books::reverse(Id<core::Operation> reference, WallTime now) {
    const Record* known = find(reference);
    const bool nothing_to_do = known && (known->reversed || !known->booking.approved);
    if (!nothing_to_do) {
        Reversal reversal{reference, not_before_last(now)};
        if (!fits(reversal)) {
            return fail(ErrorClass::Conflict, "reversal_refused",
                        "Other operations were built upon this one; reverse them first.");
        }
        book(reversal);
    }
    return inquire(reference);
}

// --- Changing the books -----------------------------------------------------------------------

void Books::book(BookEntry entry) {
    CHECK(fits(entry));
    sink_(entry);
    std::visit([this](auto&& change) { apply(std::forward<decltype(change)>(change)); },
               std::move(entry));
}

Result<void> Books::replay(const BookEntry& entry) {
    if (!fits(entry)) {
        return fail(ErrorClass::Invalid, "books_inconsistent",
                    "An entry of the books contradicts those before it.");
    }
    std::visit([this](auto change) { apply(std::move(change)); }, entry);
    return {};
}

/// The invariants, whatever the rules above decide: a reference is booked once, money only moves
/// within what there is.
bool Books::fits(const BookEntry& entry) const {
    if (const auto* booking = std::get_if<Booking>(&entry)) return fits(*booking);
    if (const auto* vaulted = std::get_if<VaultEntry>(&entry)) {
        return !vault_.contains(vaulted->vault_token);
    }
    const auto& reversal = std::get<Reversal>(entry);
    if (reversal.booked != not_before_last(reversal.booked)) return false;
    const Record* known = find(reversal.reference);
    if (known == nullptr) return true;
    if (known->reversed || !known->booking.approved) return false;
    return can_move(known->booking, Direction::Undo);
}

bool Books::fits(const Booking& booking) const {
    if (find(booking.reference) != nullptr) return false;
    if (booking.booked != not_before_last(booking.booked)) return false;
    return !booking.approved || can_move(booking, Direction::Do);
}

bool Books::can_move(const Booking& booking, Direction direction) const {
    const bool doing = direction == Direction::Do;
    const std::int64_t amount = booking.amount.minor;
    if (booking.kind != OperationKind::Void && (amount < 1 || amount > amount_minor_limit)) {
        return false;
    }
    if (booking.kind == OperationKind::Authorize || booking.kind == OperationKind::Sale) {
        if (doing) return true;
        const Record* own = find(booking.reference);
        const std::int64_t captured = booking.kind == OperationKind::Sale ? amount : 0;
        return own->captured_minor == captured && own->refunded_minor == 0 && !own->voided;
    }
    const Record* money = find(booking.original);
    if (money == nullptr || !money->holds_money()) return false;
    const Booking& authorization = money->booking;
    switch (booking.kind) {
        case OperationKind::Capture:
            if (authorization.kind != OperationKind::Authorize) return false;
            return amount <= (doing ? money->held_minor() : money->net_minor());
        case OperationKind::Refund:
            return amount <= (doing ? money->net_minor() : money->refunded_minor);
        case OperationKind::Void:
            return authorization.kind == OperationKind::Authorize && doing != money->voided;
        case OperationKind::Authorize:
        case OperationKind::Sale: break;
    }
    return false;
}

void Books::apply(VaultEntry entry) {
    std::string token = entry.vault_token;
    vault_.emplace(std::move(token), std::move(entry));
    ++totals_.cards;
}

void Books::apply(Booking booking) {
    lines_.push_back({booking.reference, booking.booked});
    ++totals_.operations;
    const auto reference = booking.reference; // not read while booking is moved from
    auto [added, fresh] = records_.emplace(reference, Record{std::move(booking)});
    CHECK(fresh);
    if (added->second.booking.approved) move(added->second.booking, Direction::Do);
}

void Books::apply(const Reversal& reversal) {
    lines_.push_back({reversal.reference, reversal.booked});
    auto [found, fresh] = records_.try_emplace(reversal.reference);
    Record& record = found->second;
    if (fresh) {
        ++totals_.operations;
        record.booking.reference = reversal.reference;
        record.booking.booked = reversal.booked;
    } else {
        move(record.booking, Direction::Undo);
    }
    record.reversed = true;
}

/// Changes the authorization that the money of `booking` belongs to, and the purchase with it.
void Books::move(const Booking& booking, Direction direction) {
    const bool own = asks_for_money(booking.kind);
    Record& money = records_.at(own ? booking.reference : booking.original);
    const std::int64_t amount =
        direction == Direction::Do ? booking.amount.minor : -booking.amount.minor;
    if (!own || direction == Direction::Undo) tally(money, Direction::Undo);
    switch (booking.kind) {
        case OperationKind::Authorize: break;
        case OperationKind::Sale:
        case OperationKind::Capture: money.captured_minor += amount; break;
        case OperationKind::Refund: money.refunded_minor += amount; break;
        case OperationKind::Void: money.voided = direction == Direction::Do; break;
    }
    if (!own || direction == Direction::Do) tally(money, Direction::Do);
}

/// Adds what a record comes to to its purchase, or takes it out before the record changes.
void Books::tally(const Record& record, Direction direction) {
    const std::string_view id = purchase_id_of(record.booking);
    if (id.empty()) return;
    const core::Currency currency = record.booking.amount.currency;
    auto& indexes = purchase_index_[std::string(id)];
    auto at = std::ranges::find_if(
        indexes, [&](std::size_t i) { return purchases_[i].currency == currency; });
    if (at == indexes.end()) {
        indexes.push_back(purchases_.size());
        purchases_.push_back({.purchase_id = std::string(id), .currency = currency});
        at = indexes.end() - 1;
    }
    Purchase& purchase = purchases_[*at];
    const std::int64_t sign = direction == Direction::Do ? 1 : -1;
    totals_.doubled -= purchase.charges > 1;
    purchase.charges += record.net_minor() > 0 ? sign : 0;
    purchase.net_minor += sign * record.net_minor();
    purchase.held_minor += sign * record.held_minor();
    totals_.doubled += purchase.charges > 1;
}

// --- Reading ----------------------------------------------------------------------------------

BookLine Books::line_of(std::size_t index) const {
    const Line& line = lines_[index];
    const Record& record = records_.at(line.reference);
    const Booking& booking = record.booking;
    const core::Currency currency = booking.amount.currency;
    return {.reference = line.reference,
            .kind = booking.kind,
            .finding = inquire(line.reference).finding,
            .amount = booking.amount,
            .captured = {record.captured_minor, currency},
            .refunded = {record.refunded_minor, currency},
            .original = booking.original,
            .metadata = booking.metadata,
            .booked = line.booked,
            .position = std::to_string(index + 1)};
}

Result<std::vector<BookLine>> Books::lines(const Range& range) const {
    std::size_t index = 0;
    const char* end = range.after.data() + range.after.size();
    auto parsed = std::from_chars(range.after.data(), end, index);
    const bool given = !range.after.empty();
    if (given && (parsed.ec != std::errc() || parsed.ptr != end || index > lines_.size())) {
        return fail(ErrorClass::Invalid, "position_unknown",
                    "These books never gave out that position.");
    }
    auto first = std::ranges::lower_bound(lines_, range.from, {}, &Line::booked);
    index = std::max(index, static_cast<std::size_t>(first - lines_.begin()));
    std::vector<BookLine> found;
    for (; index < lines_.size() && found.size() < range.limit; ++index) {
        if (lines_[index].booked >= range.until) break;
        found.push_back(line_of(index));
    }
    return found;
}

std::vector<Purchase> Books::purchases(std::size_t skip, std::size_t limit) const {
    skip = std::min(skip, purchases_.size());
    limit = std::min(limit, purchases_.size() - skip);
    auto first = purchases_.begin() + static_cast<std::ptrdiff_t>(skip);
    return {first, first + static_cast<std::ptrdiff_t>(limit)};
}

std::vector<Purchase> Books::purchases_of(std::string_view purchase_id) const {
    std::vector<Purchase> found;
    auto indexes = purchase_index_.find(std::string(purchase_id));
    if (indexes == purchase_index_.end()) return found;
    for (std::size_t index : indexes->second) found.push_back(purchases_[index]);
    return found;
}

BookTotals Books::totals() const {
    BookTotals totals = totals_;
    totals.lines = static_cast<std::int64_t>(lines_.size());
    return totals;
}

} // namespace holdfast::gateway
