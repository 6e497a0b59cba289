// The fixture itself: fresh databases, crash and recovery, nothing left behind.

#include "tests/support/pg_fixture.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace holdfast::test {
namespace {

TEST(PgFixture, GivesEachTestAFreshDatabase) {
    PgDatabase one;
    PgDatabase two;
    one.value("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    EXPECT_EQ(one.value("SELECT a FROM t"), "7");
    EXPECT_EQ(two.value("SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
    EXPECT_EQ(two.value("SHOW data_checksums"), "on");
    EXPECT_THROW(two.value("SELECT nothing"), std::runtime_error);
}

TEST(PgFixture, SurvivesACrash) {
    PgCluster cluster;
    PgDatabase database(cluster);
    database.value("CREATE TABLE t AS SELECT 1 AS a");
    cluster.kill();
    EXPECT_THROW(database.value("SELECT 1"), std::runtime_error);
    cluster.start();
    EXPECT_EQ(database.value("SELECT a FROM t"), "1");
}

TEST(PgFixture, ServersDieWithTheTest) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t test_process = ::fork();
    if (test_process == 0) {
        PgCluster cluster;
        const std::string pid =
            cluster.execute("SELECT pg_backend_pid()") + ":" + cluster.socket_directory();
        [[maybe_unused]] auto written = ::write(report[1], pid.data(), pid.size());
        ::raise(SIGKILL);
    }
    char text[256] = {};
    ASSERT_GT(::read(report[0], text, sizeof text - 1), 0);
    ::waitpid(test_process, nullptr, 0);
    ::close(report[0]);
    ::close(report[1]);
    const std::string directory = std::string(text).substr(std::string(text).find(':') + 1);
    const std::filesystem::path pid_file = directory + "/data/postmaster.pid";
    // The kernel sends SIGQUIT; the server removes its pid file as the last thing it does.
    for (int tries = 0; tries < 500 && std::filesystem::exists(pid_file); ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    EXPECT_FALSE(std::filesystem::exists(pid_file));
    PgCluster next;
    EXPECT_FALSE(std::filesystem::exists(directory));
}

} // namespace
} // namespace holdfast::test
