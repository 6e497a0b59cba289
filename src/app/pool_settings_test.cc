// Which pool settings hold: whoever dies in the middle of a trial, and after every restart.

#include "app/pool_settings.h"

#include "base/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include <unistd.h>

namespace holdfast::app {
namespace {

constexpr PoolSize usual{.min = 2, .max = 8}, larger{.min = 4, .max = 16}, tiny{.min = 1, .max = 2};
constexpr ProcessName canary{.pid = 100, .start_ticks = 1'000};
constexpr ProcessName command{.pid = 200, .start_ticks = 2'000};

PoolSettings trying() {
    return {.configured = usual,
            .trial = PoolTrial{.size = tiny,
                               .process = canary,
                               .conductor = command,
                               .lasts = std::chrono::seconds{30}}};
}

TEST(PoolSettings, ATrialHoldsInItsProcessWhileItsCommandLivesAndItsTimeLasts) {
    const TrialFacts well{.conductor_lives = true, .in_time = true};
    EXPECT_EQ(size_in_force(trying(), canary, well), tiny);
    EXPECT_EQ(size_in_force(trying(), {.pid = 101, .start_ticks = 1'000}, well), usual)
        << "another process";
    EXPECT_EQ(size_in_force(trying(), {.pid = 100, .start_ticks = 1'001}, well), usual)
        << "the canary died and its pid is another's";
    EXPECT_EQ(size_in_force(trying(), canary, {.conductor_lives = false, .in_time = true}), usual)
        << "the command died";
    EXPECT_EQ(size_in_force(trying(), canary, {.conductor_lives = true, .in_time = false}), usual)
        << "the command hangs";
    PoolSettings chosen = trying();
    chosen.chosen = larger;
    EXPECT_EQ(size_in_force(chosen, canary, {}), larger) << "what held before it";
}

TEST(PoolSettings, AChoiceHoldsUntilTheConfigurationSaysSomethingElse) {
    PoolSettings chosen = trying();
    chosen.chosen = larger;
    EXPECT_EQ(settled(chosen, usual), (PoolSettings{.configured = usual, .chosen = larger}))
        << "a restart keeps the choice and ends the trial";
    EXPECT_EQ(settled(chosen, tiny), (PoolSettings{.configured = tiny}));
    EXPECT_EQ(settled(chosen, larger), (PoolSettings{.configured = larger}));
    EXPECT_EQ(settled(settled(chosen, tiny), usual), (PoolSettings{.configured = usual}))
        << "and it does not come back";
}

TEST(PoolSettings, RefuseWhatTheConfigurationWouldRefuse) {
    EXPECT_TRUE(check_pool(usual));
    EXPECT_TRUE(check_pool({.min = 500, .max = 500}));
    for (const PoolSize bad : {PoolSize{.min = 0, .max = 8},
                               {.min = 1, .max = 1},
                               {.min = 9, .max = 8},
                               {.min = 1, .max = 501},
                               {.min = -1, .max = 2}})
        EXPECT_EQ(check_pool(bad).error().code, "config_invalid_value") << to_string(bad);
}

class PoolSettingsFile : public testing::Test {
  protected:
    PoolSettingsFile() {
        EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
        path_ = directory_ + "/pool.json";
    }
    ~PoolSettingsFile() override { std::filesystem::remove_all(directory_); }
    std::string code_of(std::string_view text) {
        EXPECT_TRUE(write_file_durably(path_, text, 0600));
        auto loaded = load_pool_settings(path_);
        return loaded ? "" : loaded.error().code;
    }
    std::string directory_ = testing::TempDir() + "pool-settings-XXXXXX";
    std::string path_;
    std::string said_;
    std::function<void(std::string_view)> say_ = [this](std::string_view text) { said_ += text; };
};

TEST_F(PoolSettingsFile, KeepsEverything) {
    EXPECT_EQ(load_pool_settings(path_).error().code, "pool_settings_missing");
    PoolSettings all = trying();
    all.chosen = larger;
    for (const PoolSettings& settings : {all, trying(), PoolSettings{.configured = usual}}) {
        ASSERT_TRUE(store_pool_settings(path_, settings));
        EXPECT_EQ(*load_pool_settings(path_), settings);
    }
}

TEST_F(PoolSettingsFile, WhatMakesNoSenseIsRefused) {
    for (const char* text :
         {"", "[]", "{}", R"({"configured":{"min":2}})", R"({"configured":{"min":9,"max":8}})",
          R"({"configured":{"min":2,"max":8},"chosen":{"min":0,"max":8}})",
          R"({"configured":{"min":2,"max":8},"trial":{"min":2,"max":8}})",
          R"({"configured":{"min":2,"max":8},"trial":{"min":2,"max":8,"lasts_ms":1,)"
          R"("process":{"pid":0,"start_ticks":1},"conductor":{"pid":1,"start_ticks":1}}})"})
        EXPECT_EQ(code_of(text), "pool_settings_invalid") << text;
}

TEST_F(PoolSettingsFile, IsSettledAtEachStartWhateverWasThere) {
    ASSERT_TRUE(settle_pool_settings(path_, usual, say_));
    EXPECT_EQ(*load_pool_settings(path_), (PoolSettings{.configured = usual}));
    EXPECT_EQ(said_, "");
    ASSERT_TRUE(store_pool_settings(path_, {.configured = usual, .chosen = larger}));
    ASSERT_TRUE(settle_pool_settings(path_, usual, say_));
    EXPECT_EQ(load_pool_settings(path_)->chosen, larger);
    EXPECT_NE(said_.find("as chosen at run time"), std::string::npos) << said_;
    said_.clear();
    ASSERT_TRUE(settle_pool_settings(path_, tiny, say_));
    EXPECT_EQ(*load_pool_settings(path_), (PoolSettings{.configured = tiny}));
    EXPECT_NE(said_.find("which ends"), std::string::npos) << said_;
    EXPECT_EQ(code_of("rubbish"), "pool_settings_invalid");
    ASSERT_TRUE(settle_pool_settings(path_, usual, say_));
    EXPECT_EQ(*load_pool_settings(path_), (PoolSettings{.configured = usual}));
}

} // namespace
} // namespace holdfast::app
