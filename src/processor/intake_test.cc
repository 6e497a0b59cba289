#include "processor/intake.h"

#include "base/env.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace holdfast::processor {
namespace {

using std::chrono::milliseconds;

Uuid uuid(int n) {
    Uuid u;
    u.bytes[0] = static_cast<std::uint8_t>(n >> 8);
    u.bytes[1] = static_cast<std::uint8_t>(n);
    u.bytes[15] = 1;
    return u;
}

core::RowRef row(int n, core::Access access = core::Access::Lock) {
    return {core::ObjectKind::PaymentIntent, {{}, uuid(n)}, access};
}

/// A command that needs payment intents `rows`; its description carries a number.
struct Asked {
    std::vector<int> rows;
    std::optional<int> replay;
};

Error too_late(const Ticket&) {
    return {.kind = ErrorClass::Deadline, .code = "processor_deadline"};
}

class IntakeTest : public testing::Test {
  protected:
    IntakeTest() { env_.install(); }

    Ticket* push(const Asked& asked, milliseconds within = milliseconds{1000}) {
        core::Needs needs;
        for (int n : asked.rows) needs.rows.push_back(row(n));
        if (asked.replay) needs.replay = core::RowKey{{}, uuid(*asked.replay)};
        auto ticket = intake_->push(core::Command{}, std::move(needs), Deadline::after(within));
        EXPECT_TRUE(ticket.has_value());
        return *ticket;
    }
    std::vector<Ticket*> take(Track track = Track::Normal, std::size_t max = 100) {
        std::size_t roots = track == Track::Slow ? 1 : max;
        return intake_->take({track, roots, track == Track::Suspect ? 1 : max}, too_late);
    }
    void answer(Ticket* ticket) { intake_->answer(ticket, core::Verdict{}); }

