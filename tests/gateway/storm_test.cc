// Every fault at once over real sockets, and payers that follow the rules: execute; when the
// outcome is unknown, inquire; when it was not found, reverse. In the end each payer and the books
// agree.

#include "acquirer_harness.h"

#include <random>

namespace holdfast::gateway {
namespace {

struct Payer {
    Operation operation;
    std::string concluded;
};

Task<void> pay(SignedHttpConnector& connector, Payer& payer) {
    auto answer = co_await connector.execute(payer.operation, net::Deadline::after(200ms));
    bool reversing = false;
    for (int i = 0; i < 200; ++i) {
        if (answer && answer->finding != Finding::NotFound) {
            payer.concluded = text_of(answer);
            break;
        }
        if (answer) reversing = true;
        const auto deadline = net::Deadline::after(200ms);
        if (reversing)
            answer = co_await connector.reverse(payer.operation.id, deadline);
        else
            answer = co_await connector.inquire(payer.operation.id, deadline);
    }
    co_return Result<void>{};
}

TEST_F(AcquirerTest, InAStormPayersAndBooksAgree) {
    const std::uint64_t seed = env.random_u64() >> 16;
    SCOPED_TRACE("seed " + std::to_string(seed));
    set_faults(R"({"seed":)" + std::to_string(seed) + R"(,"modes":{
        "delay":{"probability":0.2,"delay_ms":0,"delay_max_ms":300},
        "lose_answer":{"probability":0.1},"answer_twice":{"probability":0.1},
        "book_late":{"probability":0.1,"delay_ms":0,"delay_max_ms":600},
        "disconnect":{"probability":0.1},"server_error":{"probability":0.1}}})");
    std::vector<Payer> payers(300);
    net::Gate gate(loop, "payers");
    std::mt19937_64 random(seed);
    for (std::size_t i = 0; i < payers.size(); ++i) {
        payers[i].operation = sale(env, "p" + std::to_string(i));
        if (random() % 8 == 0) payers[i].operation.vault_token = "test_chargeDeclined";
        ASSERT_TRUE(gate.spawn(pay(*connector, payers[i])));
    }
    ASSERT_TRUE(net::block_on(loop, gate.close(net::Deadline::after(60s))));
    pause(1s); // what was to be booked late has been, or never will be
    set_faults("{}");
    int charged = 0, reversed = 0;
    for (const Payer& payer : payers) {
        EXPECT_NE(payer.concluded, "");
        // A reversal can overtake the request: then it is declined with processing_error.
        const std::string now = inquire(payer.operation);
        const bool declined_late = payer.concluded == "declined processing_error";
        EXPECT_EQ(now, declined_late ? "reversed" : payer.concluded);
        auto purchases = server->books().purchases_of(payer.operation.metadata.at("purchase_id"));
        const std::int64_t net = purchases.empty() ? 0 : purchases[0].net_minor;
        EXPECT_EQ(net, payer.concluded == "approved" ? 1000 : 0) << payer.concluded;
        charged += net > 0;
        reversed += payer.concluded == "reversed";
    }
    EXPECT_EQ(server->books().totals().doubled, 0);
    EXPECT_GT(charged, 100);
    EXPECT_GT(reversed, 0);
}

} // namespace
} // namespace holdfast::gateway
