#include "api/rate_limits.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime start{1h};

class RateLimitsTest : public testing::Test {
  protected:
    Registry registry_;
    RateLimits limits_{{.live_per_second = 20,
                        .test_per_second = 5,
                        .wrong_keys_per_second = 1,
                        .entries_max = 100},
                       registry_};

    int granted(std::string_view key, bool livemode, Urgency urgency, MonoTime now = start) {
        int n = 0;
        while (limits_.take(key, livemode, urgency, now)) ++n;
        return n;
    }
};

TEST_F(RateLimitsTest, AKeyHasARateForEachUrgencyAndMode) {
    EXPECT_EQ(granted("test", false, Urgency::Browse), 5);
    EXPECT_EQ(granted("test", false, Urgency::Payment), 5) << "reading takes nothing from paying";
    EXPECT_EQ(granted("live", true, Urgency::Browse), 20);
    EXPECT_EQ(granted("test", false, Urgency::Browse, start + 1s), 5) << "and it comes back";
    auto refused = limits_.take("test", false, Urgency::Browse, start + 1s);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "rate_limit");
    EXPECT_NE(registry_.render().find("holdfast_requests_refused_total{reason=\"rate_limit_key\","
                                      "urgency=\"payment\"} 1"),
              std::string::npos);
}

TEST_F(RateLimitsTest, AnAddressMayBeWrongForAWhile) {
    int tried = 0;
    while (limits_.may_try("192.0.2.1", Urgency::Browse, start)) {
        limits_.note_wrong_key("192.0.2.1", start);
        ++tried;
    }
    EXPECT_EQ(tried, 10);
    EXPECT_TRUE(limits_.may_try("192.0.2.2", Urgency::Browse, start)) << "others are not meant";
    EXPECT_FALSE(limits_.may_try("192.0.2.1", Urgency::Browse, start + 900ms));
    EXPECT_TRUE(limits_.may_try("192.0.2.1", Urgency::Browse, start + 1001ms));
}

TEST_F(RateLimitsTest, AddressesThatAreMadeUpTakeABoundedAmountOfMemory) {
    for (int i = 0; i < 10'000; ++i) limits_.note_wrong_key(std::to_string(i), start);
    EXPECT_NE(registry_.render().find("holdfast_rate_limit_entries{table=\"addresses\"} 100"),
              std::string::npos);
}

} // namespace
} // namespace holdfast::api
