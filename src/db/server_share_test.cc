// The share of a server: the sum, its measuring under simulated time, and several processes that
// come, go and are pushed about on one server.

#include "db/server_share.h"

#include "db/pool_fixture.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <list>

namespace holdfast::db {
namespace {

using Sessions = Census::Sessions;

Census census(std::int64_t max_connections, std::vector<Sessions> sessions) {
    return {.max_connections = max_connections, .reserved = 3, .sessions = std::move(sessions)};
}
Sessions of(std::string application, std::int64_t count) {
    return {.application = std::move(application),
            .our_role = true,
            .our_database = true,
            .count = count};
}
Sessions somebody(std::int64_t count) { return {.application = "psql", .count = count}; }

TEST(Share, DividesWhatIsLeftByTheProcessesThatAreAlive) {
    const Share share = share_of(
        census(100, {of("holdfast:pay-1", 9), of("holdfast:share:pay-1", 1),
                     of("holdfast:pay-2", 5), of("holdfast:share:pay-2", 1), somebody(20)}),
        0);
    EXPECT_EQ(share, (Share{.processes = 2, .capacity = 100 - 3 - 20 - 4, .connections = 36}));
}

TEST(Share, ProcessesOfOneNameAreSeveral) {
    EXPECT_EQ(
        share_of(census(100, {of("holdfast:pay", 12), of("holdfast:share:pay", 3)}), 0).connections,
        31);
}

TEST(Share, WhatHasNoMarkIsTakenForWhatItHolds) {
    const auto share = share_of(census(100, {of("holdfast:share:pay-1", 1),
                                             of("holdfast:doctor", 2), of("holdfast:pay-2", 8)}),
                                0);
    EXPECT_EQ(share.processes, 1);
    EXPECT_EQ(share.connections, 100 - 3 - 4 - 10)
        << "its mark may come back, its places are taken";
}

TEST(Share, LimitsOfRoleAndDatabaseCount) {
    Census one = census(100, {of("holdfast:share:pay-1", 1), of("report", 5), somebody(20)});
    one.role_limit = 30;
    EXPECT_EQ(share_of(one, 0).connections, 30 - 5 - 4) << "others of our role";
    one.database_limit = 28;
    EXPECT_EQ(share_of(one, 0).connections, 28 - 5 - 4);
    one.database_limit = 0;
    EXPECT_EQ(share_of(one, 0).connections, 0) << "never less than none";
}

TEST(Share, WhoeverTakesAllPlacesTakesNoneOfOurs) {
    const auto flooded = [](std::int64_t ours, std::int64_t others, std::int64_t last) {
        return share_of(census(100, {of("holdfast:pay-1", ours - 1), of("holdfast:share:pay-1", 1),
                                     somebody(others)}),
                        last)
            .connections;
    };
    EXPECT_EQ(flooded(12, 10, 83), 83);
    EXPECT_EQ(flooded(12, 85, 83), 12) << "no growth, and nothing given up";
    EXPECT_EQ(flooded(12, 85, 12), 12);
    EXPECT_EQ(flooded(12, 85, 0), 8) << "not known to have been ours before";
    EXPECT_EQ(flooded(12, 10, 12), 83) << "and it recovers by itself";
}

TEST(Share, ANewProcessDoesNotEatTheHeadroom) {
    std::int64_t capacity = 0;
    for (std::int64_t processes = 1; processes <= 6; ++processes) {
        // Whoever was there holds all he may; the new one has come through the headroom.
        const std::int64_t held = capacity + share_headroom;
        const Share share =
            share_of(census(60, {of("holdfast:pay", held - processes),
                                 of("holdfast:share:pay", processes), somebody(10)}),
                     capacity);
        EXPECT_EQ(share.capacity, 60 - 3 - 10 - share_headroom);
        EXPECT_LE(share.connections * processes, share.capacity);
        capacity = share.capacity;
    }
}

TEST(Share, ASmallerLimitIsObeyed) {
    Census one = census(100, {of("holdfast:pay-1", 39), of("holdfast:share:pay-1", 1)});
    one.role_limit = 20;
    EXPECT_EQ(share_of(one, 93).connections, 16);
}

/// A census that a test writes.
class WrittenCensus final : public CensusTaker {
  public:
    explicit WrittenCensus(Result<Census>& answer) : answer_(answer) {}
    Task<Census> take(Deadline) override {
        CO_TRY_VOID(co_await net::sleep_for(1ms));
        co_return answer_;
    }
    Task<void> close(Deadline) override { co_return Result<void>{}; }

