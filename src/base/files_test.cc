#include "base/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {
namespace {

class Files : public testing::Test {
  protected:
    Files() : folder_(testing::TempDir() + "holdfast-files-" + std::to_string(getpid())) {
        std::filesystem::create_directory(folder_);
    }
    ~Files() override { std::filesystem::remove_all(folder_); }
    std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
    std::string secret(std::string_view text, int mode) const {
        EXPECT_TRUE(write_file_durably(path("secret"), text, mode));
        return path("secret");
    }
    std::string folder_;
};

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

TEST_F(Files, AreReplacedWhole) {
    ASSERT_TRUE(write_file_durably(path("state"), "a long first text", 0640));
    ASSERT_TRUE(write_file_durably(path("state"), "second", 0600));
    EXPECT_EQ(*read_file(path("state")), "second");
    struct stat status{};
    ASSERT_EQ(stat(path("state").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_FALSE(std::filesystem::exists(path("state.new")));
    EXPECT_EQ(code_of(write_file_durably(path("absent/state"), "x", 0600)), "file_unwritable");
}

TEST_F(Files, AreRemovedIfThere) {
    ASSERT_TRUE(write_file_durably(path("mark"), "", 0600));
    for (int times = 0; times < 2; ++times) EXPECT_TRUE(remove_file_durably(path("mark")));
    EXPECT_FALSE(std::filesystem::exists(path("mark")));
    EXPECT_EQ(code_of(remove_file_durably(path("absent/mark"))), "file_unwritable");
}

TEST_F(Files, AreReadUpToALimit) {
    ASSERT_TRUE(write_file_durably(path("big"), std::string(10'000, 'x'), 0600));
    EXPECT_EQ(read_file(path("big"), 10'000)->size(), 10'000U);
    EXPECT_EQ(code_of(read_file(path("big"), 9'999)), "file_too_large");
    EXPECT_EQ(code_of(read_file(path("absent"))), "file_unreadable");
    EXPECT_EQ(code_of(read_file(folder_)), "file_unreadable");
}

TEST_F(Files, SecretsMustBePrivate) {
    EXPECT_EQ(read_secret_file(secret("s3cret \nsecond line\n", 0600))->reveal(), "s3cret ");
    EXPECT_EQ(read_secret_file(secret("x", 0400))->reveal(), "x");
    for (const int mode : {0640, 0604, 0602, 0610}) {
        EXPECT_EQ(code_of(read_secret_file(secret("x", mode))), "secret_file_exposed") << mode;
    }
    EXPECT_EQ(code_of(read_secret_file(secret("\nx", 0600))), "secret_file_empty");
    EXPECT_EQ(code_of(read_secret_file(folder_)), "file_unreadable");
    EXPECT_EQ(code_of(read_secret_file(path("absent"))), "file_unreadable");
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(code_of(read_secret_file(path("pipe"))), "file_unreadable");
}

} // namespace
} // namespace holdfast
