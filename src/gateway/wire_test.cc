#include "gateway/wire.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

using core::Operation;
using core::OperationKind;

template <class T> Id<T> id(std::uint8_t n) { return Id<T>(Uuid{{n, n}}); }

Operation refund() {
    Operation op;
    op.id = id<Operation>(1);
    op.account = id<core::Account>(2);
    op.payment_intent = id<core::PaymentIntent>(3);
    op.kind = OperationKind::Refund;
    op.amount = {1050, *core::Currency::parse("eur")};
    op.original = id<Operation>(4);
    op.vault_token = "test_visa.x";
    op.valid_until = wall_from_micros(1'790'000'000'123'456);
    op.metadata = {{"purchase_id", "o-1"}, {"quote\"", "</script>\n ü"}};
    return op;
}

TEST(Wire, OperationRoundTrip) {
    const Operation sent = refund();
    auto got = decode_operation(encode_operation(sent));
    ASSERT_TRUE(got) << to_string(got.error());
    EXPECT_EQ(got->id, sent.id);
    EXPECT_EQ(got->account, sent.account);
    EXPECT_EQ(got->payment_intent, sent.payment_intent);
    EXPECT_EQ(got->kind, sent.kind);
    EXPECT_EQ(got->amount, sent.amount);
    EXPECT_EQ(got->original, sent.original);
    EXPECT_EQ(got->vault_token, sent.vault_token);
    EXPECT_EQ(got->valid_until, sent.valid_until);
    EXPECT_EQ(got->metadata, sent.metadata);
}

TEST(Wire, OperationReads) {
    EXPECT_EQ(encode_operation({.id = id<Operation>(1),
                                .account = id<core::Account>(2),
                                .kind = OperationKind::Void,
                                .amount = {5, {}},
                                .valid_until = wall_from_micros(7)}),
              R"({"reference":")" + id<Operation>(1).str() + R"(","account":")" +
                  id<core::Account>(2).str() +
                  R"(","kind":"void","amount":5,"currency":"usd","valid_until":7})");
}

TEST(Wire, BadOperationsAreRefused) {
    const std::string good = encode_operation(refund());
    auto with = [&](std::string_view from, std::string_view to) {
        std::string changed = good;
        changed.replace(changed.find(from), from.size(), to);
        auto decoded = decode_operation(changed);
        return decoded ? "ok" : decoded.error().code + "/" + decoded.error().param;
    };
    EXPECT_EQ(with("\"refund\"", "\"steal\""), "message_invalid/kind");
    EXPECT_EQ(with("1050", "10.5"), "json_field/amount");
    EXPECT_EQ(with("1050", "1e3"), "json_field/amount");
    EXPECT_EQ(with("1050", "\"1050\""), "json_field/amount");
    EXPECT_EQ(with("1050", "99999999999999999999"), "json_field/amount");
    EXPECT_EQ(with("\"eur\"", "\"xxx\""), "message_invalid/currency");
    EXPECT_EQ(with("\"reference\":\"op_", "\"reference\":\"xx_"), "message_invalid/reference");
    EXPECT_EQ(with("\"valid_until\"", "\"valid\""), "json_field/valid_until");
    EXPECT_EQ(with("\"o-1\"", "1"), "message_invalid/metadata");
    EXPECT_EQ(with("\"amount\"", "\"later\":[1],\"amount\""), "ok");
    for (auto text : {"", "{", "[]", "null", "7", "{}"})
        EXPECT_FALSE(decode_operation(text)) << text;
}

