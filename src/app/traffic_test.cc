// A metrics page as MetricsPage writes it, read back.

#include "app/traffic.h"

#include "app/metrics_page.h"
#include "base/metrics.h"
#include "db/pool_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::app {
namespace {

const Share& share(const ProcessSeen& seen, Counted counted, double over_s) {
    const auto found = std::ranges::find_if(measures, [&](const Measure& measure) {
        return measure.counted == counted && measure.over_s == over_s;
    });
    return seen.traffic.shares.at(static_cast<std::size_t>(found - measures.begin()));
}

Histogram& requests(Registry& registry, const char* method, const char* status) {
    return registry.histogram("http_server_request_duration_seconds", "Duration of HTTP requests.",
                              latency_bounds,
                              {{"http_request_method", method},
                               {"http_response_status_code", status},
                               {"http_route", "/v1/{id}, \"x\""}});
}

TEST(Traffic, IsReadFromTheMetricsOfEachProcess) {
    Registry registry;
    db::PoolMetrics pool(registry, "db");
    pool.wait_time[0]->observe(0.0001);
    pool.wait_time[0]->observe(0.02);
    pool.wait_time[2]->observe(0.3);
    pool.wait_time[2]->observe(7);
    pool.timeouts.add(2);
    pool.refused.add();
    pool.shed[2]->add(3);
    requests(registry, "GET", "200").observe(6.0);
    requests(registry, "GET", "503").observe(0.01);
    requests(registry, "POST", "200").observe(0.01);
    requests(registry, "POST", "402").observe(1.5);
    requests(registry, "POST", "500").observe(6.0);
    registry.gauge("holdfast_db_pool_setting", "x", {{"bound", "min"}}).set(2);
    registry.gauge("holdfast_db_pool_setting", "x", {{"bound", "max"}}).set(9);
    registry.gauge("holdfast_db_pool_trial", "x").set(1);
    registry.observe_gauge("process_start_time_seconds", "x", [] { return 1234.5; });
    Registry idle;
    idle.gauge("holdfast_db_pool_trial", "x").set(0);

    const auto read = traffic_by_process(
        "# HELP holdfast_process_up x\nholdfast_process_up{process=\"gone\"} 0\n" +
        merge_metrics({{"pay-1", registry.render()}, {"pay-2", idle.render()}}));
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_EQ(read->size(), 2u) << "who did not answer has no traffic";
    const ProcessSeen& seen = read->at("pay-1");
    EXPECT_EQ(share(seen, Counted::Waits, 0.01).bad, 3);
    EXPECT_EQ(share(seen, Counted::Waits, 0.01).of, 4);
    EXPECT_EQ(share(seen, Counted::Waits, 0.1).bad, 2);
    EXPECT_EQ(share(seen, Counted::Waits, 1).bad, 1);
    EXPECT_EQ(share(seen, Counted::Unserved, 0).bad, 6);
    EXPECT_EQ(share(seen, Counted::Unserved, 0).of, 10);
    EXPECT_EQ(share(seen, Counted::ServerErrors, 0).bad, 2);
    EXPECT_EQ(share(seen, Counted::ServerErrors, 0).of, 5);
    EXPECT_EQ(share(seen, Counted::Payments, 1).bad, 2);
    EXPECT_EQ(share(seen, Counted::Payments, 5).bad, 1);
    EXPECT_EQ(share(seen, Counted::Payments, 5).of, 3);
    EXPECT_EQ(seen.traffic.answers, 5);
    EXPECT_EQ(seen.traffic.acquires, 10);
    EXPECT_EQ(seen.size, (PoolSize{.min = 2, .max = 9}));
    EXPECT_TRUE(seen.on_trial);
    EXPECT_EQ(seen.started, 1234.5);
    EXPECT_EQ(read->at("pay-2").traffic.answers, 0);
    EXPECT_FALSE(read->at("pay-2").on_trial);
}

/// Else a measure would never find anything.
TEST(Traffic, EachBoundIsOneOfTheHistograms) {
    for (const Measure& measure : measures) {
        if (measure.over_s == 0) continue;
        EXPECT_NE(std::ranges::find(latency_bounds, measure.over_s), std::end(latency_bounds))
            << measure.text;
    }
}

TEST(Traffic, WhatIsNoMetricsPageIsRefused) {
    for (const char* page : {"<html>", "a 1\n", "a{process=\"x\"} many\n", "} {\n", "{ \n"}) {
        const auto read = traffic_by_process(page);
        ASSERT_FALSE(read) << page;
        EXPECT_EQ(read.error().code, "metrics_page_invalid");
    }
    EXPECT_TRUE(traffic_by_process(""));
}

} // namespace
} // namespace holdfast::app
