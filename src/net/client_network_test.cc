#include "net/client_network.h"

#include <gtest/gtest.h>

namespace holdfast::net {
namespace {

TEST(ClientNetwork, IsTheAddressOrTheSixtyFourOfIt) {
    EXPECT_EQ(client_network("192.0.2.7"), "192.0.2.7");
    EXPECT_EQ(client_network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    EXPECT_EQ(client_network("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
    EXPECT_EQ(client_network("::1"), "::/64");
    EXPECT_EQ(client_network(""), "");
    EXPECT_EQ(client_network("nonsense"), "nonsense");
}

} // namespace
} // namespace holdfast::net
