#include "app/failover.h"

#include "base/files.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace holdfast::app {
namespace {

using namespace std::chrono_literals;

constexpr FailoverLimits limits;
constexpr PairState together{.promotable = true};
constexpr PairState alone{.promotable = false};

/// Both nodes well and in sync.
PairFacts well() { return {.standby_caught_up = true}; }

struct Case {
    const char* what;
    PairState state;
    PairFacts facts;
    PairMove move;
};

TEST(Failover, Table) {
    const auto with = [](auto change) {
        PairFacts facts = well();
        change(facts);
        return facts;
    };
    const Case cases[] = {
        {"all is well", together, well(), PairMove::None},
        {"the primary has ended", together, with([](auto& f) { f.primary_runs = false; }),
         PairMove::Promote},
        {"the primary is frozen", together, with([](auto& f) { f.primary_silent = 4s; }),
         PairMove::Promote},
        {"the primary is slow", together, with([](auto& f) { f.primary_silent = 2s; }),
         PairMove::None},
        {"the primary has ended, the standby lacks commits", alone,
         with([](auto& f) { f.primary_runs = false; }), PairMove::None},
        {"the primary has ended, the standby is silent", together, with([](auto& f) {
             f.primary_runs = false;
             f.standby_silent = 2s;
         }),
         PairMove::None},
        {"the standby is away", together, with([](auto& f) {
             f.standby_caught_up = false;
             f.standby_away = 3s;
         }),
         PairMove::Degrade},
        {"the standby was away for a moment", together, with([](auto& f) {
             f.standby_caught_up = false;
             f.standby_away = 1s;
         }),
         PairMove::None},
        {"both are away", together, with([](auto& f) {
             f.primary_silent = 4s;
             f.standby_silent = 4s;
             f.standby_away = 4s;
         }),
         PairMove::None},
        {"the standby is back", alone, well(), PairMove::Resynchronize},
        {"the standby is on its way", alone, with([](auto& f) { f.standby_caught_up = false; }),
         PairMove::None},
    };
    for (const Case& c : cases) EXPECT_EQ(next_move(c.state, c.facts, limits), c.move) << c.what;
}

Duration any_duration() { return std::chrono::milliseconds{*rc::gen::inRange(0, 6000)}; }

RC_GTEST_PROP(Failover, WhoLacksCommitsIsNeverPromotedAndWhoIsSilentNeitherGivenUp, ()) {
    const PairState state{.promotable = *rc::gen::arbitrary<bool>()};
    const PairFacts facts{.primary_runs = *rc::gen::arbitrary<bool>(),
                          .primary_silent = any_duration(),
                          .standby_silent = any_duration(),
                          .standby_caught_up = *rc::gen::arbitrary<bool>(),
                          .standby_away = any_duration()};
    const PairMove move = next_move(state, facts, limits);
    const bool lost = !facts.primary_runs || facts.primary_silent > limits.silence_max;
    if (move == PairMove::Promote) RC_ASSERT(state.promotable && lost);
    if (move == PairMove::Degrade) RC_ASSERT(!lost);
    if (move == PairMove::Resynchronize) RC_ASSERT(!lost && facts.standby_caught_up);
}

class StateFile : public testing::Test {
  protected:
    StateFile() : directory_(testing::TempDir() + "pair-XXXXXX") {
        EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    }
    ~StateFile() override { std::filesystem::remove_all(directory_); }
    std::string path() const { return directory_ + "/cluster.json"; }
    std::string directory_;
};

TEST_F(StateFile, ComesBackAsItWasStored) {
    EXPECT_EQ(*load_pair_state(path()), PairState{}) << "there is none yet";
    const PairState state{.primary = db::Node::B, .epoch = 7, .promotable = true};
    ASSERT_TRUE(store_pair_state(path(), state, std::nullopt));
    EXPECT_EQ(*load_pair_state(path()), state);
}

TEST_F(StateFile, IsNeverGuessed) {
    for (const char* text :
         {"", "{}", "[]", R"({"primary":"c","epoch":1,"promotable":true})",
          R"({"primary":"a","promotable":true})", R"({"primary":"a","epoch":1})"}) {
        ASSERT_TRUE(write_file_durably(path(), text, 0600));
        const auto loaded = load_pair_state(path());
        ASSERT_FALSE(loaded) << text;
        EXPECT_EQ(loaded.error().code, "cluster_state_invalid");
    }
}

} // namespace
} // namespace holdfast::app
