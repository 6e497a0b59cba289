#include "db/cluster_view.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::db {
namespace {

Sighting primary(std::uint32_t timeline) {
    return {.system_identifier = "7", .timeline = timeline, .in_recovery = false};
}
Sighting standby(std::uint32_t timeline) {
    return {.system_identifier = "7", .timeline = timeline, .in_recovery = true};
}

TEST(ClusterView, NothingIsWrittenBeforeAPrimaryIsProven) {
    ClusterView view(2);
    EXPECT_FALSE(view.primary());
    EXPECT_FALSE(view.saw(1, standby(1)));
    EXPECT_FALSE(view.primary());
    EXPECT_TRUE(view.saw(0, primary(1)));
    EXPECT_EQ(view.primary(), 0u);
    EXPECT_EQ(view.standing(0), Standing::Primary);
    EXPECT_EQ(view.standing(1), Standing::Standby);
    EXPECT_EQ(view.epoch(), 1u);
}

TEST(ClusterView, ASilentPrimaryStaysUntilAnotherIsProven) {
    ClusterView view(2);
    view.saw(0, primary(1));
    view.saw(1, standby(1));
    view.missed(0);
    EXPECT_EQ(view.primary(), 0u);
    EXPECT_FALSE(view.primary_reachable());
    EXPECT_EQ(view.standing(0), Standing::Unknown);
    EXPECT_TRUE(view.saw(1, primary(2)));
    EXPECT_EQ(view.primary(), 1u);
    EXPECT_TRUE(view.primary_reachable());
    EXPECT_EQ(view.epoch(), 2u);
}

TEST(ClusterView, AThawedPrimaryIsStale) {
    ClusterView view(2);
    view.saw(0, primary(1));
    view.saw(1, primary(2));
    EXPECT_FALSE(view.saw(0, primary(1)));
    EXPECT_EQ(view.standing(0), Standing::StalePrimary);
    EXPECT_EQ(view.primary(), 1u);
    view.missed(1);
    EXPECT_FALSE(view.saw(0, primary(1)));
    EXPECT_EQ(view.primary(), 1u) << "rather none than an old one";
}

TEST(ClusterView, AStandbyOfANewerTimelineUnmasksAStalePrimary) {
    ClusterView view(3);
    view.saw(0, primary(1));
    EXPECT_FALSE(view.saw(2, standby(2)));
    EXPECT_EQ(view.standing(0), Standing::StalePrimary);
    EXPECT_FALSE(view.primary());
    EXPECT_FALSE(view.saw(0, primary(1)));
    EXPECT_TRUE(view.saw(1, primary(2)));
}

TEST(ClusterView, WhoStepsDownOrIsClosedForWritesIsNotWritten) {
    ClusterView view(2);
    view.saw(0, primary(1));
    Sighting closed = primary(1);
    closed.read_only = true;
    view.saw(0, closed);
    EXPECT_EQ(view.standing(0), Standing::ReadOnly);
    EXPECT_FALSE(view.primary());
    EXPECT_TRUE(view.saw(0, primary(1)));
    view.saw(0, standby(1));
    EXPECT_FALSE(view.primary());
}

TEST(ClusterView, AnotherClusterIsNeverWritten) {
    ClusterView view(2);
    view.saw(0, standby(1));
    Sighting other = primary(9);
    other.system_identifier = "8";
    EXPECT_FALSE(view.saw(1, other));
    EXPECT_EQ(view.standing(1), Standing::Foreign);
    EXPECT_EQ(view.timeline(), 1u) << "its timelines are not ours";
    EXPECT_FALSE(view.primary());
}

TEST(ClusterView, OfTwoPrimariesOnOneTimelineTheFirstIsKept) {
    ClusterView view(2);
    view.saw(0, primary(3));
    EXPECT_FALSE(view.saw(1, primary(3)));
    EXPECT_EQ(view.primary(), 0u);
}

// Whatever is seen in whatever order: who is written was on the newest timeline when last seen.
RC_GTEST_PROP(ClusterView, TheTimelineThatIsWrittenNeverGoesBack, ()) {
    constexpr std::size_t servers = 3;
    ClusterView view(servers);
    std::uint32_t written = 0;
    const auto steps = *rc::gen::inRange(1, 60);
    for (int i = 0; i < steps; ++i) {
        const auto server = *rc::gen::inRange<std::size_t>(0, servers);
        const auto timeline = *rc::gen::inRange<std::uint32_t>(1, 5);
        const auto what = *rc::gen::inRange(0, 4);
        if (what == 0)
            view.missed(server);
        else
            view.saw(server, what == 1 ? standby(timeline) : primary(timeline));
        if (!view.primary()) continue;
        const std::uint32_t now = view.last(*view.primary()).timeline;
        RC_ASSERT(now >= written);
        written = now;
    }
}

} // namespace
} // namespace holdfast::db
