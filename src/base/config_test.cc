#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr ConfigKey schema[] = {
    {.name = "db.pool_max",
     .type = ConfigType::Integer,
     .fallback = "16",
     .min = 2,
     .max = 500,
     .unit = "connections",
     .doc = "Most connections of one process.",
     .reloadable = true},
    {.name = "db.lock_timeout",
     .type = ConfigType::Integer,
     .fallback = "100",
     .max = 5000,
     .unit = "ms",
     .doc = "Longest wait for a lock."},
    {.name = "db.url", .fallback = "postgresql://", .doc = "Where the database is."},
    {.name = "log.level",
     .type = ConfigType::Choice,
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .doc = "What is written.",
     .reloadable = true},
    {.name = "api.test_cards",
     .type = ConfigType::Boolean,
     .fallback = "true",
     .doc = "Whether built-in cards work."},
    {.name = "api.id_secret_file", .type = ConfigType::SecretFile, .doc = "Key of all ids."},
};

class ConfigFiles : public testing::Test {
  protected:
    ConfigFiles() : folder_(testing::TempDir() + "holdfast-config-" + std::to_string(getpid())) {
        std::filesystem::create_directory(folder_);
    }
    ~ConfigFiles() override { std::filesystem::remove_all(folder_); }
    std::string write(std::string_view name, std::string_view content, int mode = 0600) {
        const std::string path = folder_ + "/" + std::string(name);
        std::ofstream(path) << content;
        std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
        return path;
    }
    std::string folder_;
};

Error error_of(const ConfigSources& sources) {
    auto config = Config::load(schema, sources);
    EXPECT_FALSE(config);
    return config ? Error{} : config.error();
}

TEST_F(ConfigFiles, StrongerSourcesWin) {
    ConfigSources sources;
    sources.file_path = write("holdfast.toml",
                              "[db]\npool_max = 1_00\nlock_timeout = 7\n"
                              "[log]\nlevel = \"warn\"\n[api]\ntest_cards = false\n");
    sources.environment = {{"HOLDFAST_DB_POOL_MAX", "50"}, {"HOLDFAST_LOG_LEVEL", "error"}};
    sources.flags = {{"db.pool_max", "30"}};
    auto config = Config::load(schema, sources);
    ASSERT_TRUE(config) << config.error().message;

    EXPECT_EQ(config->integer("db.pool_max"), 30);
    EXPECT_EQ(config->origin("db.pool_max").where, "--db-pool-max");
    EXPECT_EQ(config->text("log.level"), "error");
    EXPECT_EQ(config->origin("log.level").where, "HOLDFAST_LOG_LEVEL");
    EXPECT_EQ(config->duration("db.lock_timeout"), std::chrono::milliseconds(7));
    EXPECT_EQ(config->origin("db.lock_timeout").where, sources.file_path + ":3");
    EXPECT_FALSE(config->boolean("api.test_cards"));
    EXPECT_EQ(config->text("db.url"), "postgresql://");
    EXPECT_TRUE(config->is_default("db.url"));
    EXPECT_THAT(config->table(), HasSubstr("db.pool_max         30 connections  --db-pool-max\n"));
    EXPECT_THAT(config->table(), HasSubstr("db.url              postgresql://   default\n"));
}

TEST(Config, UnknownKeysGetASuggestion) {
    auto error = error_of({.flags = {{"db.pol_max", "1"}}});
    EXPECT_EQ(error.code, "config_unknown_key");
    EXPECT_THAT(error.message, HasSubstr("db.pol_max. Did you mean db.pool_max?"));
    EXPECT_THAT(error_of({.environment = {{"HOLDFAST_DB_POOLMAX", "1"}}}).message,
                HasSubstr("Did you mean HOLDFAST_DB_POOL_MAX?"));
    EXPECT_THAT(error_of({.flags = {{"zzz", "1"}}}).message, testing::EndsWith("setting zzz."));
}

TEST(Config, ReportsAllProblemsAtOnce) {
    auto error = error_of({.flags = {{"db.pool_max", "1"}, {"log.level", "loud"}, {"nope", ""}}});
    EXPECT_EQ(error.kind, ErrorClass::Invalid);
    EXPECT_EQ(error.code, "config_invalid_value");
    EXPECT_EQ(error.message,
              "--db-pool-max: db.pool_max must be 2 to 500 connections, not '1'.\n"
              "--log-level: log.level must be one of debug|info|warn|error, not 'loud'.\n"
              "command line: there is no setting nope.");
}