  private:
    Result<Census>& answer_;
};

class ShareWatchTest : protected SimulatedTime, public testing::Test {
  protected:
    ShareWatchTest() : SimulatedTime(1) { watch_.start(); }
    ~ShareWatchTest() override {
        EXPECT_TRUE(sim_.run(watch_.stop(Deadline::after(1s)), 2s));
        EXPECT_TRUE(sim_.run(pool_.close(Deadline::after(1s)), 2s));
    }
    bool shows(const std::string& line) const {
        return metrics_.render().find(line) != std::string::npos;
    }

    net::SimLoop sim_{env_, 1};
    Registry metrics_;
    FakeServer server_;
    AdaptiveLimits limits_{{.lower = 2, .upper = 500}};
    Pool pool_{sim_.loop(), metrics_, {}, limits_, [this](Deadline deadline) {
                   return fake_connect(server_, deadline);
               }};
    Result<Census> answer_ = census(100, {of("holdfast:share:pay-1", 1)});
    ShareWatch watch_{
        sim_.loop(), metrics_, {.outside_pool = 6}, std::make_unique<WrittenCensus>(answer_),
        limits_,     pool_};
};

TEST_F(ShareWatchTest, MeasuresAgainAndAgain) {
    EXPECT_EQ(limits_.max_connections(), 2u) << "not measured yet";
    sim_.run_for(10ms);
    EXPECT_EQ(limits_.max_connections(), 93u - 6);
    answer_->sessions.front().count = 3;
    sim_.run_for(3s);
    EXPECT_EQ(limits_.max_connections(), 31u - 6);
    EXPECT_TRUE(shows("holdfast_db_share_processes 3"));
    EXPECT_TRUE(shows("holdfast_db_share_connections 31"));
    answer_->max_connections = 20;
    sim_.run_for(3s);
    EXPECT_EQ(limits_.max_connections(), 1u) << "4 are not even enough for the others";
}

TEST_F(ShareWatchTest, WhatCanNotBeMeasuredStaysAndNeverGrows) {
    sim_.run_for(10ms);
    answer_ = fail(ErrorClass::Unavailable, "no_primary", "away");
    sim_.run_for(10min);
    EXPECT_EQ(limits_.max_connections(), 93u - 6);
    EXPECT_FALSE(shows("holdfast_db_share_failures_total 0"));
    answer_ = census(40, {of("holdfast:share:pay-1", 1)});
    sim_.run_for(3s);
    EXPECT_EQ(limits_.max_connections(), 33u - 6) << "and it recovers by itself";
}

/// A server with so many places, processes of ours on it, and others.
struct SharedServer {
    FakeServer fake;
    int max_connections = 40;
    int others = 0;
    bool blind = false; ///< no census
    int marks = 0;
};

/// One process: its pool, its limits, its watch.
class Node {
  public:
    Node(net::SimLoop& sim, SharedServer& server)
        : sim_(sim),
          server_(server),
          pool_(sim.loop(), metrics_, {.max_idle = 5s, .check_idle_after = 24h}, limits_,
                [this](Deadline deadline) { return connect(deadline); }),
          watch_(sim.loop(), metrics_, {.outside_pool = 1}, std::make_unique<Taker>(server),
                 limits_, pool_),
          gate_(sim.loop(), "node") {
        watch_.start();
    }
    ~Node() {
        EXPECT_TRUE(sim_.run(gate_.close(Deadline::after(1min)), 2min));
        EXPECT_TRUE(sim_.run(watch_.stop(Deadline::after(1s)), 2s));
        EXPECT_TRUE(sim_.run(pool_.close(Deadline::after(1min)), 2min));
    }
    void start(Priority priority, Duration time, Duration patience) {
        ASSERT_TRUE(gate_.spawn(use(priority, time, patience)));
    }
    void expect_payments_first() const {
        for (const auto& [when, payments] : overtaken_)
            for (const std::size_t payment : payments)
                EXPECT_EQ(answered_.at(payment), when) << "a payment waited behind somebody else";
    }
    int answered() const { return static_cast<int>(answered_.size()); }
    int late() const { return late_; }
    const AdaptiveLimits& limits() const { return limits_; }
    PoolStats stats() const { return pool_.stats(); }

  private:
    class Taker final : public CensusTaker {
      public:
        explicit Taker(SharedServer& server) : server_(server) {}
        Task<Census> take(Deadline) override {
            CO_TRY_VOID(co_await net::sleep_for(1ms));
            if (server_.blind) co_return fail(ErrorClass::Unavailable, "blind", "");
            if (!marked_) ++server_.marks;
            marked_ = true;
            co_return census(server_.max_connections,
                             {of("holdfast:share:n", server_.marks),
                              of("holdfast:n", server_.fake.sessions), somebody(server_.others)});
        }
        Task<void> close(Deadline) override {
            if (marked_) --server_.marks;
            co_return Result<void>{};
        }

