#include "gateway/books_format.h"

#include "gateway/books.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

/// Books of three frames with one, three and two entries.
struct Sample {
    std::string file{books_magic};
    std::vector<std::size_t> ends{file.size()}; ///< of the magic and of each frame
    std::vector<std::string> entries;

    Sample() {
        std::uint8_t reference = 0;
        for (int count : {1, 3, 2}) {
            std::string payload;
            for (int i = 0; i < count; ++i) {
                Booking booking{.reference = Id<core::Operation>(Uuid{{++reference}}),
                                .amount = {100, {}},
                                .vault_token = "test_visa",
                                .metadata = {{"purchase_id", "p"}},
                                .approved = true};
                entries.push_back(encode(booking));
                append_entry(payload, booking);
            }
            file += frame_of(payload);
            ends.push_back(file.size());
        }
    }
};

struct Read {
    std::vector<std::string> entries;
    Result<std::size_t> good;

    explicit Read(std::string_view file)
        : good(read_books(file, [this](const BookEntry& entry) -> Result<void> {
              entries.push_back(encode(entry));
              return {};
          })) {}
};

TEST(BooksFormat, ReadsWhatItWrote) {
    Sample sample;
    Read read(sample.file);
    ASSERT_TRUE(read.good);
    EXPECT_EQ(*read.good, sample.file.size());
    EXPECT_EQ(read.entries, sample.entries);
}

TEST(BooksFormat, CutAtEveryByteItKeepsTheWholeFrames) {
    Sample sample;
    const std::vector<std::size_t> entries_before{0, 1, 4, 6};
    for (std::size_t size = 0; size <= sample.file.size(); ++size) {
        Read read(std::string_view(sample.file).substr(0, size));
        ASSERT_TRUE(read.good) << size;
        std::size_t frames = 0;
        while (frames + 1 < sample.ends.size() && sample.ends[frames + 1] <= size) ++frames;
        EXPECT_EQ(*read.good, size < books_magic.size() ? 0 : sample.ends[frames]) << size;
        EXPECT_EQ(read.entries.size(), entries_before[frames]) << size;
    }
}

TEST(BooksFormat, DamageBeforeGoodEntriesIsNeverCutOff) {
    Sample sample;
    for (std::size_t at = 0; at < sample.file.size(); ++at) {
        std::string damaged = sample.file;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        Read read(damaged);
        if (at < books_magic.size()) {
            EXPECT_EQ(read.good.error().code, "books_foreign") << at;
        } else if (at < sample.ends[2]) {
            EXPECT_EQ(read.good.error().code, "books_corrupt") << at;
        } else { // of the last frame we can't tell: it counts as torn
            ASSERT_TRUE(read.good) << at;
            EXPECT_EQ(*read.good, sample.ends[2]);
        }
    }
}

TEST(BooksFormat, ZerosAndRubbishBehindTheEndAreATornTail) {
    Sample sample;
    for (std::string tail :
         {std::string(5000, '\0'), std::string("BKFRBKFRBKFR"), std::string("x")}) {
        Read read(sample.file + tail);
        ASSERT_TRUE(read.good);
        EXPECT_EQ(*read.good, sample.file.size());
    }
}

TEST(BooksFormat, OtherFilesAreLeftAlone) {
    EXPECT_EQ(Read("#!/bin/sh\n").good.error().code, "books_foreign");
    EXPECT_EQ(Read("HFBOOKS2").good.error().code, "books_foreign");
}

TEST(BooksFormat, RefusalOfAnEntryEndsTheReading) {
    Sample sample;
    Books books{[](const BookEntry&) {}};
    EXPECT_TRUE(read_books(sample.file, [&](const BookEntry& e) { return books.replay(e); }));
    auto twice = sample.file + sample.file.substr(books_magic.size());
    Books again{[](const BookEntry&) {}};
    EXPECT_EQ(read_books(twice, [&](const BookEntry& e) { return again.replay(e); }).error().code,
              "books_inconsistent");
}

} // namespace
} // namespace holdfast::gateway
