// What load_settings() refuses beyond what each key allows by itself.

#include "app/settings.h"

#include <gtest/gtest.h>

namespace holdfast::app {
namespace {

TEST(Settings, RefuseAPoolWhoseMinimumIsAboveItsMaximum) {
    SettingsInput input;
    input.flags = {{"db.pool_min", "9"}};
    auto refused = load_settings(input);
    ASSERT_FALSE(refused) << "the default of db.pool_max is 8";
    EXPECT_EQ(refused.error().code, "config_invalid_value");
    EXPECT_NE(refused.error().message.find("db.pool_min 9 (--db-pool-min)"), std::string::npos)
        << refused.error().message;
    input.flags["db.pool_max"] = "9";
    EXPECT_TRUE(load_settings(input));
}

} // namespace
} // namespace holdfast::app
