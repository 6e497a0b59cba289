#include "gateway/sim_acquirer.h"

#include "net/timer.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

using core::Operation;
using core::OperationKind;
using namespace std::chrono_literals;

struct World {
    explicit World(std::uint64_t seed, SimAcquirerOptions options = {})
        : env(seed),
          installed((env.install(), true)),
          sim(env, seed),
          acquirer(sim, env, options) {}

    Operation sale(std::string purchase) {
        Operation op;
        op.id = Id<Operation>::time_ordered(env);
        op.kind = OperationKind::Sale;
        op.amount = {1000, {}};
        op.vault_token = "test_visa";
        op.valid_until = env.wall() + 15s;
        op.metadata["purchase_id"] = std::move(purchase);
        return op;
    }
    std::string execute(const Operation& op, Duration limit = 1s) {
        return text(sim.run(acquirer.execute(op, Deadline::after(limit)), 1min));
    }
    std::string inquire(const Operation& op) {
        return text(sim.run(acquirer.inquire(op.id, Deadline::after(1s)), 1min));
    }
    static std::string text(const Result<AcquirerAnswer>& answer) {
        if (!answer) return std::string(to_string(answer.error().kind)) + " " + answer.error().code;
        constexpr const char* names[] = {"approved", "declined", "not found", "reversed"};
        return names[static_cast<int>(answer->finding)];
    }

    SimEnv env;
    bool installed;
    net::SimLoop sim;
    SimAcquirer acquirer;
};

FaultPlan always(FaultKind kind, Duration delay = {}, std::optional<std::uint64_t> count = {}) {
    FaultPlan plan;
    plan[kind] = {
        .probability_ppm = certain_ppm, .count = count, .delay_min = delay, .delay_max = delay};
    plan[kind].calls = {true, false, false};
    return plan;
}

TEST(SimAcquirer, AnswersWhenNothingIsWrong) {
    World world(1);
    Operation op = world.sale("a");
    EXPECT_EQ(world.inquire(op), "not found");
    EXPECT_EQ(world.execute(op), "approved");
    EXPECT_EQ(world.execute(op), "approved");
    EXPECT_EQ(world.inquire(op), "approved");
    EXPECT_EQ(world.acquirer.books().totals().lines, 1);
}

TEST(SimAcquirer, LostAnswerIsBookedAndFoundByInquiry) {
    World world(2, {.faults = always(FaultKind::LoseAnswer)});
    Operation op = world.sale("a");
    EXPECT_EQ(world.execute(op), "unknown acquirer_answer_lost");
    EXPECT_EQ(world.inquire(op), "approved");
}

TEST(SimAcquirer, DisconnectBooksNothing) {
    World world(3, {.faults = always(FaultKind::Disconnect, {}, 1)});
    Operation op = world.sale("a");
    EXPECT_EQ(world.execute(op), "unknown acquirer_answer_lost");
    EXPECT_EQ(world.inquire(op), "not found");
    EXPECT_EQ(world.execute(op), "approved"); // the count is used up
}

TEST(SimAcquirer, LateBookingArrivesUnlessReversed) {
    World world(4, {.faults = always(FaultKind::BookLate, 5s)});
    Operation kept = world.sale("kept"), reversed = world.sale("reversed");
    EXPECT_EQ(world.execute(kept), "unknown acquirer_answer_lost");
    EXPECT_EQ(world.execute(reversed), "unknown acquirer_answer_lost");
    EXPECT_EQ(world.inquire(kept), "not found");
    EXPECT_EQ(
        world.text(world.sim.run(world.acquirer.reverse(reversed.id, Deadline::after(1s)), 1min)),
        "reversed");
    world.sim.run_for(10s);
    EXPECT_TRUE(world.acquirer.idle());
    EXPECT_EQ(world.inquire(kept), "approved");
    EXPECT_EQ(world.inquire(reversed), "reversed");
    EXPECT_TRUE(world.acquirer.books().purchases_of("reversed").empty());
}

TEST(SimAcquirer, TooLateIsRefused) {
    World world(5, {.faults = always(FaultKind::BookLate, 16s)});
    Operation op = world.sale("a");
    EXPECT_EQ(world.execute(op), "unknown acquirer_answer_lost");
    world.sim.run_for(20s);
    EXPECT_EQ(world.inquire(op), "not found");
}

TEST(SimAcquirer, ServerErrorMayOrMayNotHaveBooked) {
    World world(6, {.faults = always(FaultKind::ServerError)});
    int booked = 0;
    for (int i = 0; i < 40; ++i) {
        Operation op = world.sale("a");
        EXPECT_EQ(world.execute(op), "unknown acquirer_answer_lost");
        booked += world.inquire(op) == "approved";
    }
    EXPECT_GT(booked, 5);
    EXPECT_LT(booked, 35);
}

TEST(SimAcquirer, UnreachableMeansNothingSent) {
    World world(7);
    world.acquirer.set_reachable(false);
    Operation op = world.sale("a");
    EXPECT_EQ(world.execute(op), "unavailable acquirer_unavailable");
    world.acquirer.set_reachable(true);
    EXPECT_EQ(world.inquire(op), "not found");
    EXPECT_EQ(world.execute(op), "approved");
}

Task<void> execute_once(SimAcquirer& acquirer, Operation op) {
    (void)co_await acquirer.execute(std::move(op), Deadline::after(5s));
    co_return Result<void>{};
}

TEST(SimAcquirer, MessageOfAKilledCallerArrives) {
    World world(8, {.faults = always(FaultKind::Delay, 1s)});
    auto caller = std::make_unique<net::SimProcess>(world.sim);
    auto gate = std::make_unique<net::Gate>(*caller, "caller");
    Operation op = world.sale("a");
    ASSERT_TRUE(gate->spawn(execute_once(world.acquirer, op)));
    world.sim.run_for(100ms);
    caller->kill();
    gate.reset();
    caller.reset();
    EXPECT_EQ(world.inquire(op), "not found");
    world.sim.run_for(2s);
    EXPECT_EQ(world.inquire(op), "approved");
}

TEST(SimAcquirer, SameSeedSameRun) {
    auto run = [](std::uint64_t seed) {
        FaultPlan plan{.seed = seed};
        for (auto& mode : plan.modes) mode = {.probability_ppm = 150'000, .delay_max = 3s};
        World world(seed, {.faults = plan, .unreachable_ppm = 100'000});
        std::string history;
        for (int i = 0; i < 60; ++i) {
            Operation op = world.sale("p" + std::to_string(i));
            history += world.execute(op) + "," + world.execute(op) + "," + world.inquire(op) + ";";
            EXPECT_LE(world.acquirer.books().totals().doubled, 0);
        }
        return history;
    };
    EXPECT_EQ(run(9), run(9));
    EXPECT_NE(run(9), run(10));
}

} // namespace
} // namespace holdfast::gateway
