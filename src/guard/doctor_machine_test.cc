#include "guard/doctor_machine.h"

#include "guard/doctor_patroni.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace holdfast::guard {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A machine of files, removed at the end.
class DoctorMachine : public testing::Test {
  protected:
    DoctorMachine() {
        std::string path = testing::TempDir() + "doctor-XXXXXX";
        root_ = ::mkdtemp(path.data());
    }
    ~DoctorMachine() override { fs::remove_all(root_); }

    void write(const std::string& path, std::string_view text) {
        const fs::path file = root_ / path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    fs::path root_;
};

TEST_F(DoctorMachine, LogindIsReadWhereSystemdRuns) {
    write("etc/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
    EXPECT_EQ(find_logind_removes_ipc(root_), std::nullopt) << "systemd does not run";
    fs::create_directories(root_ / "run/systemd/system");
    EXPECT_EQ(find_logind_removes_ipc(root_), false);
    write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
    EXPECT_EQ(find_logind_removes_ipc(root_), true) << "the default";
}

TEST_F(DoctorMachine, TheLastDropInByNameWins) {
    fs::create_directories(root_ / "run/systemd/system");
    write("etc/systemd/logind.conf", "RemoveIPC=yes\n");
    write("etc/systemd/logind.conf.d/10-postgres.conf", "RemoveIPC=no\n");
    EXPECT_EQ(find_logind_removes_ipc(root_), false);
    write("usr/lib/systemd/logind.conf.d/20-vendor.conf", "RemoveIPC=yes\n");
    EXPECT_EQ(find_logind_removes_ipc(root_), true);
    write("etc/systemd/logind.conf.d/20-vendor.conf", "");
    EXPECT_EQ(find_logind_removes_ipc(root_), false) << "replaced by one of its name";
    write("etc/systemd/logind.conf.d/30-notes.txt", "RemoveIPC=yes\n");
    EXPECT_EQ(find_logind_removes_ipc(root_), false) << "not a .conf";
}

TEST(DoctorLogind, ValuesAreSystemdsBooleans) {
    EXPECT_EQ(parse_removes_ipc("RemoveIPC = off"), false);
    EXPECT_EQ(parse_removes_ipc("RemoveIPC=1"), true);
    EXPECT_EQ(parse_removes_ipc("RemoveIPC=no\nRemoveIPC=yes"), true);
    EXPECT_EQ(parse_removes_ipc(";RemoveIPC=yes\nKillUserProcesses=yes"), std::nullopt);
}

TEST_F(DoctorMachine, PatroniIsFoundByItsConfigurationAndAsksItselfForItsVersion) {
    EXPECT_FALSE(find_patroni(root_));
    write("etc/patroni/15-main.yml", "scope: shop\n  etcd3: no key of the first level\n");
    write("etc/patroni/dcs.yml", "# etcd3:\netcd3:\n  hosts: 10.0.0.1:2379\n");
    auto found = find_patroni(root_);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->etcd3);
    EXPECT_EQ(found->file, root_ / "etc/patroni/dcs.yml");
    EXPECT_EQ(found->version, "") << "its program is not there";

    write("usr/bin/patroni", "#!/bin/sh\necho \"patroni 3.0.2\"\n");
    fs::permissions(root_ / "usr/bin/patroni", fs::perms::owner_all);
    EXPECT_EQ(find_patroni(root_)->version, "3.0.2");
}

TEST(DoctorPatroni, KeysOfTheFirstLevel) {
    EXPECT_TRUE(has_top_level_key("a: 1\netcd3 :\n  host: x\n", "etcd3"));
    EXPECT_FALSE(has_top_level_key("etcd: x\n", "etcd3"));
    EXPECT_FALSE(has_top_level_key("etcd3_hosts: x\n", "etcd3"));
    EXPECT_FALSE(has_top_level_key("a:\n  etcd3: x\n", "etcd3"));
}

TEST(DoctorPatroni, ValuesOneLevelBelowAKey) {
    constexpr std::string_view yaml =
        "restapi:\n"
        "  # connect_address: 10.0.0.9:1\n"
        "  listen: 0.0.0.0:8008\n"
        "  connect_address: '10.0.0.1:8008'  # this node\n"
        "postgresql:\n"
        "  connect_address: 10.0.0.1:5432\n";
    EXPECT_EQ(yaml_value(yaml, "restapi", "connect_address"), "10.0.0.1:8008");
    EXPECT_EQ(yaml_value(yaml, "postgresql", "connect_address"), "10.0.0.1:5432");
    EXPECT_EQ(yaml_value(yaml, "restapi", "keyfile"), "");
    EXPECT_EQ(yaml_value(yaml, "rest", "listen"), "");
    EXPECT_EQ(yaml_value("listen: x\n", "restapi", "listen"), "");
}

TEST_F(DoctorMachine, PatronisFileSaysWhereItsNodeAnswers) {
    EXPECT_FALSE(read_patroni(root_ / "patroni.yml", root_));
    write("patroni.yml", "restapi:\n  connect_address: 10.0.0.1:8008\netcd:\n  hosts: a:2379\n");
    auto read = read_patroni(root_ / "patroni.yml", root_);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->api, "10.0.0.1:8008");
    EXPECT_FALSE(read->etcd3);
}

