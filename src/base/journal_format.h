#pragma once

// The segment files of a Journal (journal.h), as bytes. Pure; journal_files.h does the I/O.
//
// A segment is one page of header and then records, without gaps, each beginning at a multiple of
// 32 bytes; the rest of the file is zeros. All integers are little-endian.
//
//   header   0 "HFJRNL01" | 8 number u64 | 16 first_sequence u64 | 24 key_id u64 | 32 salt[32]
//            | 64 mac[32]: HMAC-SHA256 of what is before it | zeros | 4092 crc u32, of all before
//            it
//   record   0 "HFJR" | 4 length u32 | 8 sequence u64 | 16 synced_through u64
//            | 24 body_crc u32 | 28 header_crc u32, of the 28 bytes before it
//            | 32 body: the payload, padded with zeros, sealed, and the 16 bytes of its tag
//
// Sealed is AES-256-GCM (NIST SP 800-38D) under a key of the segment, HMAC-SHA256(journal key,
// salt); nonce is the sequence. The salt is random and a segment is appended to by one process
// only, in one life of it, so that no pair of key and nonce is ever used for two contents: not even
// when the end of a segment was lost in a crash and its sequences are given again, in the next
// segment. Associated data: the header's first 64 bytes and the record's first 24. Checksums are
// CRC-32C; they tell damage without the key, and cheaply.
//
// Where reading ends. A crash leaves some of the sectors that were not synced, and zeros for the
// others (journal_files.h). So at the place where a good record is missing:
//   - zeros instead of its header, or instead of a whole sector's share of its body: it was lost
//     unsynced. No share of a body that was written is all zeros, because each holds 32 bytes of
//     cipher or tag. Reading ends here, and what is behind is torn.
//   - anything else is damage, since no crash does that: an error.
//   - unless a record behind it says that this one was synced (synced_through): damage, too.
// The one thing that can't be told is a disk that forgets the last synced sectors as a whole, or a
// copy of the directory from yesterday: nothing in the directory knows better.
//
// Limits: journal_record_bytes_max, segment_bytes_max.
// Errors: Io "journal_corrupt" names the file and the offset; Invalid "journal_version", written by
// a newer Holdfast; Invalid "journal_key_wrong", written under another key.

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_cipher_ctx_st; // of OpenSSL

namespace holdfast {

inline constexpr std::size_t journal_record_bytes_max = 64 << 10;
inline constexpr std::size_t segment_bytes_max = 64 << 20;
inline constexpr std::size_t segment_header_bytes = 4096;
inline constexpr std::size_t record_header_bytes = 32;

struct JournalRecord {
    std::uint64_t sequence = 0;
    std::string payload;
};

/// What a secret file becomes: keys for segments and their headers, and a name to recognize it by.
class JournalKey {
  public:
    using Salt = std::array<std::uint8_t, 32>;

    explicit JournalKey(const SecretString& secret);
    std::uint64_t id() const { return id_; }
    Secret<Digest> of_segment(const Salt& salt) const;
    Digest mac_of_header(std::string_view header) const;

  private:
    HmacKey key_;
    std::uint64_t id_;
};

struct SegmentHeader {
    std::uint64_t number = 0;
    std::uint64_t first_sequence = 0;
    std::uint64_t key_id = 0;
    JournalKey::Salt salt{};
};

/// segment_header_bytes.
std::string encode_segment_header(const SegmentHeader& header, const JournalKey& key);
Result<SegmentHeader> decode_segment_header(const std::string& name, std::string_view segment,
                                            const JournalKey& key);

struct RecordHeader {
    std::uint32_t length = 0; ///< of the payload
    std::uint64_t sequence = 0;
    std::uint64_t synced_through = 0; ///< known to be durable when this record was appended
    std::uint32_t body_crc = 0;
};

/// Empty when these record_header_bytes are none.
std::optional<RecordHeader> decode_record_header(std::string_view bytes);

/// What a payload of that length takes in a segment.
std::size_t record_bytes(std::size_t length);

/// Seals or opens the records of one segment.
class SegmentCipher {
  public:
    enum class Use : std::uint8_t { Seal, Open };

    SegmentCipher(const JournalKey& key, const SegmentHeader& header, Use use);

    /// The record whole. Each sequence once!
    std::string seal(std::uint64_t sequence, std::uint64_t synced_through,
                     std::string_view payload);
    /// The payload of a record, or empty when it was not sealed by seal().
    std::optional<std::string> open(std::string_view record, const RecordHeader& header);

  private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    void begin(std::uint64_t sequence, std::string_view record);

    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
    std::string associated_; ///< of the segment's header
};

/// Reads one segment from its beginning.
class SegmentReader {
  public:
    static Result<SegmentReader> open(std::string name, std::string segment, const JournalKey& key);

    const SegmentHeader& header() const { return header_; }
    /// The next record; empty at the end of the file, and where records end before that.
    Result<std::optional<JournalRecord>> next();

    std::uint64_t next_sequence() const { return next_sequence_; }
    std::size_t offset() const { return offset_; } ///< behind the last good record
    bool at_end() const { return offset_ == segment_.size(); }
    /// What was written behind the last good record, up to the last byte that is not zero.
    std::size_t torn_bytes() const;
    Error corrupt(std::string_view why) const; ///< at the offset

  private:
    enum class Found : std::uint8_t { Record, Nothing, Damage };

    SegmentReader(std::string name, std::string segment, SegmentHeader header,
                  const JournalKey& key);
    Found look(JournalRecord& record);
    bool lost_a_sector(std::size_t size) const;
    bool was_synced() const;

    std::string name_;
    std::string segment_;
    SegmentHeader header_;
    SegmentCipher cipher_;
    std::uint64_t next_sequence_;
    std::size_t offset_ = segment_header_bytes;
};

} // namespace holdfast