TEST(Config, RefusesWhatATypeCannotHold) {
    for (const auto& [key, text] :
         {std::pair("db.pool_max", ""), std::pair("db.pool_max", "0x10"),
          std::pair("db.pool_max", "5 "), std::pair("db.pool_max", "501"),
          std::pair("db.pool_max", "99999999999999999999"), std::pair("db.lock_timeout", "-1"),
          std::pair("db.lock_timeout", "1.5"), std::pair("api.test_cards", "yes")}) {
        EXPECT_EQ(error_of({.flags = {{key, text}}}).code, "config_invalid_value") << key << text;
    }
}

TEST_F(ConfigFiles, FilesAreStrict) {
    const auto code_of = [this](std::string_view content) {
        return error_of({.file_path = write("x.toml", content)}).code;
    };
    EXPECT_EQ(code_of("[db]\npool_max = \"16\"\n"), "config_invalid_value");
    EXPECT_EQ(code_of("[db]\nurl = 5\n"), "config_invalid_value");
    EXPECT_EQ(code_of("[db]\npool_max = 16.0\n"), "config_file");
    EXPECT_EQ(code_of("[db]\nurl = [\"a\"]\n"), "config_file");
    EXPECT_EQ(code_of("[db\n"), "config_file");
    EXPECT_EQ(code_of("[db]\npool = 1\n"), "config_unknown_key");
    EXPECT_EQ(code_of("pool_max = 1\n"), "config_unknown_key");
    EXPECT_EQ(error_of({.file_path = folder_ + "/absent.toml"}).code, "config_file");
    EXPECT_THAT(error_of({.file_path = write("y.toml", "\n\n[db]\nurl = 5\n")}).message,
                HasSubstr("y.toml:4: db.url must be a text"));
}

TEST_F(ConfigFiles, ReloadAppliesWhatItMay) {
    ConfigSources sources;
    auto config = *Config::load(schema, sources);
    sources.flags = {{"db.pool_max", "20"}, {"db.lock_timeout", "200"}};
    auto changes = config.reload(sources);
    ASSERT_TRUE(changes);
    EXPECT_THAT(changes->applied, ElementsAre("db.pool_max"));
    EXPECT_THAT(changes->need_restart, ElementsAre("db.lock_timeout"));
    EXPECT_EQ(config.integer("db.pool_max"), 20);
    EXPECT_EQ(config.integer("db.lock_timeout"), 100);
    EXPECT_TRUE(config.is_default("db.lock_timeout"));

    sources.flags["db.pool_max"] = "many";
    EXPECT_FALSE(config.reload(sources));
    EXPECT_EQ(config.integer("db.pool_max"), 20);
    sources.flags["db.pool_max"] = "20";
    sources.flags.erase("db.lock_timeout");
    changes = config.reload(sources);
    ASSERT_TRUE(changes);
    EXPECT_THAT(changes->applied, IsEmpty());
    EXPECT_THAT(changes->need_restart, IsEmpty());
}

TEST_F(ConfigFiles, SecretsComeFromPrivateFiles) {
    const auto read = [](const std::string& path) {
        return Config::load(schema, {.flags = {{"api.id_secret_file", path}}})
            ->secret("api.id_secret_file");
    };
    auto good = read(write("secret", "s3cret \n"));
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->reveal(), "s3cret ");
    EXPECT_EQ(read(write("open", "x", 0640)).error().code, "secret_file_exposed");
    EXPECT_EQ(read("").error().code, "secret_missing");
}

TEST(Config, DescribesItsKeys) {
    EXPECT_EQ(config_flag("db.pool_max"), "--db-pool-max");
    EXPECT_EQ(config_environment_name("db.pool_max"), "HOLDFAST_DB_POOL_MAX");
    EXPECT_THAT(
        config_reference(schema),
        HasSubstr("| `db.pool_max` | `16` | 2 to 500 connections | yes | Most connections of "
                  "one process. |\n"));
    EXPECT_THAT(config_reference(schema), HasSubstr("| debug, info, warn, error |"));
}

TEST(ConfigDeathTest, MistakesOfOursStopTheProcess) {
    auto config = *Config::load(schema, {});
    EXPECT_DEATH(config.integer("db.absent"), "db.absent");
    EXPECT_DEATH(config.integer("db.url"), "db.url");
    EXPECT_DEATH(config.duration("db.pool_max"), "db.pool_max");
    const auto load = [](ConfigKey key) { std::ignore = Config::load({&key, 1}, {}); };
    EXPECT_DEATH(load({.name = "a.key_file", .doc = "A path is a SecretFile."}), "a.key_file");
    EXPECT_DEATH(load({.name = "a.n", .type = ConfigType::Integer, .fallback = "", .doc = "N."}),
                 "a.n: its default must be an integer");
}

} // namespace
} // namespace holdfast
