#include "app/metrics_page.h"

#include <gtest/gtest.h>

namespace holdfast::app {
namespace {

TEST(MetricsPage, MergesFamiliesAndLabelsSamples) {
    const std::string pay =
        "# HELP a_total As.\n# TYPE a_total counter\na_total 1\n"
        "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
        "h_seconds_bucket{le=\"1\"} 2\nh_seconds_sum 3\n";
    const std::string background =
        "# HELP a_total As.\n# TYPE a_total counter\n"
        "a_total{kind=\"x\"} 4\n";
    EXPECT_EQ(merge_metrics({{"pay-1", pay}, {"background", background}}),
              "# HELP a_total As.\n# TYPE a_total counter\n"
              "a_total{process=\"background\",kind=\"x\"} 4\n"
              "a_total{process=\"pay-1\"} 1\n"
              "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
              "h_seconds_bucket{process=\"pay-1\",le=\"1\"} 2\n"
              "h_seconds_sum{process=\"pay-1\"} 3\n");
}

TEST(MetricsPage, AnEmptyPageIsNoPage) { EXPECT_EQ(merge_metrics({{"pay-1", ""}}), ""); }

} // namespace
} // namespace holdfast::app
