#include "base/journal_format.h"

#include "base/journal_files.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace holdfast {

static_assert(std::endian::native == std::endian::little, "segments are little-endian");

namespace {

constexpr std::string_view segment_magic = "HFJRNL";
constexpr std::string_view segment_version = "01";
constexpr std::string_view record_magic = "HFJR";
constexpr std::size_t header_fields_bytes = 64;
constexpr std::size_t header_crc_at = segment_header_bytes - sizeof(std::uint32_t);
constexpr std::size_t record_associated_bytes = 24;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t alignment = 32;
static_assert(sector_bytes % alignment == 0, "a header is in one sector, so it is never torn");
static_assert(record_header_bytes == alignment && segment_header_bytes % sector_bytes == 0);

template <class T> void put(std::string& out, std::size_t at, const T& value) {
    std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T> T get(std::string_view bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.substr(at, sizeof value).data(), sizeof value);
    return value;
}

bool blank(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

unsigned char* data_of(std::string& bytes, std::size_t at = 0) {
    return reinterpret_cast<unsigned char*>(bytes.data()) + at;
}
const unsigned char* data_of(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// What a segment's header says, without its proofs.
std::string fields_of(const SegmentHeader& header) {
    std::string fields(segment_magic);
    fields += segment_version;
    fields.resize(header_fields_bytes);
    put(fields, 8, header.number);
    put(fields, 16, header.first_sequence);
    put(fields, 24, header.key_id);
    put(fields, 32, header.salt);
    return fields;
}

Error corrupt_at(const std::string& name, std::size_t offset, std::string_view why) {
    return {.kind = ErrorClass::Io,
            .code = "journal_corrupt",
            .message = fmt::format("{} is damaged at byte {}: {}. What was acknowledged may be "
                                   "missing: restore the file, or set the journal aside and "
                                   "compare with the acquirer's books",
                                   name, offset, why)};
}

} // namespace

JournalKey::JournalKey(const SecretString& secret)
    : key_(secret.reveal()), id_(get<std::uint64_t>(chars(key_.sign("holdfast journal id")), 0)) {}

Secret<Digest> JournalKey::of_segment(const Salt& salt) const {
    return Secret<Digest>(key_.sign({"holdfast journal segment", chars(salt)}));
}

Digest JournalKey::mac_of_header(std::string_view header) const {
    return key_.sign({"holdfast journal header", header});
}

std::string encode_segment_header(const SegmentHeader& header, const JournalKey& key) {
    std::string page = fields_of(header);
    page += chars(key.mac_of_header(page));
    page.resize(header_crc_at, '\0');
    const std::uint32_t crc = crc32c(page);
    page.resize(segment_header_bytes);
    put(page, header_crc_at, crc);
    return page;
}

Result<SegmentHeader> decode_segment_header(const std::string& name, std::string_view segment,
                                            const JournalKey& key) {
    if (segment.size() < segment_header_bytes || !segment.starts_with(segment_magic))
        return fail(corrupt_at(name, 0, "this is no header of a segment"));
    if (get<std::uint32_t>(segment, header_crc_at) != crc32c(segment.substr(0, header_crc_at)))
        return fail(corrupt_at(name, 0, "the checksum of its header is wrong"));
    if (segment.substr(segment_magic.size(), segment_version.size()) != segment_version)
        return fail(ErrorClass::Invalid, "journal_version",
                    name + " was written by a newer version of Holdfast");
    const SegmentHeader header{.number = get<std::uint64_t>(segment, 8),
                               .first_sequence = get<std::uint64_t>(segment, 16),
                               .key_id = get<std::uint64_t>(segment, 24),
                               .salt = get<JournalKey::Salt>(segment, 32)};
    if (header.key_id != key.id())
        return fail(ErrorClass::Invalid, "journal_key_wrong",
                    name +
                        " was written under another key: give back the key file that the "
                        "journal was begun with");
    const Digest mac = key.mac_of_header(segment.substr(0, header_fields_bytes));
    if (!constant_time_equal(chars(mac), segment.substr(header_fields_bytes, mac.size())))
        return fail(corrupt_at(name, 0, "its header was not written with the key"));
    return header;
}

std::optional<RecordHeader> decode_record_header(std::string_view bytes) {
    if (!bytes.starts_with(record_magic) || bytes.size() < record_header_bytes) return std::nullopt;
    if (get<std::uint32_t>(bytes, 28) != crc32c(bytes.substr(0, 28))) return std::nullopt;
    return RecordHeader{.length = get<std::uint32_t>(bytes, 4),
                        .sequence = get<std::uint64_t>(bytes, 8),
                        .synced_through = get<std::uint64_t>(bytes, 16),
                        .body_crc = get<std::uint32_t>(bytes, 24)};
}

std::size_t record_bytes(std::size_t length) {
    return (record_header_bytes + length + tag_bytes + alignment - 1) / alignment * alignment;
}

void SegmentCipher::Free::operator()(evp_cipher_ctx_st* context) const {
    EVP_CIPHER_CTX_free(context); // wipes the key
}

SegmentCipher::SegmentCipher(const JournalKey& key, const SegmentHeader& header, Use use)
    : context_(EVP_CIPHER_CTX_new()), associated_(fields_of(header)) {
    const Secret<Digest> segment_key = key.of_segment(header.salt);
    CHECK(EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, segment_key.reveal().data(),
                            nullptr, use == Use::Seal ? 1 : 0) == 1);
}

void SegmentCipher::begin(std::uint64_t sequence, std::string_view record) {
    std::array<unsigned char, 12> nonce{};
    std::memcpy(nonce.data(), &sequence, sizeof sequence);
    constexpr int same_direction = -1;
    CHECK(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(),
                            same_direction) == 1);
    int taken = 0;
    for (std::string_view part :
         {std::string_view(associated_), record.substr(0, record_associated_bytes)}) {
        CHECK(EVP_CipherUpdate(context_.get(), nullptr, &taken, data_of(part),
                               static_cast<int>(part.size())) == 1);
    }
}

