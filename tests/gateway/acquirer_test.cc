#include "acquirer_harness.h"

#include "base/files.h"

namespace holdfast::gateway {
namespace {

TEST_F(AcquirerTest, PaysCapturesVoidsAndRefunds) {
    Operation op = sale(env, "p");
    EXPECT_EQ(inquire(op), "not_found");
    EXPECT_EQ(execute(op), "approved");
    EXPECT_EQ(execute(op), "approved");
    EXPECT_EQ(inquire(op), "approved");
    EXPECT_EQ(execute(upon(env, op, OperationKind::Refund, 400)), "approved");
    EXPECT_EQ(execute(upon(env, op, OperationKind::Refund, 601)),
              "declined refund_exceeds_capture");

    Operation hold = sale(env, "q", 500);
    hold.kind = OperationKind::Authorize;
    EXPECT_EQ(execute(hold), "approved");
    EXPECT_EQ(execute(upon(env, hold, OperationKind::Capture, 300)), "approved");
    EXPECT_EQ(execute(upon(env, hold, OperationKind::Void, 0)), "declined nothing_to_void");
    hold = sale(env, "r", 500);
    hold.kind = OperationKind::Authorize;
    EXPECT_EQ(execute(hold), "approved");
    EXPECT_EQ(execute(upon(env, hold, OperationKind::Void, 0)), "approved");
    EXPECT_EQ(
        get("/admin/purchases").body,
        R"({"purchases":[{"purchase_id":"p","currency":"usd","charges":1,"net":600,"held":0},)"
        R"({"purchase_id":"q","currency":"usd","charges":1,"net":300,"held":0},)"
        R"({"purchase_id":"r","currency":"usd","charges":0,"net":0,"held":0}]})");
}

TEST_F(AcquirerTest, DeclinesAndRefuses) {
    Operation op = sale(env, "p");
    op.vault_token = "test_visa_chargeDeclinedLostCard";
    EXPECT_EQ(execute(op), "declined lost_card");
    EXPECT_EQ(reverse(op), "declined lost_card");
    op = sale(env, "p");
    op.valid_until = env.wall() - 1ms;
    EXPECT_EQ(execute(op), "unavailable request_expired");
    op = sale(env, "p");
    EXPECT_EQ(execute(op), "approved");
    op.amount.minor = 1;
    EXPECT_EQ(execute(op), "conflict reference_reused");
}

TEST_F(AcquirerTest, ReversalComesBeforeOrAfter) {
    Operation before = sale(env, "p"), after = sale(env, "p");
    EXPECT_EQ(reverse(before), "reversed");
    EXPECT_EQ(execute(before), "declined processing_error");
    EXPECT_EQ(execute(after), "approved");
    EXPECT_EQ(reverse(after), "reversed");
    EXPECT_EQ(inquire(after), "reversed");
    EXPECT_EQ(server->books().purchases_of("p").at(0).net_minor, 0);
}

TEST_F(AcquirerTest, KeepsItsBooksOverARestart) {
    Operation op = sale(env, "p"), reversed = sale(env, "p");
    EXPECT_EQ(execute(op), "approved");
    EXPECT_EQ(reverse(reversed), "reversed");
    auto before = net::block_on(loop, connector->list_since("", 10, net::Deadline::after(5s)));
    connector.reset();
    stop();
    start();
    EXPECT_EQ(inquire(op), "approved");
    EXPECT_EQ(execute(reversed), "declined processing_error");
    auto after = net::block_on(loop, connector->list_since("", 10, net::Deadline::after(5s)));
    ASSERT_EQ(before.value().size(), 2u);
    EXPECT_EQ(encode_lines(*before), encode_lines(*after));
}

TEST_F(AcquirerTest, ListsFromAPosition) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(execute(sale(env, "p" + std::to_string(i))), "approved");
    auto list = [&](std::string position, int limit) {
        return net::block_on(loop,
                             connector->list_since(position, limit, net::Deadline::after(5s)));
    };
    auto first = list("", 2).value();
    ASSERT_EQ(first.size(), 2u);
    auto rest = list(first[1].position, 1000).value();
    ASSERT_EQ(rest.size(), 3u);
    EXPECT_EQ(rest[0].metadata.at("purchase_id"), "p2");
    EXPECT_EQ(list("6", 10).error().code, "position_unknown");
}

TEST_F(AcquirerTest, LostAnswerIsUnknownAndFoundByInquiry) {
    set_faults(R"({"modes":{"lose_answer":{"count":1,"calls":["execute"]}}})");
    Operation op = sale(env, "p");
    EXPECT_EQ(execute(op), "unknown acquirer_answer_lost");
    EXPECT_EQ(inquire(op), "approved");
    EXPECT_EQ(execute(op), "approved"); // it recovers by itself
    EXPECT_EQ(server->books().purchases_of("p").at(0).charges, 1);
}

TEST_F(AcquirerTest, DisconnectBooksNothing) {
    set_faults(R"({"modes":{"disconnect":{"count":1}}})");
    Operation op = sale(env, "p");
    EXPECT_EQ(execute(op), "unknown acquirer_answer_lost");
    EXPECT_EQ(inquire(op), "not_found");
    EXPECT_EQ(execute(op), "approved");
}

TEST_F(AcquirerTest, ServerErrorIsUnknown) {
    set_faults(R"({"modes":{"server_error":{"calls":["execute"]}}})");
    int booked = 0;
    for (int i = 0; i < 20; ++i) {
        Operation op = sale(env, "p" + std::to_string(i));
        EXPECT_EQ(execute(op), "unknown acquirer_failed");
        booked += inquire(op) == "approved";
    }
    EXPECT_GT(booked, 2);
    EXPECT_LT(booked, 18);
    set_faults("{}");
    EXPECT_EQ(execute(sale(env, "p")), "approved");
}

TEST_F(AcquirerTest, LateBookingHappensUnlessReversed) {
    set_faults(R"({"modes":{"book_late":{"delay_ms":150,"calls":["execute"]}}})");
    Operation kept = sale(env, "kept"), reversed = sale(env, "reversed");
    EXPECT_EQ(execute(kept), "unknown acquirer_answer_lost");
    EXPECT_EQ(execute(reversed), "unknown acquirer_answer_lost");
    EXPECT_EQ(inquire(kept), "not_found");
    EXPECT_EQ(reverse(reversed), "reversed");
    pause(300ms);
    EXPECT_EQ(inquire(kept), "approved");
    EXPECT_EQ(inquire(reversed), "reversed");
    EXPECT_TRUE(server->books().purchases_of("reversed").empty());
}

TEST_F(AcquirerTest, SlowAnswerIsUnknownAtTheDeadline) {
    set_faults(R"({"modes":{"delay":{"delay_ms":300,"count":1}}})");
    Operation op = sale(env, "p");
    EXPECT_EQ(execute(op, 100ms), "unknown acquirer_answer_lost");
    EXPECT_EQ(inquire(op), "not_found");
    pause(300ms);
    EXPECT_EQ(inquire(op), "approved");
}

TEST_F(AcquirerTest, SecondAnswerIsNeverTakenForAnotherRequests) {
    set_faults(R"({"modes":{"answer_twice":{}}})");
    for (int i = 0; i < 30; ++i) {
        Operation good = sale(env, "good"), bad = sale(env, "bad");
        bad.vault_token = "test_chargeDeclined";
        for (const Operation& op : {good, bad}) {
            const std::string answer = execute(op);
            const bool mixed =
                answer == (op.id == good.id ? "declined generic_decline" : "approved");
            EXPECT_FALSE(mixed) << answer;
        }
    }
    set_faults("{}");
    EXPECT_EQ(execute(sale(env, "p")), "approved");
    EXPECT_EQ(server->books().purchases_of("good").at(0).charges, 30);
}

TEST_F(AcquirerTest, OnlyWhoKnowsTheSecretIsHeard) {
    auto stranger = connect("other-secret");
    auto answer = net::block_on(loop, stranger->execute(sale(env, "p"), net::Deadline::after(5s)));
    EXPECT_EQ(text_of(answer), "unknown acquirer_answer_unverified");
    EXPECT_EQ(server->books().totals().operations, 0);
    for (auto target : {"/v1/lines", "/v1/operations/x", "/v1/cards/x", "/v1/nothing"}) {
        EXPECT_EQ(get(target).status, 401) << target;
    }
    stranger.reset();
}

TEST_F(AcquirerTest, NobodyThereMeansNothingSent) {
    auto orphan = connect("shared-secret");
    connector.reset();
    stop();
    auto answer = net::block_on(loop, orphan->execute(sale(env, "p"), net::Deadline::after(5s)));
    EXPECT_EQ(text_of(answer), "unavailable acquirer_unavailable");
    orphan.reset();
    start();
    EXPECT_EQ(execute(sale(env, "p")), "approved");
}

TEST_F(AcquirerTest, TokenizesAndLooksUp) {
    const auto account = Id<core::Account>::time_ordered(env);
    auto tokenize = [&](std::string number, std::int32_t month) {
        return net::block_on(loop, connector->tokenize(account, {number, "123", month, 2044},
                                                       net::Deadline::after(5s)));
    };
    auto card = tokenize("4000 0000 0000 9995", 11);
    ASSERT_TRUE(card) << to_string(card.error());
    EXPECT_EQ(card->card.last4, "9995");
    Operation op = sale(env, "p");
    op.vault_token = card->vault_token;
    EXPECT_EQ(execute(op), "declined insufficient_funds");
    auto found =
        net::block_on(loop, connector->look_up(card->vault_token, net::Deadline::after(5s)));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->card, card->card);
    for (auto unknown : {"test_visa", "x", "", "../lines", "a?b", "a/reverse"}) {
        auto none = net::block_on(loop, connector->look_up(unknown, net::Deadline::after(5s)));
        EXPECT_EQ(none.error().code, "vault_token_unknown") << unknown;
    }
    auto bad = tokenize("4242424242424241", 11);
    EXPECT_EQ(bad.error().kind, ErrorClass::Declined);
    EXPECT_EQ(bad.error().code, "incorrect_number");
    EXPECT_EQ(bad.error().param, "number");
    EXPECT_EQ(tokenize("4242424242424242", 13).error().param, "exp_month");

