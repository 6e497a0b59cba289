#pragma once

// BookEntry: one change of an acquirer's books, as it is kept on disk (books_file.h).
//
// Entries hold decisions, not requests, so that replaying them needs no rule but arithmetic and a
// change of the rules does not change history. Codec: base/codec.h; fields are only appended, the
// currency is written as its code. No card number is ever part of an entry.

#include "base/codec.h"
#include "core/names.h"
#include "gateway/connector.h"

#include <variant>

namespace holdfast::gateway {

/// A card that was tokenized.
struct VaultEntry {
    std::string vault_token;
    core::CardDetails card;
    WallTime booked;
};

/// An operation that was decided.
struct Booking {
    Id<core::Operation> reference;
    Id<core::Account> account;
    Id<core::PaymentIntent> payment_intent;
    core::OperationKind kind = core::OperationKind::Sale;
    core::Money amount;
    Id<core::Operation> original;
    std::string vault_token; ///< of an Authorize or Sale
    core::Metadata metadata;
    bool approved = false;
    core::CardFailure failure; ///< when not approved
    std::string authorization_code;
    WallTime booked;
};

/// A reference that shall not have happened.
struct Reversal {
    Id<core::Operation> reference;
    WallTime booked;
};

using BookEntry = std::variant<VaultEntry, Booking, Reversal>; // order is on disk: append only

std::string encode(const BookEntry& entry);
/// Errors: "book_entry_corrupt", "book_entry_version".
Result<BookEntry> decode_book_entry(std::string_view bytes);

} // namespace holdfast::gateway
