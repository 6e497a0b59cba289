// kill -9 of the acquirer: what it has answered is in its books when it comes back.

#include "acquirer_harness.h"

#include <csignal>
#include <random>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::gateway {
namespace {

/// An acquirer in a process of its own.
class Child {
  public:
    explicit Child(const Directory& directory) {
        int ends[2];
        CHECK(::pipe(ends) == 0);
        pid_ = ::fork();
        CHECK(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(directory, ends[1]);
        }
        ::close(ends[1]);
        CHECK(::read(ends[0], &port_, sizeof port_) == sizeof port_);
        ::close(ends[0]);
    }
    ~Child() { kill(); }

    std::uint16_t port() const { return port_; }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

  private:
    [[noreturn]] static void serve(const Directory& directory, int to_parent) {
        Env& env = Env::current();
        net::Loop loop{1};
        Offload offload{{.name = "acquirer", .threads = 1}};
        auto server = AcquirerServer::create(loop, env, offload, server_options(directory));
        CHECK_MSG(server.has_value(), server ? "" : to_string(server.error()));
        (*server)->start();
        const std::uint16_t port = (*server)->port();
        CHECK(::write(to_parent, &port, sizeof port) == sizeof port);
        loop.run();
        std::abort();
    }

    pid_t pid_ = 0;
    std::uint16_t port_ = 0;
};

struct Payment {
    Operation operation;
    std::string answer;
};

Task<void> execute_into(SignedHttpConnector& connector, Payment& payment) {
    payment.answer =
        text_of(co_await connector.execute(payment.operation, net::Deadline::after(5s)));
    co_return Result<void>{};
}

Task<void> kill_after(Child& child, Duration delay) {
    CO_TRY_VOID(co_await net::sleep_for(delay));
    child.kill();
    co_return Result<void>{};
}

TEST(AcquirerCrash, WhatWasAnsweredIsInTheBooks) {
    Env& env = Env::current();
    const std::uint64_t seed = env.random_u64();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Directory directory(env);
    std::vector<Payment> payments;
    constexpr int rounds = 6, per_round = 200;
    payments.reserve(rounds * per_round);
    int answered = 0, unknown = 0;
    for (int round = 0; round <= rounds; ++round) {
        Child child(directory); // forks: before this process has a loop or threads
        net::Loop loop{1};
        auto connector = SignedHttpConnector::create(
                             loop, env,
                             {.base_url = "http://127.0.0.1:" + std::to_string(child.port()),
                              .secret = SecretString("shared-secret"),
                              .connections_max = 16})
                             .value();
        for (const Payment& payment : payments) {
            const std::string found = text_of(net::block_on(
                loop, connector->inquire(payment.operation.id, net::Deadline::after(5s))));
            if (payment.answer == "approved") EXPECT_EQ(found, "approved");
            if (payment.answer.starts_with("unavailable")) EXPECT_EQ(found, "not_found");
        }
        if (round == rounds) break;
        net::Gate gate(loop, "payers");
        const std::size_t first = payments.size();
        for (int i = 0; i < per_round; ++i) payments.push_back({sale(env, "p"), {}});
        for (std::size_t i = first; i < payments.size(); ++i) {
            ASSERT_TRUE(gate.spawn(execute_into(*connector, payments[i])));
        }
        ASSERT_TRUE(gate.spawn(kill_after(child, Duration{random() % 60'000})));
        ASSERT_TRUE(net::block_on(loop, gate.close(net::Deadline::after(30s))));
        for (std::size_t i = first; i < payments.size(); ++i) {
            answered += payments[i].answer == "approved";
            unknown += payments[i].answer == "unknown acquirer_answer_lost";
        }
        connector.reset();
    }
    EXPECT_GT(answered, 0);
    RecordProperty("answered", answered);
    RecordProperty("unknown", unknown);
}

} // namespace
} // namespace holdfast::gateway
