#include "base/subprocess.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <sched.h>

namespace holdfast {
namespace {

constexpr Duration patience = std::chrono::seconds{20};

TEST(Subprocess, RunReturnsOutputAndFailsWithTheTail) {
    auto ok = run({.argv = {"/bin/sh", "-c", "echo out; echo err >&2"}}, patience);
    ASSERT_TRUE(ok.has_value()) << to_string(ok.error());
    EXPECT_EQ(*ok, "out\nerr\n");

    auto bad = run({.argv = {"/bin/sh", "-c", "echo broken; exit 3"}}, patience);
    ASSERT_FALSE(bad.has_value());
    EXPECT_EQ(bad.error().code, "command_failed");
    EXPECT_NE(bad.error().message.find("broken"), std::string::npos);

    auto none = run({.argv = {"/nonexistent/program"}}, patience);
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error().code, "spawn_failed");
}

TEST(Subprocess, RunKillsWhatDoesNotEnd) {
    auto slow =
        run({.argv = {"/bin/sh", "-c", "sleep 1000 & sleep 1000"}}, std::chrono::milliseconds{50});
    ASSERT_FALSE(slow.has_value());
    EXPECT_EQ(slow.error().code, "command_timeout");
}

TEST(Subprocess, ASessionDiesWithItsChildren) {
    auto leader = spawn({.argv = {"/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"}});
    ASSERT_TRUE(leader.has_value()) << to_string(leader.error());
    EXPECT_TRUE(is_alive(*leader));
    while (family_members(*leader, "") < 3) ::sched_yield();
    ProcessName reused = *leader;
    reused.start_ticks += 1; // another process under the same pid
    EXPECT_FALSE(is_alive(reused));
    EXPECT_LE(family_members(reused, ""), 2); // the leader started before that, in a tick of 10 ms
    signal_family(*leader, "", SIGKILL);
    while (family_members(*leader, "") > 0) ::sched_yield();
    std::optional<Exit> exit;
    while (!(exit = reap_child())) ::sched_yield();
    EXPECT_EQ(exit->pid, leader->pid);
    EXPECT_EQ(exit->status, 128 + SIGKILL);
    EXPECT_FALSE(is_alive(*leader));
}

TEST(Subprocess, AFamilyIsFoundInOtherSessionsToo) {
    const std::string family = "subprocess_test:" + std::to_string(Env::current().pid());
    auto leader = spawn({.argv = {"/bin/sh", "-c", "setsid sleep 1000 & wait"}, .family = family});
    ASSERT_TRUE(leader.has_value()) << to_string(leader.error());
    // Two of the family, and one of them has left the session.
    while (family_members(*leader, family) < 2 || family_members(*leader, "") > 1) ::sched_yield();
    signal_family(*leader, "", SIGKILL); // the session alone
    while (is_alive(*leader)) ::sched_yield();
    EXPECT_EQ(family_members(*leader, ""), 0);
    EXPECT_EQ(family_members(*leader, family), 1);
    EXPECT_EQ(family_members({}, family), 1);
    signal_family(*leader, family, SIGKILL);
    while (family_members(*leader, family) > 0) ::sched_yield();
    while (!reap_child()) ::sched_yield();
}

TEST(Subprocess, FamiliesNest) {
    const std::string family = "subprocess_test:" + std::to_string(Env::current().pid());
    auto leader = spawn({.argv = {"/bin/sleep", "1000"}, .family = family + "//part"});
    ASSERT_TRUE(leader.has_value()) << to_string(leader.error());
    EXPECT_EQ(family_members({}, family), 1);
    EXPECT_EQ(family_members({}, family + "//part"), 1);
    EXPECT_EQ(family_members({}, family + "//other"), 0);
    EXPECT_EQ(family_members({}, family.substr(0, family.size() - 1)), 0);
    signal_family({}, family, SIGKILL);
    while (family_members({}, family) > 0) ::sched_yield();
    while (!reap_child()) ::sched_yield();
}

/// As a PostgreSQL backend is: another session, an environment without the family.
TEST(Subprocess, AServerIsKnownByTheDirectoryItWorksIn) {
    namespace fs = std::filesystem;
    std::string name = testing::TempDir() + "family-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    const fs::path data = fs::canonical(name);
    for (const char* directory : {"postgres-a", "postgres-ab"})
        fs::create_directory(data / directory);
    fs::copy_file("/bin/sleep", data / "postgres");
    const auto start = [&data](const std::string& program, const char* directory) {
        return spawn({.argv = {program, "1000"}, .working_directory = data / directory}).value();
    };
    const ProcessName backend = start(data / "postgres", "postgres-a");
    const ProcessName other = start(data / "postgres", "postgres-ab");
    const ProcessName somebody = start("/bin/sleep", "postgres-a"); // a person's, say
    EXPECT_EQ(family_members({}, data.string() + "//postgres-a"), 1);
    EXPECT_EQ(family_members({}, data.string()), 2);
    ::kill(backend.pid, SIGSTOP);
    while (signal_family({}, data.string() + "//postgres-a", SIGKILL) > 0) ::sched_yield();
    EXPECT_FALSE(is_alive(backend));
    EXPECT_TRUE(is_alive(other));
    EXPECT_TRUE(is_alive(somebody));
    for (const ProcessName& process : {other, somebody}) ::kill(process.pid, SIGKILL);
    for (int ended = 0; ended < 3;)
        if (reap_child()) ++ended;
    fs::remove_all(data);
}

TEST(Subprocess, TheEnvironmentIsMinimal) {
    auto seen = run({.argv = {"/usr/bin/env"}, .environment = {{"PGDATA", "/x"}}}, patience);
    ASSERT_TRUE(seen.has_value());
    EXPECT_NE(seen->find("PGDATA=/x"), std::string::npos);
    EXPECT_EQ(seen->find("HOME="), std::string::npos);
}

} // namespace
} // namespace holdfast