      private:
        SharedServer& server_;
        bool marked_ = false;
    };

    Task<std::unique_ptr<Connection>> connect(Deadline deadline) {
        const PoolStats now = pool_.stats();
        EXPECT_LE(now.idle + now.used + now.connecting + now.disposing, limits_.max_connections())
            << "opens more than its share";
        if (server_.fake.sessions + server_.marks + server_.others >= server_.max_connections - 3)
            co_return fail(ErrorClass::Unavailable, "too_many_connections", "");
        co_return co_await fake_connect(server_.fake, deadline);
    }

    Task<void> use(Priority priority, Duration time, Duration patience) {
        const MonoTime end = MonotonicClock::now() + patience;
        const std::size_t number = ++asked_;
        const bool pays = priority == Priority::Payment;
        if (pays) waiting_[number] = MonotonicClock::now();
        auto connection = co_await pool_.acquire(priority, "use", Deadline::at(end));
        const MonoTime now = MonotonicClock::now();
        if (now > end + 1ms) ++late_;
        answered_[number] = now;
        waiting_.erase(number);
        if (!connection) {
            EXPECT_FALSE(pays && connection.error().code == "pool_overloaded");
            co_return Result<void>{};
        }
        if (!pays) note_overtaken(now);
        CO_TRY_VOID(co_await net::sleep_for(time));
        co_return Result<void>{};
    }
    /// Somebody else was served: payments that had asked before are served at this very moment.
    void note_overtaken(MonoTime now) {
        auto& [when, payments] = overtaken_.emplace_back(now, std::vector<std::size_t>{});
        for (const auto& [number, since] : waiting_)
            if (since < now) payments.push_back(number);
    }

    net::SimLoop& sim_;
    SharedServer& server_;
    Registry metrics_;
    AdaptiveLimits limits_{{.lower = 2, .upper = 12}};
    Pool pool_;
    ShareWatch watch_;
    net::Gate gate_;
    std::size_t asked_ = 0;
    int late_ = 0;
    std::map<std::size_t, MonoTime> waiting_, answered_;
    std::vector<std::pair<MonoTime, std::vector<std::size_t>>> overtaken_;
};

class ShareChaos : protected SimulatedTime {
  public:
    explicit ShareChaos(std::uint64_t seed) : SimulatedTime(seed), sim_(env_, seed) {}

    void run() {
        nodes_.emplace_back(sim_, server_);
        for (int step = 0; step < 60; ++step) {
            happen();
            for (Node& node : nodes_) load(node);
            sim_.run_for(Duration(env_.random_below(400'000)));
        }
        settle();
    }

  private:
    void happen() {
        switch (env_.random_below(12)) {
            case 0:
                if (nodes_.size() < 4) nodes_.emplace_back(sim_, server_);
                break;
            case 1:
                if (nodes_.size() > 1) leave();
                break;
            case 2: server_.others = static_cast<int>(env_.random_below(20)); break;
            case 3: server_.blind = !server_.blind; break;
            case 4: server_.max_connections = 30 + static_cast<int>(env_.random_below(30)); break;
            default: break;
        }
    }
    void leave() {
        judge(nodes_.front());
        nodes_.pop_front();
    }
    void load(Node& node) {
        for (std::uint64_t n = env_.random_below(40); n > 0; --n)
            node.start(static_cast<Priority>(env_.random_below(5)),
                       Duration(env_.random_below(40'000)),
                       Duration(1'000 + env_.random_below(2'000'000)));
    }
    /// Undisturbed for a while, all fit into the server together.
    void settle() {
        server_.blind = false;
        server_.others = 0;
        server_.max_connections = 40;
        sim_.run_for(10s);
        std::size_t open = nodes_.size();
        for (Node& node : nodes_) open += node.limits().max_connections();
        EXPECT_LE(open, 40 - 3 - static_cast<std::size_t>(share_headroom));
        EXPECT_EQ(server_.marks, static_cast<int>(nodes_.size()));
        while (!nodes_.empty()) leave();
        EXPECT_EQ(server_.fake.sessions, 0);
    }
    static void judge(Node& node) {
        EXPECT_EQ(node.late(), 0) << "waited past a deadline";
        node.expect_payments_first();
    }

    net::SimLoop sim_;
    SharedServer server_;
    std::list<Node> nodes_;
};

TEST(ShareChaosTest, AnySeed) {
    for (std::uint64_t seed = 1; seed <= 15; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        ShareChaos chaos(seed);
        chaos.run();
    }
}

} // namespace
} // namespace holdfast::db
