#include "base/journal_format.h"

#include "base/journal_files.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

const JournalKey key{SecretString(std::string("the secret of a journal"))};
const SegmentHeader header = {
    .number = 3, .first_sequence = 100, .key_id = key.id(), .salt = {1, 2, 3}};

/// A segment of these records, the rest zeros; each says that all before it were synced.
std::string segment_of(const std::vector<std::string>& payloads, std::size_t zeros = 0) {
    SegmentCipher cipher(key, header, SegmentCipher::Use::Seal);
    std::string segment = encode_segment_header(header, key);
    std::uint64_t sequence = header.first_sequence;
    for (const std::string& payload : payloads) {
        segment += cipher.seal(sequence, sequence - 1, payload);
        ++sequence;
    }
    return segment.append(zeros, '\0');
}

Result<std::vector<std::string>> read(std::string segment) {
    TRY(auto reader, SegmentReader::open("segment", std::move(segment), key));
    std::vector<std::string> payloads;
    while (true) {
        TRY(auto record, reader.next());
        if (!record) return payloads;
        payloads.push_back(std::move(record->payload));
    }
}

std::string with(std::string bytes, std::size_t at, std::string_view patch) {
    return bytes.replace(at, patch.size(), patch);
}

TEST(JournalFormat, IsReadBack) {
    std::vector<std::string> payloads = {"", "x", std::string(16, 'y'), std::string(17, '\0'),
                                         std::string(journal_record_bytes_max, 'z')};
    EXPECT_EQ(*read(segment_of(payloads)), payloads);
    EXPECT_EQ(*read(segment_of(payloads, 4096)), payloads);
    EXPECT_EQ(read(segment_of({}, 64))->size(), 0U);
    auto reader = SegmentReader::open("segment", segment_of({"a", "b"}, 32), key);
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->header().number, 3U);
    EXPECT_EQ((*reader->next())->sequence, 100U);
    EXPECT_EQ(reader->next_sequence(), 101U);
    EXPECT_EQ(reader->offset(), segment_header_bytes + record_bytes(1));
}

// The format is what older files have: a change of it needs a new version.
TEST(JournalFormat, StaysWhatItIs) {
    const std::string segment = segment_of({"abc"});
    EXPECT_EQ(to_hex(sha256(segment)),
              "415cd03a1439a3bdae680a7be06ded527539983479116ff753dc0bcfd33a9b60");
    EXPECT_EQ(record_bytes(0), 64U);
    EXPECT_EQ(record_bytes(16), 64U);
    EXPECT_EQ(record_bytes(17), 96U);
}

TEST(JournalFormat, HidesWhatItHolds) {
    const std::string segment = segment_of({std::string(100, 'q'), std::string(100, 'q')});
    EXPECT_EQ(segment.find("qq"), segment.npos);
    const auto body = [&segment](std::size_t index) {
        return segment.substr(segment_header_bytes + index * record_bytes(100) + 32, 100);
    };
    EXPECT_NE(body(0), body(1));
}

TEST(JournalFormat, SegmentsHaveKeysOfTheirOwn) {
    SegmentHeader other = header;
    other.salt[31] ^= 1;
    SegmentCipher one(key, header, SegmentCipher::Use::Seal);
    SegmentCipher two(key, other, SegmentCipher::Use::Seal);
    const std::string sealed = one.seal(7, 6, "the same");
    EXPECT_NE(sealed, two.seal(7, 6, "the same"));
    SegmentCipher reader(key, other, SegmentCipher::Use::Open);
    EXPECT_FALSE(reader.open(sealed, *decode_record_header(sealed)));
}

TEST(JournalFormat, AnyFlippedBitIsDamage) {
    const std::string good = segment_of({"first", std::string(1'000, 'm'), "last"});
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        if (bit / 8 > 100 && bit / 8 < segment_header_bytes - 8) continue; // padding of the header
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
        ASSERT_EQ(code_of(read(std::move(bad))), "journal_corrupt") << bit;
    }
}

TEST(JournalFormat, WhoCanMakeChecksumsCanNotMakeRecords) {
    const std::string good = segment_of({"payload"});
    const auto forge = [&good](std::size_t at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        const auto put = [&bad](std::size_t where, std::string_view of) {
            const std::uint32_t crc = crc32c(of);
            bad.replace(where, 4, std::string(reinterpret_cast<const char*>(&crc), 4));
        };
        const std::string_view view = bad;
        const std::size_t record = segment_header_bytes;
        put(record - 4, view.substr(0, record - 4));
        put(record + 24, view.substr(record + 32));
        put(record + 28, view.substr(record, 28));
        return bad;
    };
    for (const std::size_t at : {8, 16, 32, 63, 64, 95}) { // header: number, sequence, salt, mac
        EXPECT_EQ(code_of(read(forge(at))), "journal_corrupt") << at;
    }
    for (const std::size_t at : {4, 16, 32, 63}) { // record: length, synced_through, body, tag
        EXPECT_EQ(code_of(read(forge(segment_header_bytes + at))), "journal_corrupt") << at;
    }
}

TEST(JournalFormat, ForeignOnesAreRefusedByName) {
    const std::string good = segment_of({"x"});
    EXPECT_EQ(code_of(SegmentReader::open("s", good, JournalKey(SecretString(std::string("?"))))),
              "journal_key_wrong");
    std::string newer = with(good, 6, "02");
    const std::uint32_t crc =
        crc32c(std::string_view(newer).substr(0, segment_header_bytes - sizeof crc));
    newer = with(newer, segment_header_bytes - sizeof crc,
                 {reinterpret_cast<const char*>(&crc), sizeof crc});
    EXPECT_EQ(code_of(read(newer)), "journal_version");
    EXPECT_EQ(code_of(read("HFJRNL01")), "journal_corrupt");
    EXPECT_EQ(code_of(read("")), "journal_corrupt");
}

TEST(JournalFormat, WhatACrashLeavesEndsIt) {
    const std::string zeros(sector_bytes, '\0');
    const std::string good = segment_of({std::string(2'000, 'a')}, 4096);
    const std::size_t end = segment_header_bytes + record_bytes(2'000);
    for (std::size_t at = segment_header_bytes; at < end; at += sector_bytes) {
        const auto torn = read(with(good, at, zeros));
        ASSERT_TRUE(torn) << at;
        EXPECT_EQ(torn->size(), 0U) << at;
    }
    // Half a sector is not what a crash leaves.
    EXPECT_EQ(code_of(read(with(good, segment_header_bytes + sector_bytes, zeros.substr(256)))),
              "journal_corrupt");
}

TEST(JournalFormat, AMissingRecordIsDamageOnlyWhereItWasSynced) {
    SegmentCipher cipher(key, header, SegmentCipher::Use::Seal);
    const std::string nothing(record_bytes(1), '\0');
    const std::string head = encode_segment_header(header, key);
    const std::string unsynced = head + nothing + cipher.seal(101, 99, "b");
    const std::string synced = head + nothing + cipher.seal(101, 100, "b");
    EXPECT_TRUE(read(unsynced));
    EXPECT_EQ(code_of(read(synced)), "journal_corrupt");
    auto reader = SegmentReader::open("segment", unsynced, key);
    ASSERT_TRUE(reader && reader->next());
    EXPECT_EQ(reader->offset(), segment_header_bytes);
    EXPECT_GT(reader->torn_bytes(), record_bytes(1));
    EXPECT_EQ(code_of(read(head + cipher.seal(101, 99, "out of order"))), "journal_corrupt");
}

} // namespace
} // namespace holdfast