    SimEnv env_{1};
    net::Loop loop_;
    std::vector<Track> woken_;
    std::unique_ptr<Intake> intake_ =
        std::make_unique<Intake>(loop_, 8, [this](Track track) { woken_.push_back(track); });
};

using Tickets = std::vector<Ticket*>;

TEST_F(IntakeTest, GivesOutInOrderOfArrivalUpToTheCap) {
    Ticket* a = push({{1}, {}});
    Ticket* b = push({{2}, {}});
    Ticket* c = push({{3}, {}});
    EXPECT_EQ(take(Track::Normal, 2), (Tickets{a, b}));
    EXPECT_EQ(take(Track::Normal, 2), (Tickets{c}));
    EXPECT_TRUE(take().empty());
    EXPECT_EQ(woken_.size(), 3u);
}

TEST_F(IntakeTest, TellsHowLongTheNextHasWaited) {
    EXPECT_EQ(intake_->delay(), Duration{0});
    Ticket* first = push({{1}});
    env_.advance(milliseconds{30});
    push({{1}}); // behind the first: not the batch's delay
    push({{2}});
    EXPECT_EQ(intake_->delay(), Duration{milliseconds{30}});
    EXPECT_EQ(take().size(), 3u);
    EXPECT_EQ(intake_->delay(), Duration{0}) << "what is in a batch waits no more";
    answer(first);
}

TEST_F(IntakeTest, CommandsOnOneObjectRideTogetherInOrder) {
    Ticket* a = push({{1}, {}});
    Ticket* other = push({{2}, {}});
    Ticket* b = push({{1}, {}});
    Ticket* c = push({{1, 2}, {}});
    auto batch = take();
    ASSERT_EQ(batch.size(), 4u);
    auto at = [&](Ticket* t) { return std::ranges::find(batch, t) - batch.begin(); };
    EXPECT_LT(at(a), at(b));
    EXPECT_LT(at(b), at(c));
    EXPECT_LT(at(other), at(c));
}

TEST_F(IntakeTest, WhatIsBehindABatchWaitsForItsAnswer) {
    Ticket* a = push({{1}, {}});
    EXPECT_EQ(take(), (Tickets{a}));
    Ticket* b = push({{1, 2}, {}});
    Ticket* c = push({{2}, {}}); // behind b, though 2 is free
    EXPECT_TRUE(take().empty());
    answer(a);
    EXPECT_EQ(take(), (Tickets{b, c}));
}

TEST_F(IntakeTest, DuplicatesOfOneReplayKeyAreDecidedOneAfterTheOther) {
    Ticket* first = push({{1}, 7});
    Ticket* second = push({{2}, 7}); // under the same key, on another object
    EXPECT_EQ(take(Track::Normal, 1), (Tickets{first}));
    EXPECT_TRUE(take().empty());
    answer(first);
    EXPECT_EQ(take(), (Tickets{second}));
}

TEST_F(IntakeTest, ReadsDoNotOrder) {
    core::Needs needs;
    needs.rows.push_back(row(1, core::Access::Read));
    ASSERT_TRUE(intake_->push({}, needs, Deadline::after(milliseconds{1000})).has_value());
    EXPECT_EQ(take().size(), 1u);
    ASSERT_TRUE(intake_->push({}, needs, Deadline::after(milliseconds{1000})).has_value());
    EXPECT_EQ(take().size(), 1u);
}

TEST_F(IntakeTest, ATicketThatChangesTrackKeepsItsPlace) {
    Ticket* a = push({{1}, {}});
    Ticket* b = push({{1}, {}});
    EXPECT_EQ(take(Track::Normal, 1), (Tickets{a}));
    intake_->put_back(a, Track::Slow);
    EXPECT_TRUE(take().empty()) << "b must not overtake a";
    EXPECT_EQ(take(Track::Slow), (Tickets{a, b})) << "and may ride with it";
    EXPECT_EQ(woken_.back(), Track::Slow);
}

TEST_F(IntakeTest, TheSlowLaneTakesOneRootAtATime) {
    Ticket* a = push({{1}, {}});
    Ticket* b = push({{2}, {}});
    take();
    intake_->put_back(a, Track::Slow);
    intake_->put_back(b, Track::Slow);
    EXPECT_EQ(take(Track::Slow), (Tickets{a}));
    EXPECT_EQ(take(Track::Slow), (Tickets{b}));
}

TEST_F(IntakeTest, SuspectsRunAlone) {
    Ticket* a = push({{1}, {}});
    Ticket* b = push({{1}, {}});
    take();
    intake_->put_back(a, Track::Suspect);
    intake_->put_back(b, Track::Suspect);
    EXPECT_EQ(take(Track::Suspect), (Tickets{a}));
    EXPECT_TRUE(take(Track::Suspect).empty());
    answer(a);
    EXPECT_EQ(take(Track::Suspect), (Tickets{b}));
}

TEST_F(IntakeTest, WhoComesBackToDamagedDataRunsAlone) {
    Ticket* guilty = push({{1}, {}});
    take();
    intake_->suspect(*guilty);
    answer(guilty);
    Ticket* again = push({{1}, {}});
    Ticket* other = push({{2}, {}});
    EXPECT_EQ(take(), (Tickets{other}));
    EXPECT_EQ(take(Track::Suspect), (Tickets{again}));
    answer(again);
    env_.advance(Intake::suspect_for);
    Ticket* later = push({{1}, {}}); // perhaps it is repaired
    EXPECT_EQ(take(), (Tickets{later}));
}

TEST_F(IntakeTest, SecondHalvesOfOperationsGoFirstAndAreNeverRefused) {
    for (int i = 0; i < 8; ++i) push({{i}, {}});
    EXPECT_EQ(intake_->push({}, {}, Deadline::after(milliseconds{10})).error().code,
              "processor_queue_full");
    core::Command outcome{.body = core::RecordOutcome{}};
    core::Needs needs;
    needs.rows.push_back(row(100));
    auto urgent = intake_->push(outcome, needs, Deadline::after(milliseconds{10}));
    ASSERT_TRUE(urgent.has_value());
    EXPECT_EQ(take(Track::Normal, 1), (Tickets{*urgent}));
}

TEST_F(IntakeTest, WhatIsTooLateIsAnsweredAndNotTaken) {
    Ticket* late = push({{1}, {}}, milliseconds{5});
    Ticket* behind = push({{1}, {}});
    env_.advance(milliseconds{5});
    EXPECT_EQ(take(), (Tickets{behind}));
    ASSERT_EQ(late->state, Ticket::State::Answered);
    EXPECT_EQ(late->answer->error().code, "processor_deadline");
    EXPECT_TRUE(late->answered.is_set());
}

TEST_F(IntakeTest, ASubmitterThatLeavesTakesItsTicketWithIt) {
    Ticket* a = push({{1}, {}});
    Ticket* b = push({{1}, {}});
    intake_->release(a);
    EXPECT_EQ(intake_->size(), 1u);
    EXPECT_EQ(take(), (Tickets{b}));
    intake_->release(b); // in a batch: stays until that has ended
    EXPECT_EQ(intake_->size(), 1u);
    answer(b);
    EXPECT_EQ(intake_->size(), 0u);
    EXPECT_EQ(push({{2}, {}}), b) << "recycled";
}

TEST_F(IntakeTest, RefusesWhatWaitsWhenTheProcessEnds) {
    Ticket* taken = push({{1}, {}});
    take();
    Ticket* waiting = push({{1}, {}});
    intake_->refuse_waiting({.kind = ErrorClass::Unavailable, .code = "processor_draining"});
    EXPECT_EQ(waiting->answer->error().code, "processor_draining");
    EXPECT_FALSE(taken->answer.has_value());
    answer(taken);
}

/// Whatever the keys, sizes of batches and order of answers: every ticket is handed out exactly
/// once, those on one key in order of arrival, and never two batches on one key at a time.
RC_GTEST_PROP(IntakeProperty, LinesAreNeverBroken, (std::vector<std::vector<std::uint8_t>> asked)) {
    SimEnv env(1);
    env.install();
    net::Loop loop;
    Intake intake(loop, 10'000, [](Track) {});
    std::map<Ticket*, std::size_t> number;
    std::map<int, std::vector<std::size_t>> seen; // per key, numbers in the order handed out
    std::vector<std::vector<Ticket*>> in_flight;
    std::size_t pushed = 0, done = 0;

    auto finish = [&](std::size_t which) {
        for (Ticket* t : in_flight[which]) {
            // Some change track first and are handed out again later.
            if (t->track == Track::Normal && *rc::gen::inRange(0, 4) == 0) {
                for (auto& [key, numbers] : seen) std::erase(numbers, number[t]);
                intake.put_back(t, *rc::gen::element(Track::Slow, Track::Suspect));
                // What rode behind it must go back as well; see batch.h.
                for (Ticket* u : in_flight[which]) {
                    if (!u->in_batch() || number[u] < number[t]) continue;
                    for (auto& [key, numbers] : seen) std::erase(numbers, number[u]);
                    intake.put_back(u, Track::Normal);
                }
                break;
            }
            intake.answer(t, core::Verdict{});
            intake.release(t);
            ++done;
        }
        std::erase_if(in_flight[which], [](Ticket* t) { return !t->in_batch(); });
        if (in_flight[which].empty()) {
            in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(which));
        }
    };
    auto take_one = [&](Track track) {
        std::size_t max = *rc::gen::inRange<std::size_t>(1, 6);
        auto batch = intake.take(
            {track, track == Track::Slow ? 1 : max, track == Track::Suspect ? 1 : max}, too_late);
        for (Ticket* t : batch) {
            for (const Place& place : t->places) {
                int key = place.key.key.id.bytes[1];
                for (auto& other : in_flight) {
                    for (Ticket* o : other) {
                        RC_ASSERT(std::ranges::none_of(
                            o->places, [&](const Place& p) { return p.key == place.key; }));
                    }
                }
                auto& numbers = seen[key];
                bool in_order = numbers.empty() || numbers.back() <= number[t];
                RC_ASSERT(in_order);
                if (numbers.empty() || numbers.back() != number[t]) numbers.push_back(number[t]);
            }
        }
        if (!batch.empty()) in_flight.push_back(std::move(batch));
    };

    while (done < asked.size()) {
        if (pushed < asked.size()) {
            core::Needs needs;
            for (std::uint8_t n : asked[pushed]) needs.rows.push_back(row(n % 5));
            auto ticket = intake.push({}, std::move(needs), Deadline::after(milliseconds{1000}));
            number[*ticket] = pushed++;
        }
        take_one(*rc::gen::element(Track::Normal, Track::Normal, Track::Slow, Track::Suspect));
        if (!in_flight.empty() && *rc::gen::arbitrary<bool>()) {
            finish(*rc::gen::inRange<std::size_t>(0, in_flight.size()));
        }
    }
    RC_ASSERT(intake.size() == 0u);
}

} // namespace
} // namespace holdfast::processor
