#include "base/damage.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Damage, IsToldFromOtherFailuresOfTheDatabase) {
    const auto with = [](std::string sqlstate) {
        return Error{.kind = ErrorClass::Io, .code = "x", .sqlstate = std::move(sqlstate)};
    };
    for (const char* sqlstate : {"XX001", "XX002", "58030"}) EXPECT_TRUE(is_damage(with(sqlstate)));
    for (const char* sqlstate : {"", "XX000", "58P01", "53100"})
        EXPECT_FALSE(is_damage(with(sqlstate)));
}

} // namespace
} // namespace holdfast
