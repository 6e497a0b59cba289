#include "app/failover.h"

#include "base/files.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <initializer_list>

namespace holdfast::app {
namespace {

using namespace std::chrono_literals;

constexpr FailoverLimits limits;
constexpr PairState together{.promotable = true};
constexpr PairState alone{.promotable = false};

/// Both nodes well and in sync.
PairFacts well() { return {.primary = PrimarySays{.standby_caught_up = true}}; }

/// Commits don't wait, and the standby is not there.
PairFacts given_up() { return {.primary = PrimarySays{.commits_wait = false, .standby_away = 1h}}; }

template <class Change> PairFacts but(PairFacts facts, Change change) {
    change(facts);
    return facts;
}

struct Case {
    const char* what;
    PairState state;
    PairFacts facts;
    PairMove move;
};

void expect(std::initializer_list<Case> cases) {
    for (const Case& c : cases) EXPECT_EQ(next_move(c.state, c.facts, limits), c.move) << c.what;
}

TEST(Failover, ALostPrimary) {
    const auto ended = [](auto& f) { f.primary_runs = false; };
    expect({
        {"all is well", together, well(), PairMove::None},
        {"it has ended", together, but(well(), ended), PairMove::Promote},
        {"it is frozen", together, but(well(), [](auto& f) { f.primary_silent = 4s; }),
         PairMove::Promote},
        {"it is slow", together, but(well(), [](auto& f) { f.primary_silent = 2s; }),
         PairMove::None},
        {"it has ended, the standby lacks commits", alone, but(well(), ended), PairMove::None},
        {"it has ended, the standby is silent", together,
         but(well(),
             [](auto& f) {
                 f.primary_runs = false;
                 f.standby_silent = 2s;
             }),
         PairMove::None},
        {"it is frozen, the standby lacks commits", alone,
         but(well(),
             [](auto& f) {
                 f.primary_silent = 31s;
                 f.primary_mute = 31s;
             }),
         PairMove::RestartPrimary},
        {"it recovers, the standby lacks commits", alone,
         but(well(), [](auto& f) { f.primary_silent = 1h; }), PairMove::None},
        {"both are frozen", together,
         but(well(),
             [](auto& f) {
                 f.primary_silent = f.primary_mute = f.standby_silent = f.standby_mute = 31s;
             }),
         PairMove::RestartPrimary},
        {"it was promoted by decision only",
         alone,
         {.primary = PrimarySays{.in_recovery = true}},
         PairMove::FinishPromotion},
    });
}

TEST(Failover, ASwitchoverWantsAPairThatIsWell) {
    EXPECT_EQ(against_switchover(together, well(), limits), "");
    const std::initializer_list<std::pair<PairFacts, std::string_view>> unwell = {
        {but(well(), [](auto& f) { f.primary_runs = false; }), "the primary does not answer"},
        {but(well(), [](auto& f) { f.primary_silent = 2s; }), "the primary does not answer"},
        {but(well(), [](auto& f) { f.primary.reset(); }), "the primary does not answer"},
        {but(well(), [](auto& f) { f.primary->in_recovery = true; }),
         "the primary has been promoted just now"},
        {but(well(), [](auto& f) { f.standby_silent = 2s; }), "the standby does not answer"},
        {but(well(), [](auto& f) { f.primary->standby_caught_up = false; }),
         "the standby does not have every commit"},
        {but(well(), [](auto& f) { f.primary->commits_wait = false; }),
         "the standby does not have every commit"},
    };
    for (const auto& [facts, why] : unwell)
        EXPECT_EQ(against_switchover(together, facts, limits), why);
    EXPECT_EQ(against_switchover(alone, well(), limits), "the standby does not have every commit");
}

TEST(Failover, ALostStandby) {
    const auto away = [](Duration lasting) {
        return but(well(), [lasting](auto& f) { f.primary->standby_away = lasting; });
    };
    expect({
        {"away", together, away(3s), PairMove::Degrade},
        {"away for a moment", together, away(1s), PairMove::None},
        {"away, and commits wait although it was given up", alone, away(3s), PairMove::Degrade},
        {"behind, and commits wait although it was given up", alone,
         but(well(), [](auto& f) { f.primary->standby_caught_up = false; }), PairMove::Degrade},
        {"trusted, and nobody waits for it", together,
         but(well(), [](auto& f) { f.primary->commits_wait = false; }), PairMove::Degrade},
        {"nobody said", together, {}, PairMove::None},
        {"given up", alone, given_up(), PairMove::None},
        {"connected, but not heard of", alone,
         but(given_up(), [](auto& f) { f.primary->standby_caught_up = true; }), PairMove::None},
        {"back", alone, but(well(), [](auto& f) { f.primary->commits_wait = false; }),
         PairMove::Resynchronize},
        {"back, and commits wait already", alone, well(), PairMove::Resynchronize},
        {"on its way", alone, but(given_up(), [](auto& f) { f.primary->standby_away = 0s; }),
         PairMove::None},
        {"has nothing to go on from", alone,
         but(given_up(), [](auto& f) { f.primary->slot_good = false; }), PairMove::MakeSlot},
        {"can't be told where to go on from", alone,
         but(given_up(), [](auto& f) { f.primary->settled = false; }), PairMove::Checkpoint},
        {"frozen", alone, but(given_up(), [](auto& f) { f.standby_mute = 31s; }),
         PairMove::RestartStandby},
        {"frozen, but streaming", together, but(well(), [](auto& f) { f.standby_mute = 31s; }),
         PairMove::RestartStandby},
        {"useless", alone, but(given_up(), [](auto& f) { f.standby_useless = 11min; }),
         PairMove::RemakeStandby},
    });
}

bool either() { return *rc::gen::arbitrary<bool>(); }
/// On either side of every limit.
Duration any_duration() {
    return *rc::gen::element<Duration>(0ms, 500ms, 1500ms, 2500ms, 3500ms, 31s, 1h,
                                       Duration::max());
}

PairFacts any_facts() {
    PairFacts facts{.primary_runs = either(),
                    .primary_silent = any_duration(),
                    .primary_mute = any_duration(),
                    .standby_silent = any_duration(),
                    .standby_mute = any_duration(),
                    .standby_useless = any_duration()};
    if (either())
        facts.primary = PrimarySays{.in_recovery = either(),
                                    .commits_wait = either(),
                                    .standby_caught_up = either(),
                                    .standby_away = any_duration(),
                                    .slot_good = either(),
                                    .settled = either()};
    return facts;
}

RC_GTEST_PROP(Failover, WhoMayLackACommitIsNeverPromoted, ()) {
    const PairState state{.promotable = either()};
    const PairFacts facts = any_facts();
    const PairMove move = next_move(state, facts, limits);
    const bool lost = !facts.primary_runs || facts.primary_silent > limits.silence_max;
    if (move == PairMove::Promote)
        RC_ASSERT(state.promotable && lost && facts.standby_silent <= limits.witness_max);
    if (move == PairMove::RestartPrimary) RC_ASSERT(lost && facts.primary_runs);
    if (lost)
        RC_ASSERT(move == PairMove::None || move == PairMove::Promote ||
                  move == PairMove::RestartPrimary);
    // Who is trusted must be waited for and there; who is not waited for is not trusted.
    if (!lost && facts.primary && !facts.primary->in_recovery && state.promotable &&
        (!facts.primary->commits_wait || facts.primary->standby_away > limits.standby_away_max))
        RC_ASSERT(move == PairMove::Degrade);
    if (move == PairMove::Resynchronize)
        RC_ASSERT(facts.primary->standby_caught_up &&
                  facts.primary->standby_away <= limits.standby_away_max);
}

/// Whatever is wrong and stays so for long, in any combination, somebody does something about it: a
/// move, or the supervisor, who starts what has ended, or the node, which recovers, copies or
/// catches up.
TEST(Failover, NothingWaitsForEver) {
    constexpr int questions = 14;
    for (unsigned answers = 0; answers < 1U << questions; ++answers) {
        int next = 0;
        const auto either = [&] { return (answers >> next++ & 1U) != 0; };
        const auto lasting = [](bool wrong) { return wrong ? Duration(1h) : Duration{}; };
        const PairState state{.promotable = either()};
        const bool silent = either();
        const bool recovers = either(); // it says "starting up": mute it is not
        const bool heard = either();    // of the standby, by the primary
        PairFacts facts{.primary_runs = either(),
                        .primary_silent = lasting(silent),
                        .primary_mute = lasting(silent && !recovers),
                        .standby_silent = lasting(either()),
                        .standby_mute = lasting(either()),
                        .standby_useless = lasting(either() && !heard)}; // else it is copied
        if (!silent)
            facts.primary = PrimarySays{.in_recovery = either(),
                                        .commits_wait = either(),
                                        .standby_caught_up = either() && heard,
                                        .standby_away = lasting(!heard),
                                        .slot_good = either(),
                                        .settled = either()};
        ASSERT_LE(next, questions);
        if (next_move(state, facts, limits) != PairMove::None) continue;
        if (!facts.primary_runs || (silent && recovers)) continue;
        ASSERT_TRUE(facts.primary.has_value()) << answers;
        const PrimarySays& says = *facts.primary;
        EXPECT_TRUE(!says.in_recovery && says.slot_good && says.settled) << answers;
        EXPECT_TRUE(facts.standby_mute == 0s && facts.standby_useless == 0s) << answers;
        if (state.promotable)
            EXPECT_TRUE(says.commits_wait && heard) << answers;
        else // payments go on, and it comes or catches up
            EXPECT_TRUE(!says.commits_wait && !says.standby_caught_up) << answers;
    }
}

TEST(Absence, CountsWhatWasLookedAt) {
    MonoTime now{};
    Absence absence;
    absence.seen(now += 5s);
    EXPECT_EQ(absence.lasting(), 0s);
    absence.missed(now += 500ms);
    absence.missed(now += 500ms);
    EXPECT_EQ(absence.lasting(), 1s);
    absence.missed(now += 10s); // nobody looked for so long
    EXPECT_EQ(absence.lasting(), 2s);
    absence.note(true, now += 1s);
    EXPECT_EQ(absence.lasting(), 0s);
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
    const PairState state{.primary = db::Node::B, .epoch = 7, .promotable = true};
    ASSERT_TRUE(store_pair_state(path(), state, std::nullopt));
    EXPECT_EQ(*load_pair_state(path()), state);
}

TEST_F(StateFile, IsNeverGuessed) {
    ASSERT_FALSE(load_pair_state(path())) << "there is none";
    EXPECT_EQ(load_pair_state(path()).error().code, "cluster_state_invalid");
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