std::string SegmentCipher::seal(std::uint64_t sequence, std::uint64_t synced_through,
                                std::string_view payload) {
    std::string record(record_bytes(payload.size()), '\0');
    record_magic.copy(record.data(), record_magic.size());
    put(record, 4, static_cast<std::uint32_t>(payload.size()));
    put(record, 8, sequence);
    put(record, 16, synced_through);
    payload.copy(record.data() + record_header_bytes, payload.size());
    begin(sequence, record);
    const std::size_t sealed = record.size() - record_header_bytes - tag_bytes;
    unsigned char* body = data_of(record, record_header_bytes); // sealed in place
    int written = 0;
    CHECK(EVP_CipherUpdate(context_.get(), body, &written, body, static_cast<int>(sealed)) == 1);
    CHECK(static_cast<std::size_t>(written) == sealed);
    CHECK(EVP_CipherFinal_ex(context_.get(), body + sealed, &written) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes, body + sealed) ==
          1);
    put(record, 24, crc32c(std::string_view(record).substr(record_header_bytes)));
    put(record, 28, crc32c(std::string_view(record).substr(0, 28)));
    return record;
}

std::optional<std::string> SegmentCipher::open(std::string_view record,
                                               const RecordHeader& header) {
    std::string tag(record.substr(record.size() - tag_bytes));
    const std::string_view sealed =
        record.substr(record_header_bytes, record.size() - record_header_bytes - tag_bytes);
    begin(header.sequence, record);
    std::string payload(sealed.size(), '\0');
    int written = 0;
    CHECK(EVP_CipherUpdate(context_.get(), data_of(payload), &written, data_of(sealed),
                           static_cast<int>(sealed.size())) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag.data()) == 1);
    std::array<unsigned char, tag_bytes> nothing;
    if (EVP_CipherFinal_ex(context_.get(), nothing.data(), &written) != 1) return std::nullopt;
    payload.resize(header.length); // the rest is padding
    return payload;
}

Result<SegmentReader> SegmentReader::open(std::string name, std::string segment,
                                          const JournalKey& key) {
    TRY(SegmentHeader header, decode_segment_header(name, segment, key));
    return SegmentReader(std::move(name), std::move(segment), header, key);
}

SegmentReader::SegmentReader(std::string name, std::string segment, SegmentHeader header,
                             const JournalKey& key)
    : name_(std::move(name)),
      segment_(std::move(segment)),
      header_(header),
      cipher_(key, header, SegmentCipher::Use::Open),
      next_sequence_(header.first_sequence) {}

Result<std::optional<JournalRecord>> SegmentReader::next() {
    JournalRecord record;
    switch (at_end() ? Found::Nothing : look(record)) {
        case Found::Record: return std::optional(std::move(record));
        case Found::Damage: return fail(corrupt("no crash leaves this"));
        case Found::Nothing: break;
    }
    if (was_synced()) return fail(corrupt("a record that was synced is missing"));
    return std::optional<JournalRecord>();
}

SegmentReader::Found SegmentReader::look(JournalRecord& record) {
    const std::string_view rest = std::string_view(segment_).substr(offset_);
    if (blank(rest.substr(0, record_header_bytes))) return Found::Nothing;
    const auto header = decode_record_header(rest);
    if (!header || header->sequence != next_sequence_ ||
        header->synced_through >= header->sequence || header->length > journal_record_bytes_max)
        return Found::Damage;
    const std::size_t size = record_bytes(header->length);
    if (size > rest.size()) return Found::Damage;
    const std::string_view bytes = rest.substr(0, size);
    if (crc32c(bytes.substr(record_header_bytes)) != header->body_crc)
        return lost_a_sector(size) ? Found::Nothing : Found::Damage;
    auto payload = cipher_.open(bytes, *header);
    if (!payload) return Found::Damage;
    record = {.sequence = next_sequence_++, .payload = std::move(*payload)};
    offset_ += size;
    return Found::Record;
}

/// True when the share of some sector in the record at offset_ was never written.
bool SegmentReader::lost_a_sector(std::size_t size) const {
    for (std::size_t at = offset_; at < offset_ + size;) {
        const std::size_t end =
            std::min(at / sector_bytes * sector_bytes + sector_bytes, offset_ + size);
        if (blank(std::string_view(segment_).substr(at, end - at))) return true;
        at = end;
    }
    return false;
}

/// True when a record behind the offset proves that the one at the offset was durable.
bool SegmentReader::was_synced() const {
    const std::string_view segment = segment_;
    for (std::size_t at = offset_ + alignment; at < segment.size(); at += alignment) {
        const auto header = decode_record_header(segment.substr(at));
        if (header && header->synced_through >= next_sequence_) return true;
    }
    return false;
}

std::size_t SegmentReader::torn_bytes() const {
    const std::size_t last = segment_.find_last_not_of('\0');
    return last == segment_.npos || last < offset_ ? 0 : last + 1 - offset_;
}

Error SegmentReader::corrupt(std::string_view why) const { return corrupt_at(name_, offset_, why); }

} // namespace holdfast