    ASSERT_TRUE(tokenize("4111111111111111", 11));
    EXPECT_EQ(read_file(directory.books())->find("4111111111111111"), std::string::npos);
}

TEST_F(AcquirerTest, TokenizesForBrowsersOfAnyOrigin) {
    auto preflight = http({.method = "OPTIONS", .target = "/browser/v1/cards"});
    EXPECT_EQ(preflight.status, 204);
    EXPECT_EQ(preflight.headers.get("Access-Control-Allow-Origin"), "*");
    EXPECT_NE(preflight.headers.get("Access-Control-Allow-Methods").find("POST"),
              std::string::npos);
    const std::string account = Id<core::Account>::time_ordered(env).str();
    auto post = [&](std::string number) {
        return http({.method = "POST",
                     .target = "/browser/v1/cards",
                     .body = R"({"account":")" + account + R"(","number":")" + number +
                             R"(","cvc":"123","exp_month":12,"exp_year":2044})"});
    };
    auto card = post("4242424242424242");
    EXPECT_EQ(card.status, 200) << card.body;
    EXPECT_EQ(card.headers.get("Access-Control-Allow-Origin"), "*");
    EXPECT_NE(card.body.find(R"("vault_token":"test_visa.)"), std::string::npos);
    auto bad = post("4242424242424241");
    EXPECT_EQ(bad.status, 402);
    EXPECT_NE(bad.body.find("incorrect_number"), std::string::npos);
    EXPECT_EQ(bad.body.find("4242424242424241"), std::string::npos);
    EXPECT_EQ(bad.headers.get("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(get("/browser/v1/cards").status, 404);
}

TEST_F(AcquirerTest, AdminApiNeedsItsToken) {
    EXPECT_EQ(get("/admin/books", "").status, 401);
    EXPECT_EQ(get("/admin/books", "admin-tokem").status, 401);
    EXPECT_EQ(get("/admin/nothing").status, 404);
    EXPECT_EQ(get("/nothing").status, 404);
    EXPECT_EQ(http({.method = "PUT", .target = "/admin/faults", .body = "{}"}).status, 401);
    EXPECT_EQ(get("/livez", "").status, 200);
    EXPECT_EQ(get("/readyz", "").status, 200);
}

TEST_F(AcquirerTest, AdminApiReportsTheBooks) {
    EXPECT_EQ(execute(sale(env, "a")), "approved");
    const auto between = unix_micros(env.wall());
    pause(2ms);
    EXPECT_EQ(execute(sale(env, "a")), "approved");
    EXPECT_NE(get("/admin/books").body.find(R"({"lines":2,"operations":2,"cards":0,"doubled":1)"),
              std::string::npos);
    auto lines = get("/admin/lines?from=" + std::to_string(between));
    EXPECT_EQ(lines.body.find(R"({"lines":[{"position":"2")"), 0u) << lines.body;
    EXPECT_NE(lines.body.find(R"("purchase_id":"a")"), std::string::npos);
    EXPECT_EQ(get("/admin/lines?limit=1&after=1&until=" + std::to_string(between)).body,
              R"({"lines":[]})");
    EXPECT_EQ(
        get("/admin/purchases?purchase_id=a").body,
        R"({"purchases":[{"purchase_id":"a","currency":"usd","charges":2,"net":2000,"held":0}]})");
    EXPECT_EQ(get("/admin/purchases?purchase_id=b").body, R"({"purchases":[]})");
    for (auto bad : {"/admin/lines?limit=0", "/admin/lines?limit=1001", "/admin/lines?from=x",
                     "/admin/lines?after=99", "/admin/purchases?skip=-1", "/admin/lines?limit[]=1",
                     "/admin/lines?%00=1"}) {
        EXPECT_EQ(get(bad).status, 400) << bad;
    }
}

TEST_F(AcquirerTest, BadFaultPlanChangesNothing) {
    set_faults(R"({"seed":3,"modes":{"delay":{"delay_ms":1}}})");
    auto refused = http(
        {.method = "PUT", .target = "/admin/faults", .body = R"({"modes":{"x":{}}})"}, admin_token);
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(get("/admin/faults").body.find(R"("seed":3)"), std::string::npos);
}

Task<void> execute_into(SignedHttpConnector& connector, Operation op, int& approved) {
    auto answer = co_await connector.execute(std::move(op), net::Deadline::after(20s));
    approved += text_of(answer) == "approved";
    co_return Result<void>{};
}

TEST_F(AcquirerTest, ManyOperationsShareOneSync) {
    constexpr int count = 1000;
    int approved = 0;
    net::Gate gate(loop, "payers");
    for (int i = 0; i < count; ++i) {
        ASSERT_TRUE(
            gate.spawn(execute_into(*connector, sale(env, "p" + std::to_string(i)), approved)));
    }
    ASSERT_TRUE(net::block_on(loop, gate.close(net::Deadline::after(60s))));
    EXPECT_EQ(approved, count);
    auto text = get("/admin/books").body;
    const int syncs = std::stoi(text.substr(text.find(R"("syncs":)") + 8));
    EXPECT_LT(syncs, count / 4) << text;
}

} // namespace
} // namespace holdfast::gateway