TEST(Wire, AnswersRoundTrip) {
    const AcquirerAnswer declined{
        .finding = Finding::Declined,
        .failure = {"card_declined", "lost_card", "Your card was declined."},
        .repeated = true};
    auto got = decode_answer(encode_answer(declined));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->finding, Finding::Declined);
    EXPECT_EQ(got->failure, declined.failure);
    EXPECT_TRUE(got->repeated);
    EXPECT_FALSE(got->executed_as.has_value());
    for (Finding finding : {Finding::Approved, Finding::NotFound, Finding::Reversed}) {
        got = decode_answer(encode_answer({.finding = finding,
                                           .authorization_code = "000123",
                                           .executed_as = core::OperationKind::Authorize}));
        ASSERT_TRUE(got);
        EXPECT_EQ(got->executed_as, core::OperationKind::Authorize);
        EXPECT_FALSE(got->repeated);
        EXPECT_EQ(got->finding, finding);
        EXPECT_EQ(got->authorization_code, "000123");
    }
    for (auto text :
         {R"({"finding":"approved","kind":"steal"})", R"({"finding":"approved","repeated":1})",
          R"({"finding":"maybe"})", R"({"finding":"declined"})", R"({"finding":1})",
          R"({"finding":"declined","failure":{"code":"x"}})", "{}", "<html>"}) {
        EXPECT_FALSE(decode_answer(text)) << text;
    }
}

TEST(Wire, CardsRoundTrip) {
    auto message = decode_tokenize(
        encode_tokenize({id<core::Account>(2), {"4242424242424242", "123", 12, 2034}}));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->account, id<core::Account>(2));
    EXPECT_EQ(message->card.number, "4242424242424242");
    EXPECT_EQ(message->card.cvc, "123");
    EXPECT_EQ(message->card.exp_year, 2034);
    Vaulted sent{"test_visa.x", {"visa", "4242", 12, 2034, "debit", "DE", "fp"}};
    auto vaulted = decode_vaulted(encode_vaulted(sent));
    ASSERT_TRUE(vaulted);
    EXPECT_EQ(vaulted->vault_token, sent.vault_token);
    EXPECT_EQ(vaulted->card, sent.card);
    EXPECT_FALSE(decode_vaulted(R"({"vault_token":"x"})"));
}

TEST(Wire, LinesRoundTrip) {
    const core::Currency jpy = *core::Currency::parse("jpy");
    BookLine line{.reference = id<Operation>(1),
                  .kind = OperationKind::Capture,
                  .finding = Finding::Reversed,
                  .amount = {500, jpy},
                  .captured = {400, jpy},
                  .refunded = {300, jpy},
                  .original = id<Operation>(2),
                  .metadata = {{"purchase_id", "o-1"}},
                  .booked = wall_from_micros(123),
                  .position = "17"};
    auto lines = decode_lines(encode_lines({line, line}));
    ASSERT_TRUE(lines);
    ASSERT_EQ(lines->size(), 2u);
    const BookLine& got = lines->at(1);
    EXPECT_EQ(got.reference, line.reference);
    EXPECT_EQ(got.kind, line.kind);
    EXPECT_EQ(got.finding, line.finding);
    EXPECT_EQ(got.amount, line.amount);
    EXPECT_EQ(got.captured, line.captured);
    EXPECT_EQ(got.refunded, line.refunded);
    EXPECT_EQ(got.original, line.original);
    EXPECT_EQ(got.metadata, line.metadata);
    EXPECT_EQ(got.booked, line.booked);
    EXPECT_EQ(got.position, "17");
    EXPECT_TRUE(decode_lines(R"({"lines":[]})")->empty());
    EXPECT_FALSE(decode_lines(R"({"lines":[1]})"));
}

TEST(Wire, ErrorsKeepTheirMeaning) {
    for (ErrorClass kind : {ErrorClass::Invalid, ErrorClass::Declined, ErrorClass::NotFound,
                            ErrorClass::Conflict, ErrorClass::Unavailable}) {
        const Error sent{.kind = kind, .code = "c", .message = "m", .param = "p"};
        auto got = decode_error(error_status(sent), encode_error(sent));
        ASSERT_TRUE(got);
        EXPECT_EQ(got->kind, kind);
        EXPECT_EQ(got->code, "c");
        EXPECT_EQ(got->param, "p");
    }
    // What does not say that nothing was done may have been done.
    for (ErrorClass kind : {ErrorClass::Bug, ErrorClass::Io, ErrorClass::Unknown,
                            ErrorClass::Deadline, ErrorClass::Auth, ErrorClass::Forbidden}) {
        const Error sent{.kind = kind, .code = "c", .message = "m"};
        EXPECT_EQ(decode_error(error_status(sent), encode_error(sent))->kind, ErrorClass::Unknown);
    }
}

} // namespace
} // namespace holdfast::gateway
