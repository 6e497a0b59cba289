#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(Registry, RendersPrometheusText) {
    Registry registry;
    registry.counter("payments_total", "Payments by outcome.", {{"outcome", "declined"}}).add(2);
    registry.counter("payments_total", "Payments by outcome.", {{"outcome", "approved"}}).add();
    registry.gauge("queue_length", "Waiting \\ commands,\nall of them.").set(-3);
    registry.observe_gauge("age_seconds", "Age.", [] { return 1.5; }, {{"of", "a \"b\"\\\n"}});
    registry.observe_counter("cpu_seconds_total", "CPU.", [] { return 12.0; });
    const double bounds[] = {0.001, 1};
    auto& took = registry.histogram("took_seconds", "Time.", bounds, {{"route", "/v1"}});
    took.observe(std::chrono::milliseconds(1)); // on the bound: below or equal
    took.observe(0.5);
    took.observe(7);

    EXPECT_EQ(registry.render(), R"(# HELP age_seconds Age.
# TYPE age_seconds gauge
age_seconds{of="a \"b\"\\\n"} 1.5
# HELP cpu_seconds_total CPU.
# TYPE cpu_seconds_total counter
cpu_seconds_total 12
# HELP payments_total Payments by outcome.
# TYPE payments_total counter
payments_total{outcome="approved"} 1
payments_total{outcome="declined"} 2
# HELP queue_length Waiting \\ commands,\nall of them.
# TYPE queue_length gauge
queue_length -3
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{route="/v1",le="0.001"} 1
took_seconds_bucket{route="/v1",le="1"} 2
took_seconds_bucket{route="/v1",le="+Inf"} 3
took_seconds_sum{route="/v1"} 7.501
took_seconds_count{route="/v1"} 3
)");
    EXPECT_THAT(registry.names(),
                testing::ElementsAre("age_seconds", "cpu_seconds_total", "payments_total",
                                     "queue_length", "took_seconds"));
}

TEST(Registry, GivesTheSameSeriesAgain) {
    Registry registry;
    auto& first = registry.counter("a_total", "A.", {{"x", "1"}, {"y", "2"}});
    auto& again = registry.counter("a_total", "A.", {{"y", "2"}, {"x", "1"}});
    EXPECT_EQ(&first, &again);
    EXPECT_NE(&first, &registry.counter("a_total", "A.", {{"x", "2"}, {"y", "2"}}));
}

TEST(Registry, BoundsTheSeriesOfAFamily) {
    Registry registry;
    set_failure_hooks({.on_bug = [](std::string_view) {}}); // instead of stderr
    const auto bugs = bugs_found();
    for (std::size_t i = 0; i < Registry::series_max; ++i) {
        registry.counter("a_total", "A.", {{"x", std::to_string(i)}});
    }
    EXPECT_EQ(bugs_found(), bugs);
    auto& one = registry.counter("a_total", "A.", {{"x", "one more"}});
    auto& other = registry.counter("a_total", "A.", {{"x", "and another"}});
    EXPECT_EQ(&one, &other);
    EXPECT_THAT(registry.render(), testing::HasSubstr("a_total{x=\"overflow\"} 0\n"));
    EXPECT_EQ(bugs_found(), bugs + 2);
    set_failure_hooks({});
}

TEST(Histogram, BoundsItsQuantiles) {
    Histogram histogram(latency_bounds);
    for (int i = 0; i < 99; ++i) histogram.observe(0.003);
    histogram.observe(3);
    EXPECT_EQ(histogram.quantile_bound(0.5), 0.005);
    EXPECT_EQ(histogram.quantile_bound(0.99), 0.005);
    EXPECT_EQ(histogram.quantile_bound(1), 5);
    histogram.observe(60);
    EXPECT_EQ(histogram.quantile_bound(1), INFINITY);
    EXPECT_EQ(histogram.count(), 101U);
}

TEST(RegistryDeathTest, RefusesNamesThatContradict) {
    Registry registry;
    registry.counter("a_total", "A.");
    EXPECT_DEATH(registry.counter("a_total", "B."), "a_total");
    EXPECT_DEATH(registry.gauge("b_total", "B."), "b_total");
    EXPECT_DEATH(registry.counter("http.server", "B."), "http.server");
    EXPECT_DEATH(registry.gauge("c", "C.", {{"a-b", "1"}}), "a-b");
    const double one[] = {1}, two[] = {1, 2}, unsorted[] = {2, 1};
    registry.histogram("h", "H.", one);
    EXPECT_DEATH(registry.histogram("h", "H.", two), "h");
    EXPECT_DEATH(registry.histogram("i", "H.", unsorted), "sorted");
}

} // namespace
} // namespace holdfast
