#include "processor/passing.h"

#include "base/env.h"
#include "processor/marks.h"

#include <gtest/gtest.h>

namespace holdfast::processor {
namespace {

class PassingTest : public testing::Test {
  protected:
    Uuid fresh() { return Uuid::time_ordered(env_); }

    SimEnv env_{1};
    const SecretString secret_{"id secret"};
    PassCipher ours_{env_, secret_}, theirs_{env_, secret_};
};

TEST_F(PassingTest, ACommandArrivesAsItWas) {
    PassedCommand sent{
        .number = fresh(), .sent = env_.wall(), .patience = std::chrono::seconds{7}, .command = {}};
    sent.command.account = Id<core::Account>(fresh());
    sent.command.request = {fresh(), 42, fresh(), "key"};
    sent.command.body = core::ConfirmPaymentIntent{.id = Id<core::PaymentIntent>(fresh())};
    const auto got = theirs_.open(*ours_.seal(sent));
    ASSERT_TRUE(got.has_value()) << to_string(got.error());
    EXPECT_EQ(got->number, sent.number);
    EXPECT_EQ(got->sent, sent.sent);
    EXPECT_EQ(got->patience, sent.patience);
    EXPECT_EQ(core::encode(got->command), core::encode(sent.command));
}

TEST_F(PassingTest, ACommandCountsOnce) {
    PassedOnce once;
    const auto code = [&](const PassedCommand& question, WallTime now) {
        auto taken = once.take(question, now);
        return taken ? std::string() : taken.error().code;
    };
    const WallTime now = env_.wall();
    const auto question = [&](Duration ago) {
        return PassedCommand{.number = fresh(), .sent = now - ago, .command = {}};
    };
    for (const Duration ago :
         {Duration{0}, PassedOnce::fresh_for - Duration{1}, Duration{1} - PassedOnce::fresh_for}) {
        const PassedCommand sent = question(ago);
        EXPECT_EQ(code(sent, now), "");
        for (const Duration later : {Duration{0}, PassedOnce::fresh_for, PassedOnce::fresh_for * 2,
                                     PassedOnce::fresh_for * 3})
            EXPECT_EQ(code(sent, now + later), "pass_repeated");
    }
    EXPECT_EQ(code(question(PassedOnce::fresh_for), now), "pass_repeated");
    EXPECT_EQ(code(question(-PassedOnce::fresh_for), now), "pass_repeated");
    PassedOnce crowded;
    for (std::size_t i = 0; i < PassedOnce::numbers_max; ++i)
        ASSERT_TRUE(crowded.take(question({}), now).has_value());
    EXPECT_EQ(crowded.take(question({}), now).error().code, "pass_crowded");
    const WallTime later = now + 2 * PassedOnce::fresh_for;
    EXPECT_TRUE(crowded.take({.number = fresh(), .sent = later, .command = {}}, later).has_value());
}

TEST_F(PassingTest, AnAnswerArrivesAsItWas) {
    const Uuid number = fresh();
    Outcome outcome{.answer = {.object = {core::ObjectKind::PaymentIntent, "bytes"},
                               .declined = core::PaymentError{}},
                    .replayed = true,
                    .original_request = fresh(),
                    .pending = true};
    outcome.answer.declined->failure = {"card_declined", "lost_card", "No."};
    const auto got = ours_.open_answer(number, *theirs_.seal_answer(number, outcome));
    ASSERT_TRUE(got.has_value()) << to_string(got.error());
    EXPECT_EQ(got->answer, outcome.answer);
    EXPECT_EQ(got->replayed, outcome.replayed);
    EXPECT_EQ(got->original_request, outcome.original_request);
    EXPECT_EQ(got->pending, outcome.pending);
    EXPECT_TRUE(ours_.open_answer(number, *theirs_.seal_answer(number, Outcome{})).has_value());
}

TEST_F(PassingTest, ARefusalArrivesAsItWas) {
    const Uuid number = fresh();
    const Error said{.kind = ErrorClass::Overload,
                     .code = "journal_full",
                     .message = "The log is full.",
                     .retryable = true,
                     .param = "amount"};
    const auto got = ours_.open_answer(number, *theirs_.seal_answer(number, fail(said)));
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().kind, said.kind);
    EXPECT_EQ(got.error().code, said.code);
    EXPECT_EQ(got.error().message, said.message);
    EXPECT_EQ(got.error().retryable, said.retryable);
    EXPECT_EQ(got.error().param, said.param);
}

TEST_F(PassingTest, WhatIsNotTheAnswerIsNoAnswer) {
    const Uuid number = fresh();
    const auto another = ours_.open_answer(number, *theirs_.seal_answer(fresh(), Outcome{}));
    ASSERT_FALSE(another.has_value());
    EXPECT_EQ(another.error().kind, ErrorClass::Unknown);
    for (const std::string& bytes : {std::string(), std::string(200, 'x')})
        EXPECT_EQ(ours_.open_answer(number, bytes).error().kind, ErrorClass::Unknown);
    PassCipher stranger(env_, SecretString{"another id secret"});
    EXPECT_FALSE(ours_.open_answer(number, *stranger.seal_answer(number, Outcome{})).has_value());
}

TEST_F(PassingTest, WhatWasSealedForAnotherEndIsRefused) {
    MarkCipher marks(env_, secret_);
    const auto sealed = marks.seal({.process = "pay-1", .life = fresh(), .marks = {}});
    EXPECT_EQ(theirs_.open(*sealed).error().code, "peer_message_refused");
    PassCipher stranger(env_, SecretString{"another id secret"});
    EXPECT_EQ(theirs_.open(*stranger.seal(PassedCommand{})).error().code, "peer_message_refused");
    std::string broken = *ours_.seal(PassedCommand{.number = fresh(), .command = {}});
    broken[broken.size() / 2] ^= 1;
    EXPECT_EQ(theirs_.open(broken).error().code, "peer_message_refused");
}

} // namespace
} // namespace holdfast::processor
