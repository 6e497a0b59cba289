#include "gateway/book_entry.h"

namespace holdfast::gateway {

namespace {

constexpr std::uint8_t entry_version = 1;

struct ReadEnvelope {
    BookEntry entry;
};
struct WriteEnvelope {
    const BookEntry& entry;
};

/// By its code: the place of a currency in our table is not the acquirer's business.
template <class A> void archive_currency(A& archive, core::Currency& currency) {
    std::string code(currency.code());
    archive(code);
    if constexpr (A::reading) {
        if (auto known = core::Currency::parse(code))
            currency = *known;
        else
            archive.refuse("A currency is unknown.");
    }
}

template <class A> void archive_card(A& archive, core::CardDetails& card) {
    archive(card.brand, card.last4, card.exp_month, card.exp_year, card.funding, card.country,
            card.fingerprint);
}

template <class A> void archive_failure(A& archive, core::CardFailure& failure) {
    archive(failure.code, failure.decline_code, failure.message);
}

template <class A> void fields(A& archive, ReadEnvelope& e) { archive(e.entry); }
template <class A> void fields(A& archive, WriteEnvelope& e) { archive(e.entry); }

} // namespace

template <class A> void fields(A& archive, VaultEntry& e) {
    archive(e.vault_token, e.booked);
    archive_card(archive, e.card);
}

template <class A> void fields(A& archive, Booking& b) {
    archive(b.reference, b.account, b.payment_intent, b.kind, b.amount.minor);
    archive_currency(archive, b.amount.currency);
    archive(b.original, b.vault_token, b.metadata, b.approved);
    archive_failure(archive, b.failure);
    archive(b.authorization_code, b.booked);
}

template <class A> void fields(A& archive, Reversal& r) { archive(r.reference, r.booked); }

std::string encode(const BookEntry& entry) {
    return encode_versioned(entry_version, WriteEnvelope{entry});
}

Result<BookEntry> decode_book_entry(std::string_view bytes) {
    TRY(auto envelope, decode_versioned<ReadEnvelope>(bytes, entry_version, "book_entry"));
    return std::move(envelope.entry);
}

} // namespace holdfast::gateway
