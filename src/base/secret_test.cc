#include "base/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <type_traits>

namespace holdfast {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(Printable<std::string>);
static_assert(!Printable<SecretString>);
static_assert(!std::equality_comparable<SecretString>);
static_assert(!std::convertible_to<SecretString, std::string>);
static_assert(!std::convertible_to<std::string, SecretString>);

TEST(ConstantTimeEqual, ComparesContents) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal("sk_test_1", "sk_test_1"));
    EXPECT_FALSE(constant_time_equal("sk_test_1", "sk_test_2"));
    EXPECT_FALSE(constant_time_equal("sk_test_1", "sk_test_"));
}

TEST(Secret, WipesItsMemoryWhenItGoes) {
    alignas(SecretString) std::byte storage[sizeof(SecretString)];
    auto* secret = new (storage) SecretString(std::string("short key")); // lies inside the object
    ASSERT_EQ(secret->reveal(), "short key");
    SecretString taken(std::move(*secret));
    EXPECT_EQ(taken.reveal(), "short key");
    secret->~Secret();
    const std::string_view memory(reinterpret_cast<const char*>(storage), sizeof storage);
    EXPECT_EQ(memory.find("hort key"), std::string_view::npos);
}

TEST(Secret, CopiesAndAssigns) {
    SecretString a(std::string("one")), b(std::string("two"));
    b = a;
    EXPECT_EQ(b.reveal(), "one");
    b = SecretString(std::string("three"));
    EXPECT_EQ(b.reveal(), "three");
    EXPECT_EQ(a.reveal(), "one");
}

} // namespace
} // namespace holdfast
