#include "base/log.h"

#include "base/env.h"
#include "base/flight_recorder.h"
#include "base/log_ring.h"
#include "base/offload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

struct Thing {
    static constexpr std::string_view id_prefix = "thing_";
};

class LogFile : public testing::Test {
  protected:
    LogFile() {
        path_ = testing::TempDir() + "holdfast-log-" + std::to_string(getpid());
        std::filesystem::remove(path_);
    }
    ~LogFile() override {
        log::stop();
        std::filesystem::remove(path_);
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        std::ifstream in(path_);
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }
    std::string path_;
};

/// What one event looks like, through the recorder.
std::string recorded(log::Fields fields) {
    SimEnv env(1);
    env.install();
    log::debug("probe", fields);
    const std::string all = log::recorded_json();
    const std::size_t start = all.rfind("{\"time\"");
    return all.substr(start, all.size() - start - 1);
}

TEST(Log, WritesFieldsOfEveryKindAsJson) {
    Uuid id;
    id.bytes[15] = 62;
    EXPECT_EQ(recorded({log::request(id),
                        {"n", -5},
                        {"big", ~std::uint64_t{0}},
                        {"live", true},
                        {"thing", Id<Thing>(id)},
                        {"text", std::string("a\"b\n")}}),
              R"({"time":"2026-09-21T14:13:20.000000Z","level":"debug","event":"probe",)"
              R"("request":"req_0000000000000000000010","n":-5,"big":18446744073709551615,)"
              R"("live":true,"thing":"thing_0000000000000000000010","text":"a\"b\n"})");
}

TEST(Log, StaysJsonWhateverComes) {
    EXPECT_THAT(recorded({{"raw", std::string_view("a\0\xff\xc3\xa9", 5)}}),
                HasSubstr(R"("raw":"a\\x00\\xff\\xc3\\xa9"})"));
    const std::string cut = recorded({{"text", std::string(log::text_bytes_max + 1, 'x')}});
    EXPECT_THAT(cut, HasSubstr(std::string(log::text_bytes_max, 'x') + R"(","truncated":true})"));
    const std::string wide(log::text_bytes_max, '\x01'); // six bytes each when escaped
    const std::string line = recorded({{"fits", "x"}, {"wide", wide}, {"never", 1}});
    EXPECT_THAT(line, testing::EndsWith(R"("fits":"x","truncated":true})"));
    EXPECT_LE(line.size(), log::line_bytes_max);
}

TEST_F(LogFile, WritesWhatIsAtOrAboveTheLevel) {
    ASSERT_TRUE(log::start({.level = log::Level::Warn, .file = path_}));
    log::info("quiet");
    log::warn("loud", {{"n", 1}});
    log::set_level(log::Level::Debug);
    log::debug("details");
    log::flush();
    const auto written = lines();
    ASSERT_EQ(written.size(), 2U);
    EXPECT_THAT(written[0],
                ContainsRegex(R"(^\{"time":"20[^"]*Z","level":"warn","event":"loud","n":1\}$)"));
    EXPECT_THAT(written[1], HasSubstr("details"));
    EXPECT_THAT(log::recorded_json(), HasSubstr("quiet"));
}

TEST_F(LogFile, WritesNothingUnderASimulatedClock) {
    ASSERT_TRUE(log::start({.file = path_}));
    {
        SimEnv env(1);
        env.install();
        log::error("simulated");
    }
    log::flush();
    EXPECT_TRUE(lines().empty());
    EXPECT_THAT(log::recorded_json(), HasSubstr("simulated"));
}

TEST_F(LogFile, KeepsEachThreadsOrderAndLosesNothing) {
    constexpr int threads = 3, each = 400;
    ASSERT_TRUE(log::start({.file = path_}));
    {
        Offload offload({.threads = threads});
        for (int t = 0; t < threads; ++t) {
            ASSERT_TRUE(offload.run(
                [t] {
                    for (int i = 0; i < each; ++i) log::info("tick", {{"t", t}, {"i", i}});
                },
                [] {}));
        }
    }
    log::flush();
    std::array<int, threads> next{};
    for (const std::string& line : lines()) {
        int t = -1, i = -1;
        ASSERT_EQ(std::sscanf(line.c_str() + line.find("\"t\":"), "\"t\":%d,\"i\":%d}", &t, &i), 2);
        EXPECT_EQ(i, next.at(static_cast<std::size_t>(t))++);
    }
    EXPECT_THAT(next, testing::Each(each));
}

struct Reader { ///< closed before the log is stopped, else its writer would wait for us
    int descriptor;
    ~Reader() { close(descriptor); }
};

TEST_F(LogFile, DropsAndCountsInsteadOfWaiting) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    const Reader reader{open(path_.c_str(), O_RDONLY | O_NONBLOCK)};
    ASSERT_TRUE(log::start({.file = path_})); // a pipe holds 64 KiB, then the writer is stuck
    const auto before = log::dropped_lines();
    constexpr int lines_logged = 2 * log::ring_lines;
    const std::string padding(200, '.');
    for (int i = 0; i < lines_logged; ++i) log::info("flood", {{"padding", padding}});
    const auto dropped = log::dropped_lines() - before;
    ASSERT_GT(dropped, 0U);

    std::string read_back;
    log::info("after"); // dropped as well, or not: it depends on the writer
    std::array<char, 65536> buffer;
    while (!read_back.contains("log_lines_dropped")) {
        const ssize_t n = read(reader.descriptor, buffer.data(), buffer.size());
        if (n > 0) read_back.append(buffer.data(), static_cast<std::size_t>(n));
    }
    EXPECT_THAT(read_back, ContainsRegex(R"("event":"log_lines_dropped","lines":[1-9])"));
}

