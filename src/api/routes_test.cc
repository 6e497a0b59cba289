#include "api/routes.h"

#include <gtest/gtest.h>

#include <set>

namespace holdfast::api {
namespace {

TEST(Routes, FindHandlersAndTakeIdsOutOfPaths) {
    Match m = match_route("POST", "/v1/payment_intents/pi_1/confirm");
    ASSERT_NE(m.route, nullptr);
    EXPECT_EQ(m.route->handler, confirm_payment_intent);
    EXPECT_EQ(m.path_ids, std::vector<std::string>{"pi_1"});

    m = match_route("GET", "/v1/customers/cus_1/payment_methods/pm_2");
    ASSERT_NE(m.route, nullptr);
    EXPECT_EQ(m.path_ids, (std::vector<std::string>{"cus_1", "pm_2"}));

    EXPECT_EQ(match_route("GET", "/v1/customers/").route->handler, list_customers);
}

TEST(Routes, RefuseWhatTheyDoNotKnow) {
    for (std::string_view path :
         {"", "/", "/v1", "/v1/", "/v2/customers", "/v1/customers//",
          "/v1/payment_intents/pi_1/confirm/x", "*", "/v1/payment_intents//confirm"}) {
        EXPECT_EQ(match_route("GET", path).route, nullptr) << path;
        EXPECT_EQ(match_route("POST", path).route, nullptr) << path;
    }
    const Match m = match_route("DELETE", "/v1/payment_intents/pi_1");
    EXPECT_EQ(m.route, nullptr);
    EXPECT_TRUE(m.other_method);
}

TEST(Routes, WhatMovesMoneyIsShedLastAndWhatOnlyReadsFirst) {
    std::set<std::string_view> payments;
    for (const Route& route : all_routes()) {
        if (route.urgency == Urgency::Payment) payments.insert(route.pattern);
        const bool list = route.method == Method::Get && !route.pattern.ends_with("{}") &&
                          route.pattern != "/v1/customers/{}/payment_methods";
        if (list) EXPECT_EQ(route.urgency, Urgency::Browse) << route.pattern;
    }
    EXPECT_EQ(payments, (std::set<std::string_view>{
                            "/v1/payment_intents", "/v1/payment_intents/{}/confirm",
                            "/v1/payment_intents/{}/capture", "/v1/payment_intents/{}/cancel",
                            "/v1/charges/{}/capture", "/v1/refunds", "/v1/refunds/{}/cancel"}));
    EXPECT_EQ(match_route("GET", "/v1/payment_intents/pi_1").route->urgency, Urgency::Checkout)
        << "a payer's page polls it";
}

TEST(Routes, OnlyThePayersCallsTakeAPublishableKey) {
    std::set<std::string_view> open;
    for (const Route& route : all_routes())
        if (route.publishable) open.insert(route.pattern);
    EXPECT_EQ(open, (std::set<std::string_view>{
                        "/v1/payment_intents/{}", "/v1/payment_intents/{}/confirm",
                        "/v1/payment_methods", "/v1/tokens", "/v1/tokens/{}"}));
}

} // namespace
} // namespace holdfast::api
