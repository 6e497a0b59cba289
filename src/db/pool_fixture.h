#pragma once

// What the tests of the pool share: simulated time, a server that is a few counters, and callers
// that note who was served.

#include "db/pool.h"
#include "net/gate.h"
#include "net/sim_loop.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

namespace holdfast::db {

using namespace std::chrono_literals;

/// What the fake connections and the tests share.
struct FakeServer {
    int sessions = 0, most_sessions = 0, opened = 0, attempts = 0;
    Duration connect_takes = 1ms;
    Duration dispose_takes = 1ms;
    std::optional<Error> refuses;
    bool frozen = false;                ///< its sessions answer nothing
    std::function<void()> on_attempt{}; ///< somebody begins to connect
};

class FakeConnection final : public Connection {
  public:
    explicit FakeConnection(FakeServer& server) : server_(server), number_(++server.opened) {
        server_.most_sessions = std::max(server_.most_sessions, ++server_.sessions);
    }
    ~FakeConnection() override { end(); }

    Task<std::vector<QueryResult>> run(const Pipeline&, Deadline deadline) override {
        ++asked_;
        if (server_.frozen) {
            CO_TRY_VOID(co_await net::sleep_until(deadline.when()));
            broken_ = true;
            co_return fail(ErrorClass::Deadline, "deadline_passed", "No answer.");
        }
        CO_TRY_VOID(co_await net::sleep_for(10ms));
        co_return std::vector<QueryResult>{};
    }
    Task<void> run_script(std::string, Timeouts, Deadline) override { co_return Result<void>{}; }
    void sever() override { broken_ = true; }
    bool broken() const override { return broken_; }
    bool in_transaction() const override { return in_transaction_; }
    int backend_pid() const override { return number_; }
    int server_version() const override { return 150'000; }
    Task<void> dispose(Deadline) override {
        CO_TRY_VOID(co_await net::sleep_for(server_.dispose_takes));
        end();
        co_return Result<void>{};
    }

    bool broken_ = false;
    bool in_transaction_ = false;
    int asked_ = 0;

  private:
    void end() {
        if (!ended_) --server_.sessions;
        ended_ = true;
    }
    FakeServer& server_;
    int number_;
    bool ended_ = false;
};

inline Task<std::unique_ptr<Connection>> fake_connect(FakeServer& server, Deadline deadline) {
    ++server.attempts;
    if (server.on_attempt) server.on_attempt();
    CO_TRY_VOID(co_await net::sleep_until(
        std::min(deadline.when(), MonotonicClock::now() + server.connect_takes)));
    if (deadline.passed()) co_return fail(ErrorClass::Deadline, "deadline_passed", "Too slow.");
    if (server.refuses) co_return fail(*server.refuses);
    co_return std::make_unique<FakeConnection>(server);
}

/// A base class, so that time is simulated before the first Loop is made.
struct SimulatedTime {
    explicit SimulatedTime(std::uint64_t seed) : env_(seed) { env_.install(); }
    SimEnv env_;
};

class PoolTest : protected SimulatedTime, public testing::Test {
  protected:
    explicit PoolTest(std::uint64_t seed = 1) : SimulatedTime(seed), seed_(seed) {}
    ~PoolTest() override {
        EXPECT_TRUE(sim_.run(pool_.close(in(10s)), 20s));
        EXPECT_EQ(server_.sessions, 0) << "all sessions ended";
        EXPECT_EQ(pool_.stats(), PoolStats{});
    }

    static Deadline in(Duration duration) { return Deadline::after(duration); }
    Result<Pooled> acquire(Priority priority = Priority::Payment, Duration time = 1s) {
        return sim_.run(pool_.acquire(priority, "test", in(time)), time + 1s);
    }
    static FakeConnection& fake(Pooled& pooled) { return static_cast<FakeConnection&>(*pooled); }

    /// Uses a connection for a while and notes who was served, in order.
    Task<void> use(std::string name, Priority priority, Duration time, Duration patience) {
        auto connection = co_await pool_.acquire(priority, "user", in(patience));
        served_ += connection ? name + " " : name + ":" + connection.error().code + " ";
        if (connection) CO_TRY_VOID(co_await net::sleep_for(time));
        co_return Result<void>{};
    }
    void start(std::string name, Priority priority, Duration time = 10ms, Duration patience = 1s) {
        ASSERT_TRUE(gate_.spawn(use(std::move(name), priority, time, patience)));
        sim_.run_for(1us); // in this order, whatever the seed
    }

    std::uint64_t seed_;
    net::SimLoop sim_{env_, seed_};
    Registry metrics_;
    FakeServer server_;
    FixedLimits limits_ = [] {
        FixedLimits limits;
        limits.connections = 2;
        limits.waiting = 4;
        return limits;
    }();
    net::Gate gate_{sim_.loop(), "test"};
    Pool pool_{sim_.loop(), metrics_, {}, limits_, [this](Deadline deadline) {
                   return fake_connect(server_, deadline);
               }};
    std::string served_;
};

} // namespace holdfast::db
