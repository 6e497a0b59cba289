#include "store/seal.h"

#include "base/bytes.h"

#include <cstdlib>

namespace holdfast::store {

namespace {

void update_integer(Sha256& hash, std::int64_t value) {
    std::array<std::uint8_t, 8> bytes;
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = bytes.size(); i-- > 0; rest >>= 8) bytes[i] = rest & 0xff;
    hash.update(chars(bytes));
}

std::int32_t rows_changed(const core::UnitOfWork& work) {
    auto changed = [](const auto& rows) { return rows.inserted().size() + rows.updated().size(); };
    return static_cast<std::int32_t>(
        changed(work.customers) + changed(work.payment_methods) + changed(work.tokens) +
        changed(work.payment_intents) + changed(work.charges) + changed(work.refunds) +
        changed(work.operations) + work.transactions.size() + work.new_replays.size());
}

} // namespace

Seal first_predecessor(const Uuid& lane) {
    return Seal{.lane = lane, .sequence = 0, .hash = std::string(digest_bytes, '\0')};
}

Seal next_seal(const Seal& last, const core::UnitOfWork& work, std::int32_t commands,
               WallTime created, std::string_view digest) {
    Seal seal{.lane = last.lane,
              .sequence = last.sequence + 1,
              .created = created,
              .commands = commands,
              .rows = rows_changed(work),
              .events = static_cast<std::int32_t>(work.events.size()),
              .digest = std::string(digest),
              .previous = last.hash};
    for (const core::LedgerTransaction& transaction : work.transactions) {
        for (const core::Entry& entry : transaction.entries) {
            ++seal.entries;
            seal.entries_sum_minor += std::abs(entry.amount_minor);
        }
    }
    seal.hash = seal_hash(seal);
    return seal;
}

std::string seal_hash(const Seal& seal) {
    Sha256 hash;
    hash.update(chars(seal.lane.bytes));
    for (std::int64_t value :
         {seal.sequence, unix_micros(seal.created), std::int64_t{seal.commands},
          std::int64_t{seal.rows}, std::int64_t{seal.events}, std::int64_t{seal.entries},
          seal.entries_sum_minor}) {
        update_integer(hash, value);
    }
    hash.update(seal.digest);
    hash.update(seal.previous);
    return std::string(chars(hash.finish()));
}

} // namespace holdfast::store
