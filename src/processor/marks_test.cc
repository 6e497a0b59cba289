#include "processor/marks.h"

#include "core/snapshot.h"
#include "net/sim_loop.h"
#include "processor/mark_book.h"
#include "processor/mark_teller.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::processor {
namespace {

using Hearing = MarkBook::Hearing;
using std::chrono::milliseconds;
using std::chrono::seconds;

class MarksTest : public testing::Test, public MarkHolder {
  protected:
    ~MarksTest() override { EXPECT_EQ(bugs_found(), bugs_); }

    bool holds_any() const override { return !held_.empty(); }
    std::vector<core::RowKey> held() const override {
        std::vector<core::RowKey> keys;
        for (const auto& [key, mark] : held_) keys.push_back(key);
        return keys;
    }
    Mark mark_of(const core::RowKey& payment) const override {
        auto found = held_.find(payment);
        return found == held_.end() ? Mark{.payment = payment} : found->second;
    }

    core::RowKey hold(std::string description = "") {
        core::PaymentIntent payment;
        payment.account = account_;
        payment.id = Id<core::PaymentIntent>::time_ordered(env_);
        payment.details.description = std::move(description);
        const core::RowKey key{account_, payment.id.uuid()};
        core::ReplayRecord told{.account = account_,
                                .replay_key = Uuid::time_ordered(env_),
                                .fingerprint = 7,
                                .request_id = Uuid::time_ordered(env_),
                                .created = env_.wall(),
                                .answer = {core::snapshot(payment), {}}};
        held_[key] = {.payment = key,
                      .held = true,
                      .objects = {core::snapshot(payment)},
                      .answers = {std::move(told)}};
        return key;
    }
    MarkMessage message(std::uint64_t number, bool whole, std::vector<Mark> marks = {}) {
        return {.process = "pay-1",
                .life = life_,
                .number = number,
                .whole = whole,
                .marks = std::move(marks)};
    }

    /// A teller to one peer, our book, over a wire that a test may cut.
    std::unique_ptr<MarkTeller> teller() {
        Peer peer{.name = "pay-2", .post = [this](std::string sealed, net::Deadline deadline) {
                      return carry(std::move(sealed), deadline);
                  }};
        std::vector<Peer> peers{std::move(peer)};
        auto made = std::make_unique<MarkTeller>(sim_.loop(), env_, cipher_, "pay-1",
                                                 std::move(peers), nullptr);
        EXPECT_TRUE(made->start(*this).has_value());
        return made;
    }
    net::Task<Hearing> carry(std::string sealed, net::Deadline deadline) {
        ++posts_;
        if (cut_) {
            CO_TRY_VOID(co_await net::sleep_until(deadline.when()));
            co_return fail(ErrorClass::Unknown, "http_no_answer", "It was cut.");
        }
        CO_TRY_VOID(co_await net::sleep_for(milliseconds{1}));
        CO_TRY(const MarkMessage heard, cipher_.open(sealed));
        const Hearing hearing = book_->hear(heard);
        if (!lose_answers_) co_return hearing;
        co_return fail(ErrorClass::Unknown, "http_no_answer", "The answer was lost.");
    }
    void end(MarkTeller& teller) {
        EXPECT_TRUE(
            sim_.run(teller.stop(net::Deadline::after(seconds{1})), seconds{10}).has_value());
    }
    Duration time_of_telling(MarkTeller& teller, const core::RowKey& key) {
        const MonoTime began = env_.now();
        EXPECT_TRUE(sim_.run(teller.told(key, milliseconds{100}), seconds{10}).has_value());
        return env_.now() - began;
    }
    bool is_marked(const core::RowKey& key) const { return book_->find(key) != nullptr; }

    std::uint64_t bugs_ = bugs_found();
    SimEnv env_{5};
    bool installed_ = (env_.install(), true);
    net::SimLoop sim_{env_, 5};
    Id<core::Account> account_ = Id<core::Account>::time_ordered(env_);
    Uuid life_ = Uuid::time_ordered(env_);
    MarkCipher cipher_{env_, SecretString{"the id secret of the platform"}};
    std::map<core::RowKey, Mark> held_;
    std::optional<MarkBook> book_{std::in_place, sim_.loop(), env_};
    bool cut_ = false, lose_answers_ = false;
    int posts_ = 0;
};

TEST_F(MarksTest, AMessageArrivesAsItWasSealed) {
    const core::RowKey key = hold("a book");
    const std::string sealed = cipher_.seal(message(3, true, {mark_of(key)})).value();
    auto opened = MarkCipher(env_, SecretString{"the id secret of the platform"}).open(sealed);
    ASSERT_TRUE(opened.has_value()) << to_string(opened.error());
    EXPECT_EQ(opened->process, "pay-1");
    EXPECT_EQ(opened->life, life_);
    EXPECT_EQ(opened->number, 3U);
    EXPECT_TRUE(opened->whole);
    ASSERT_EQ(opened->marks.size(), 1U);
    EXPECT_EQ(opened->marks[0].payment, key);
    EXPECT_EQ(opened->marks[0].objects, held_[key].objects);
    EXPECT_EQ(opened->marks[0].answers, held_[key].answers);
}

TEST_F(MarksTest, NothingElseIsTakenForOne) {
    const std::string sealed = cipher_.seal(message(1, true, {mark_of(hold())})).value();
    MarkCipher stranger(env_, SecretString{"the id secret of another platform"});
    EXPECT_EQ(stranger.open(sealed).error().code, "peer_message_refused");
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        std::string changed = sealed;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_FALSE(cipher_.open(changed).has_value()) << i;
        EXPECT_FALSE(cipher_.open(sealed.substr(0, i)).has_value()) << i;
    }
    EXPECT_FALSE(cipher_.open(sealed + "x").has_value());
}

