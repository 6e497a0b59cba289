#include "drill/stripe_sdk.h"

#include "drill/test_way.h"
#include "net/sim_loop.h"

#include <gtest/gtest.h>

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;

Result<net::HttpResponse> with(int status, std::string_view should_retry = "") {
    net::HttpResponse response;
    response.status = status;
    if (!should_retry.empty()) response.headers.add("stripe-should-retry", should_retry);
    return response;
}
Result<net::HttpResponse> lost(const char* code) {
    return fail(ErrorClass::Unknown, code, "no answer");
}

TEST(StripeSdk, RetriesWhatTheRealOneRetries) {
    const SdkPolicy policy;
    for (const int status : {409, 500, 502, 503})
        EXPECT_TRUE(should_retry(with(status), 0, policy));
    for (const int status : {200, 400, 402, 404, 429})
        EXPECT_FALSE(should_retry(with(status), 0, policy)) << status;
    EXPECT_TRUE(should_retry(lost("http_answer_late"), 1, policy));
}

TEST(StripeSdk, ObeysShouldRetryBeforeTheStatus) {
    const SdkPolicy policy;
    EXPECT_TRUE(should_retry(with(429, "true"), 0, policy));
    EXPECT_FALSE(should_retry(with(503, "false"), 0, policy));
}

TEST(StripeSdk, EndsAfterItsRetriesButTriesAClosedConnectionOnceMore) {
    EXPECT_FALSE(should_retry(with(503, "true"), 2, {}));
    const SdkPolicy none{.retries_max = 0};
    EXPECT_TRUE(should_retry(lost("http_answer_lost"), 0, none));
    EXPECT_FALSE(should_retry(lost("http_answer_lost"), 1, none));
    EXPECT_FALSE(should_retry(lost("http_answer_late"), 0, none));
}

TEST(StripeSdk, PausesDoubleWithinTheirLimits) {
    const SdkPolicy policy;
    EXPECT_EQ(pause_before(1, 0, policy), 500ms); // never under the first pause
    EXPECT_EQ(pause_before(2, 0, policy), 500ms);
    EXPECT_EQ(pause_before(2, 500'000, policy), 750ms);
    EXPECT_EQ(pause_before(3, 0, policy), 1s);
    EXPECT_EQ(pause_before(30, 0, policy), 2500ms);
}

TEST(StripeSdk, SendsTheSameKeyUntilItIsAnswered) {
    SimEnv env(1);
    env.install();
    net::SimLoop sim(env, 1);
    FakeWay way;
    way.answers = {{503, "{}"}, {0, ""}, {200, R"({"status":"succeeded"})"}};
    const MonoTime begun = env.now();
    auto answer = sim.run(sdk_request(way, env, {.target = "/x", .key = "k"}, 0, {}), 1min);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    ASSERT_EQ(way.calls.size(), 3U);
    for (const Call& call : way.calls) EXPECT_EQ(call.key, "k");
    EXPECT_GE(env.now() - begun, 1s);
    EXPECT_LE(env.now() - begun, 2s);
}

} // namespace
} // namespace holdfast::drill