TEST_F(LogFile, OpensItsFileAnewAfterRotation) {
    ASSERT_TRUE(log::start({.file = path_}));
    log::info("first");
    log::flush();
    const std::string rotated = path_ + ".1";
    std::filesystem::rename(path_, rotated);
    log::reopen();
    while (!std::filesystem::exists(path_)) {
        log::info("second");
        log::flush();
    }
    log::info("third");
    log::flush();
    EXPECT_THAT(lines().back(), HasSubstr("third"));
    std::filesystem::remove(rotated);
}

TEST_F(LogFile, SaysWhyAFileCannotBeOpened) {
    auto started = log::start({.file = "/nonexistent/holdfast.log"});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, "log_file");
}

using LogDeathTest = LogFile;

TEST_F(LogDeathTest, AFailedCheckLeavesTheRecorderBehind) {
    const auto fail_check = [this] {
        std::ignore = log::start({.file = "/dev/null", .crash_file = path_});
        log::debug("last_words", {{"n", 7}});
        CHECK_MSG(path_.empty(), "as arranged");
    };
    EXPECT_DEATH(fail_check(), "as arranged");
    std::ostringstream dump;
    dump << std::ifstream(path_).rdbuf();
    EXPECT_THAT(dump.str(), ContainsRegex(R"(^\[\{"time")"));
    EXPECT_THAT(dump.str(), HasSubstr(R"("event":"last_words","n":7})"));
    EXPECT_THAT(dump.str(), HasSubstr(R"("event":"check_failed","what":"CHECK failed: path_)"));
    EXPECT_THAT(dump.str(), testing::EndsWith("as arranged\"}]\n"));
}

TEST_F(LogDeathTest, AnAbortDoesToo) {
    const auto abort_now = [this] {
        std::ignore = log::start({.file = "/dev/null", .crash_file = path_});
        log::debug("last_words");
        std::abort();
    };
    EXPECT_EXIT(abort_now(), testing::KilledBySignal(SIGABRT), "");
    EXPECT_GT(std::filesystem::file_size(path_), 50U);
}

TEST(FlightRecorder, KeepsTheLastInOrder) {
    FlightRecorder recorder(3);
    EXPECT_EQ(recorder.json(), "[]");
    recorder.add("{\"n\":1}");
    recorder.add("{\"n\":2}");
    EXPECT_EQ(recorder.json(), "[{\"n\":1},\n{\"n\":2}]");
    for (int n = 3; n <= 7; ++n) recorder.add("{\"n\":" + std::to_string(n) + "}");
    EXPECT_EQ(recorder.json(), "[{\"n\":5},\n{\"n\":6},\n{\"n\":7}]");
    EXPECT_EQ(recorder.missed(), 0U);
}

TEST(LogRing, IsFullAtItsCapacityAndGoesRound) {
    LogRing ring(4);
    std::string line;
    EXPECT_FALSE(ring.pop(line));
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 4; ++i) {
            line = std::to_string(round * 10 + i);
            EXPECT_TRUE(ring.push(line));
        }
        line = "over";
        EXPECT_FALSE(ring.push(line));
        for (int i = 0; i < 4; ++i) {
            ASSERT_TRUE(ring.pop(line));
            EXPECT_EQ(line, std::to_string(round * 10 + i));
        }
        EXPECT_FALSE(ring.pop(line));
    }
    EXPECT_EQ(ring.pushed(), 12U);
}

TEST(LogLevel, ParsesItsNames) {
    EXPECT_EQ(log::parse_level("warn"), log::Level::Warn);
    EXPECT_EQ(log::parse_level(to_string(log::Level::Debug)), log::Level::Debug);
    EXPECT_FALSE(log::parse_level("loud"));
}

} // namespace
} // namespace holdfast
