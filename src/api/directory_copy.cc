#include "api/directory_copy.h"

#include "base/bytes.h"
#include "base/codec.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace holdfast::api {

enum class CopyRecordKind : std::uint8_t { Begin, Account, Key, Whole };
constexpr CopyRecordKind last_enumerator(CopyRecordKind) { return CopyRecordKind::Whole; }

struct CopiedLimit {
    std::string currency;
    std::int64_t payment_minor = 0, card_minor = 0, total_minor = 0;
};
template <class A> void fields(A& archive, CopiedLimit& v) {
    archive(v.currency, v.payment_minor, v.card_minor, v.total_minor);
}

/// One record of the Journal; which members count goes by its kind.
struct CopyRecord {
    CopyRecordKind kind = CopyRecordKind::Begin;
    Id<core::Account> account, public_id;
    bool livemode = false, publishable = false;
    std::string name; ///< or hint of a key
    std::string hash;
    WallTime created;
    std::optional<WallTime> expires;
    std::int32_t fee_basis_points = 0;
    std::int64_t fee_fixed_minor = 0;
    std::vector<CopiedLimit> limits;
    std::uint64_t count = 0; ///< of the records before a Whole
};
template <class A> void fields(A& archive, CopyRecord& v) {
    archive(v.kind, v.account, v.public_id, v.livemode, v.publishable, v.name, v.hash, v.created,
            v.expires, v.fee_basis_points, v.fee_fixed_minor, v.limits, v.count);
}

namespace {

constexpr std::uint8_t copy_version = 1;

CopyRecord record_of(const core::Account& account) {
    CopyRecord record{.kind = CopyRecordKind::Account,
                      .account = account.id,
                      .public_id = account.public_id,
                      .livemode = account.livemode,
                      .name = account.name,
                      .created = account.created,
                      .fee_basis_points = account.fees.basis_points,
                      .fee_fixed_minor = account.fees.fixed_minor};
    for (const core::FloorLimit& limit : account.floor_limits)
        record.limits.push_back({std::string(limit.currency.code()), limit.payment_minor,
                                 limit.card_minor, limit.total_minor});
    return record;
}

CopyRecord record_of(const store::ApiKey& key) {
    return {.kind = CopyRecordKind::Key,
            .account = key.account,
            .publishable = key.publishable,
            .name = key.hint,
            .hash = key.hash,
            .created = key.created,
            .expires = key.expires};
}

core::Account account_of(CopyRecord record) {
    core::Account account;
    account.id = record.account;
    account.public_id = record.public_id;
    account.livemode = record.livemode;
    account.name = std::move(record.name);
    account.created = record.created;
    account.fees = {record.fee_basis_points, record.fee_fixed_minor};
    for (const CopiedLimit& limit : record.limits)
        if (auto currency = core::Currency::parse(limit.currency))
            account.floor_limits.push_back(
                {*currency, limit.payment_minor, limit.card_minor, limit.total_minor});
    return account;
}

store::ApiKey key_of(CopyRecord record) {
    return {.hash = std::move(record.hash),
            .account = record.account,
            .publishable = record.publishable,
            .hint = std::move(record.name),
            .created = record.created,
            .expires = record.expires};
}

/// In an order of its own: the same contents are the same bytes.
std::vector<std::string> records_of(const DirectoryContents& contents) {
    std::vector<std::string> records;
    for (const core::Account& account : contents.accounts)
        records.push_back(encode_versioned(copy_version, record_of(account)));
    for (const store::ApiKey& key : contents.keys)
        records.push_back(encode_versioned(copy_version, record_of(key)));
    std::ranges::sort(records);
    return records;
}

std::string digest_of(const std::vector<std::string>& records) {
    Sha256 hash;
    for (const std::string& record : records) hash.update(record);
    return std::string(chars(hash.finish()));
}

} // namespace

Result<std::unique_ptr<DirectoryCopy>> DirectoryCopy::create(std::unique_ptr<Journal> journal) {
    std::unique_ptr<DirectoryCopy> copy(new DirectoryCopy(std::move(journal)));
    TRY_VOID(copy->read());
    return copy;
}

Result<void> DirectoryCopy::read() {
    DirectoryContents contents;
    std::uint64_t count = 0;
    for (JournalReader reader = journal_->read(0);;) {
        TRY(auto found, reader.next());
        if (!found) return {};
        auto record = decode_versioned<CopyRecord>(found->payload, copy_version, "directory_copy");
        if (!record)
            return fail(ErrorClass::Invalid, "directory_copy_corrupt",
                        "The copy of the merchants was written by another version of Holdfast; "
                        "remove it, it is made anew.");
        switch (record->kind) {
            case CopyRecordKind::Begin:
                contents = {};
                count = 0;
                break;
            case CopyRecordKind::Account:
                ++count;
                contents.accounts.push_back(account_of(std::move(*record)));
                break;
            case CopyRecordKind::Key:
                ++count;
                contents.keys.push_back(key_of(std::move(*record)));
                break;
            case CopyRecordKind::Whole: // one whose beginning was released has fewer
                if (record->count == count) found_ = std::exchange(contents, {});
                break;
        }
    }
}

Result<void> DirectoryCopy::write(const DirectoryContents& contents) {
    const std::vector<std::string> records = records_of(contents);
    std::string digest = digest_of(records);
    if (digest == digest_) return {};
    TRY(const std::uint64_t begin, journal_->append(encode_versioned(copy_version, CopyRecord{})));
    for (const std::string& record : records) TRY_VOID(journal_->append(record));
    TRY_VOID(journal_->append(encode_versioned(
        copy_version, CopyRecord{.kind = CopyRecordKind::Whole, .count = records.size()})));
    TRY_VOID(journal_->sync());
    digest_ = std::move(digest);
    return journal_->release(begin - 1);
}

} // namespace holdfast::api
