// A disk of a certain size: full and not, and seen by nobody but who mounted it.

#include "drill/limited_disk.h"

#include "base/files.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::drill {
namespace {

enum End { AsItShould = 0, NotAllowed = 1, NotMounted, NotLaid, NotFull, StillTaken, NotFreed };

/// What the child found; it has mounts of its own.
End use_a_disk(const std::string& directory) {
    if (!LimitedDisk::enter_own_mounts()) return NotAllowed;
    auto disk = LimitedDisk::mount(directory + "/disk", 1 << 20);
    if (!disk) return NotMounted;
    const std::string target = directory + "/data/inner";
    if (!(*disk)->lay("inner", target, {})) return NotLaid;
    for (int i = 0; i < 100; ++i)
        if ((*disk)->fill_more().value_or(false)) break;
    if ((*disk)->free_bytes().value_or(1) != 0) return NotFull;
    const std::string page(4096, 'x');
    if (write_file_durably(target + "/file", page, 0600)) return StillTaken;
    if (!(*disk)->clear() || !write_file_durably(target + "/file", page, 0600)) return NotFreed;
    return AsItShould;
}

TEST(LimitedDisk, IsFullUntilItIsClearedAndNobodyElseSeesIt) {
    std::string directory = "/tmp/hf-disk-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(use_a_disk(directory));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_TRUE(!std::filesystem::exists(directory + "/data/inner/file"));
    std::filesystem::remove_all(directory);
    EXPECT_FALSE(std::filesystem::exists(directory)) << "something is still mounted";
    if (WEXITSTATUS(status) == NotAllowed) GTEST_SKIP() << "neither root nor user namespaces";
    EXPECT_EQ(WEXITSTATUS(status), AsItShould);
}

} // namespace
} // namespace holdfast::drill