TEST(DoctorPatroni, WhatTheClusterHasAgreedOn) {
    auto agreed = parse_agreed(R"({"ttl":5,"synchronous_mode":true,"failsafe_mode":true,
                                   "primary_start_timeout":0})");
    ASSERT_TRUE(agreed);
    EXPECT_TRUE(agreed->synchronous);
    EXPECT_TRUE(agreed->failsafe);
    EXPECT_EQ(agreed->primary_start_timeout, 0s);
    agreed = parse_agreed("{}");
    ASSERT_TRUE(agreed) << "its defaults";
    EXPECT_FALSE(agreed->synchronous);
    EXPECT_FALSE(agreed->failsafe);
    EXPECT_EQ(agreed->primary_start_timeout, 300s);
    EXPECT_TRUE(parse_agreed(R"({"synchronous_mode":"on"})")->synchronous);
    EXPECT_EQ(parse_agreed(R"({"master_start_timeout":7})")->primary_start_timeout, 7s);
    EXPECT_FALSE(parse_agreed("502 Bad Gateway"));
}

TEST(DoctorPatroni, AddressesAreToldFromFiles) {
    EXPECT_TRUE(is_address("10.0.0.1:8008"));
    EXPECT_TRUE(is_address("db1:8008"));
    EXPECT_FALSE(is_address("/etc/patroni/a:1"));
    EXPECT_FALSE(is_address("patroni.yml"));
    EXPECT_FALSE(is_address("db1:"));
}

TEST_F(DoctorMachine, DirectoriesInMemoryAreToldFromThoseOnDisk) {
    auto in_memory = look_at_directory("/dev/shm");
    if (in_memory) {
        EXPECT_EQ(in_memory->filesystem, "tmpfs");
        EXPECT_TRUE(in_memory->volatile_memory());
    }
    auto here = look_at_directory(root_);
    ASSERT_TRUE(here);
    EXPECT_EQ(here->owner_uid, ::geteuid());
    auto proc = look_at_directory("/proc");
    ASSERT_TRUE(proc);
    EXPECT_FALSE(proc->volatile_memory());
    EXPECT_FALSE(look_at_directory(root_ / "missing"));
}

TEST(DoctorMachineSize, IsThatOfAMachine) {
    EXPECT_GE(cores_here(), 1);
    EXPECT_GE(memory_bytes_here(), std::int64_t{64} << 20);
}

TEST_F(DoctorMachine, CommandLogsAreJudgedByWhereTheyAreOrWillBe) {
    const CommandLogPlan plan{
        .directory = root_ / "data/command-log", .count = 2, .bytes_max = 100};
    auto to_be = look_at_command_logs(plan, ::geteuid());
    ASSERT_TRUE(to_be);
    EXPECT_EQ(to_be->directory.path, plan.directory);
    EXPECT_EQ(to_be->directory.device, look_at_directory(root_)->device);
    EXPECT_GT(to_be->directory.free_bytes, 0);
    EXPECT_TRUE(to_be->writable);
    EXPECT_EQ(to_be->to_grow(), 200);
    EXPECT_FALSE(fs::exists(root_ / "data"));

    write("data/command-log/pay-1/segment-1", std::string(30, 'x'));
    write("data/command-log/pay-2/segment-1", std::string(40, 'x'));
    EXPECT_EQ(look_at_command_logs(plan, ::geteuid())->to_grow(), 130);
    write("data/command-log/pay-2/segment-2", std::string(999, 'x'));
    EXPECT_EQ(look_at_command_logs(plan, ::geteuid())->to_grow(), 0);

    auto in_memory = look_at_command_logs({.directory = "/dev/shm/not/there"}, ::geteuid());
    ASSERT_TRUE(in_memory);
    EXPECT_EQ(in_memory->directory.filesystem, "tmpfs");
}

TEST(DoctorFacts, WhoMayWriteFollowsTheMode) {
    constexpr std::uint32_t owner = 1'000, other = 1'001;
    Directory directory{.path = "/d", .owner_uid = owner, .mode = 0700};
    EXPECT_TRUE(directory.writable_by(owner));
    EXPECT_FALSE(directory.writable_by(other));
    EXPECT_TRUE(directory.writable_by(0));
    directory.mode = 0570;
    EXPECT_FALSE(directory.writable_by(owner));
    EXPECT_TRUE(directory.writable_by(other)) << "if it is in the group";
    directory.mode = 0777;
    directory.read_only = true;
    EXPECT_FALSE(directory.writable_by(0));
}

} // namespace
} // namespace holdfast::guard
