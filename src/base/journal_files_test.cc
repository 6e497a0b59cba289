#include "base/journal_files.h"

#include "base/journal.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

class JournalDirectory : public testing::Test {
  protected:
    JournalDirectory()
        : folder_(testing::TempDir() + "holdfast-journal-" + std::to_string(getpid())) {}
    ~JournalDirectory() override { std::filesystem::remove_all(folder_); }

    struct stat status_of(const std::string& name) const {
        struct stat status{};
        EXPECT_EQ(stat((folder_ + "/" + name).c_str(), &status), 0) << name;
        return status;
    }
    Result<std::unique_ptr<Journal>> open() const {
        return Journal::open(journal_directory(folder_), SecretString(std::string("a secret")),
                             {.segment_bytes = segment_bytes_min, .bytes_max = 1 << 20});
    }

    std::string folder_;
};

TEST_F(JournalDirectory, ItsHolderIsKnownWithoutAskingTheLock) {
    EXPECT_FALSE(journal_holder(folder_));
    {
        auto journal = open();
        ASSERT_TRUE(journal) << to_string(journal.error());
        EXPECT_EQ(journal_holder(folder_), getpid());
    }
    EXPECT_FALSE(journal_holder(folder_)) << "the file is there, and nobody has it";
}

TEST_F(JournalDirectory, HoldsAJournal) {
    {
        auto journal = open();
        ASSERT_TRUE(journal) << to_string(journal.error());
        EXPECT_EQ(status_of("").st_mode & 0777, 0700U);
        for (int n = 1; n <= 9; ++n)
            ASSERT_TRUE((*journal)->append(std::string(20'000, static_cast<char>('a' + n))));
        ASSERT_TRUE((*journal)->sync());
        EXPECT_EQ((*journal)->stats().segments, 2U);
    } // not closed, as after kill -9
    EXPECT_EQ(status_of("segment-0000000000000002").st_mode & 0777, 0600U);
    auto journal = open();
    ASSERT_TRUE(journal) << to_string(journal.error());
    EXPECT_EQ((*journal)->recovery().records, 9U);
    EXPECT_FALSE((*journal)->recovery().cut);
    EXPECT_EQ(*(*journal)->append("ten"), 10U);
    auto reader = (*journal)->read(9);
    EXPECT_EQ((*reader.next())->payload, std::string(20'000, 'a' + 9));
    EXPECT_EQ((*reader.next())->payload, "ten");
    ASSERT_TRUE((*journal)->release(9));
    ASSERT_TRUE((*journal)->close());
    EXPECT_EQ(status_of("segment-0000000000000003").st_size,
              static_cast<off_t>(segment_header_bytes + record_bytes(3)));
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/segment-0000000000000001"));
}

TEST_F(JournalDirectory, AppendingNeedsNoSpaceAndNoMetadata) {
    auto journal = open();
    ASSERT_TRUE(journal);
    const auto before = status_of("segment-0000000000000001");
    EXPECT_EQ(before.st_size, static_cast<off_t>(segment_bytes_min));
    EXPECT_GE(before.st_blocks * 512, before.st_size); // nothing sparse
    ASSERT_TRUE((*journal)->append(std::string(60'000, 'x')));
    ASSERT_TRUE((*journal)->sync());
    const auto after = status_of("segment-0000000000000001");
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(after.st_blocks, before.st_blocks);
}

TEST_F(JournalDirectory, BelongsToOneProcess) {
    {
        const auto journal = open();
        ASSERT_TRUE(journal);
        const auto second = open();
        ASSERT_EQ(code_of(second), "journal_in_use");
        EXPECT_THAT(second.error().message, HasSubstr(fmt::format("process {} ", getpid())));
    }
    EXPECT_TRUE(open());
}

TEST_F(JournalDirectory, DamageIsNamed) {
    ASSERT_TRUE((*open())->append("record"));
    {
        std::fstream file(folder_ + "/segment-0000000000000001", std::ios::in | std::ios::out);
        file.seekp(segment_header_bytes + 40);
        file.put('!').put('?');
    }
    const auto opened = open();
    ASSERT_EQ(code_of(opened), "journal_corrupt");
    EXPECT_THAT(opened.error().message,
                HasSubstr("segment-0000000000000001 is damaged at byte 4096"));
}

TEST_F(JournalDirectory, AnswersWithErrorsNotMore) {
    EXPECT_EQ(code_of(journal_directory(folder_ + "/absent/deeper")->lock()), "journal_io");
    const auto files = journal_directory(folder_);
    EXPECT_EQ(code_of(files->names()), "journal_io");
    ASSERT_TRUE(files->lock());
    EXPECT_THAT(*files->names(), UnorderedElementsAre("lock"));
    EXPECT_EQ(code_of(files->read("absent", 10)), "journal_io");
    EXPECT_EQ(code_of(files->open("absent")), "journal_io");
    EXPECT_EQ(code_of(files->remove("absent")), "journal_io");
    EXPECT_EQ(code_of(files->rename("absent", "other")), "journal_io");
    ASSERT_TRUE(files->create("ten", 10));
    EXPECT_EQ(*files->read("ten", 10), std::string(10, '\0'));
    EXPECT_EQ(code_of(files->read("ten", 9)), "journal_io");
    // More than any disk has: refused as full, and nothing is left behind.
    const auto endless = files->create("endless", 1ULL << 60);
    EXPECT_TRUE(code_of(endless) == "journal_full" || code_of(endless) == "journal_io");
    EXPECT_THAT(*files->names(), UnorderedElementsAre("lock", "ten"));
}

} // namespace
} // namespace holdfast