TEST_F(MarksTest, OnlyWhatFollowsCounts) {
    const core::RowKey key = hold();
    const Mark mark = mark_of(key);
    EXPECT_EQ(book_->hear(message(1, false, {mark})), Hearing::SendWhole) << "never heard of it";
    EXPECT_FALSE(is_marked(key));
    EXPECT_EQ(book_->hear(message(2, true, {mark})), Hearing::Taken);
    EXPECT_TRUE(is_marked(key));
    const Mark gone{.payment = key};
    EXPECT_EQ(book_->hear(message(2, false, {gone})), Hearing::SendWhole) << "repeated";
    EXPECT_EQ(book_->hear(message(4, false, {gone})), Hearing::SendWhole) << "one is missing";
    EXPECT_TRUE(is_marked(key));
    EXPECT_EQ(book_->hear(message(3, false, {gone})), Hearing::Taken);
    EXPECT_FALSE(is_marked(key));
}

TEST_F(MarksTest, ANewLifeBeginsAnewAndAnOldOneIsOver) {
    const core::RowKey key = hold();
    ASSERT_EQ(book_->hear(message(1, true, {mark_of(key)})), Hearing::Taken);
    sim_.run_for(seconds{1});
    const Uuid old = std::exchange(life_, Uuid::time_ordered(env_));
    EXPECT_EQ(book_->hear(message(2, false)), Hearing::SendWhole);
    EXPECT_EQ(book_->hear(message(3, true)), Hearing::Taken);
    EXPECT_FALSE(is_marked(key)) << "it does not hold it any more";
    life_ = old;
    EXPECT_EQ(book_->hear(message(9, true, {mark_of(key)})), Hearing::Refused);
    EXPECT_FALSE(is_marked(key));
    sim_.run_for(MarkBook::silence_max + seconds{1});
    EXPECT_EQ(book_->hear(message(1, true)), Hearing::Taken) << "its clock was set back";
}

TEST_F(MarksTest, WhoIsSilentDoesNotSpeak) {
    const core::RowKey key = hold();
    ASSERT_EQ(book_->hear(message(1, true, {mark_of(key)})), Hearing::Taken);
    sim_.run_for(MarkBook::silence_max);
    EXPECT_TRUE(book_->speaks(*book_->find(key)));
    sim_.run_for(milliseconds{1});
    EXPECT_FALSE(book_->speaks(*book_->find(key)));
    EXPECT_TRUE(is_marked(key)) << "what it holds is known all the same";
}

TEST_F(MarksTest, ThePeerKnowsBeforeTheCallerIsAnswered) {
    auto told = teller();
    sim_.run_for(seconds{1});
    const core::RowKey key = hold();
    told->changed(key);
    EXPECT_LT(time_of_telling(*told, key), milliseconds{10});
    EXPECT_TRUE(is_marked(key));
    EXPECT_TRUE(book_->speaks(*book_->find(key)));
    sim_.run_for(std::chrono::minutes{1});
    EXPECT_TRUE(book_->speaks(*book_->find(key))) << "it hears from us as long as we hold it";
    held_.erase(key);
    told->changed(key);
    sim_.run_for(seconds{1});
    EXPECT_FALSE(is_marked(key));
    const int posts = posts_;
    sim_.run_for(std::chrono::minutes{1});
    EXPECT_EQ(posts_, posts) << "nobody speaks who holds nothing";
    end(*told);
}

TEST_F(MarksTest, WhoCannotBeReachedIsWaitedForOnceAndToldLater) {
    auto told = teller();
    sim_.run_for(seconds{1});
    cut_ = true;
    const core::RowKey first = hold(), second = hold();
    told->changed(first);
    EXPECT_GE(time_of_telling(*told, first), milliseconds{100});
    sim_.run_for(seconds{2});
    told->changed(second);
    EXPECT_LT(time_of_telling(*told, second), milliseconds{10});
    cut_ = false;
    sim_.run_for(seconds{3});
    EXPECT_TRUE(is_marked(first) && is_marked(second));
    end(*told);
}

TEST_F(MarksTest, APeerThatHasStartedAnewIsToldEverything) {
    std::vector<core::RowKey> keys;
    for (int i = 0; i < 100; ++i) keys.push_back(hold(std::string(2000, 'x'))); // several messages
    auto told = teller();
    sim_.run_for(seconds{1});
    book_.emplace(sim_.loop(), env_);
    sim_.run_for(seconds{3});
    EXPECT_EQ(book_->size(), keys.size());
    EXPECT_TRUE(std::ranges::all_of(keys, [&](const auto& key) { return is_marked(key); }));
    end(*told);
}

TEST_F(MarksTest, ALostAnswerLeavesNothingBehind) {
    auto told = teller();
    sim_.run_for(seconds{1});
    lose_answers_ = true;
    const core::RowKey key = hold();
    told->changed(key);
    sim_.run_for(seconds{3});
    held_.erase(key); // while it is not known whether the peer has heard of it
    told->changed(key);
    lose_answers_ = false;
    sim_.run_for(seconds{3});
    EXPECT_FALSE(is_marked(key));
    end(*told);
}

TEST_F(MarksTest, WhatDoesNotFitIsLeftOutAndTheOthersAreTold) {
    const core::RowKey large = hold(std::string(mark_bytes_max, 'x'));
    const core::RowKey small = hold();
    auto told = teller();
    sim_.run_for(seconds{1});
    EXPECT_FALSE(is_marked(large));
    EXPECT_TRUE(is_marked(small));
    end(*told);
}

} // namespace
} // namespace holdfast::processor
