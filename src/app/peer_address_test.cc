#include "app/peer_address.h"

#include <gtest/gtest.h>

namespace holdfast::app {
namespace {

TEST(PeerAddress, IsOfThisHostUnlessItSaysOtherwise) {
    const std::vector<PeerAddress> expected{
        {"pay-1", "127.0.0.1", 8422}, {"pay-db2", "10.0.0.2", 8423}, {"pay-6", "fd00::6", 1}};
    auto read =
        peer_addresses({"pay-1=8422", "pay-db2=10.0.0.2:8423", "pay-6=fd00::6:1"}, "127.0.0.1");
    ASSERT_TRUE(read.has_value()) << to_string(read.error());
    EXPECT_EQ(*read, expected);
}

TEST(PeerAddress, SaysWhatItTakes) {
    for (const char* text : {"", "pay-1", "8422", "pay-1=", "=8422", "pay-1=0", "pay-1=65536",
                             "pay-1=84x", "pay-1=:8422", "pay-1=host:", "host:8422"}) {
        auto read = peer_addresses({text}, "127.0.0.1");
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code, "peer_invalid") << text;
    }
}

} // namespace
} // namespace holdfast::app
