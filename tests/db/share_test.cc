// The share of a real server's connections: processes that come and go, others, limits that change,
// and what becomes of the share when nobody can look.

#include "db/server_share.h"

#include "net/gate.h"
#include "net/timer.h"
#include "tests/db/db_harness.h"

#include <fmt/format.h>
#include <list>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

/// A base class, so that it outlives the database.
struct SmallCluster {
    test::PgCluster cluster{
        {.settings = {{"max_connections", "40"}, {"superuser_reserved_connections", "3"}}}};
};

/// One process of the platform, as far as its connections go.
struct Node {
    Node(net::Loop& loop, Offload& offload, ConnectOptions options, std::string name)
        : pool(loop, metrics, {}, limits, connect_as(loop, offload, options, name)),
          watch(loop, metrics, {.outside_pool = 1, .interval = 50ms},
                census_of(name, connect_as(loop, offload, options, name)), limits, pool) {
        watch.start();
    }
    static Pool::Connect connect_as(net::Loop& loop, Offload& offload, ConnectOptions options,
                                    const std::string& name) {
        options.role = name;
        return connector(loop, offload, std::move(options));
    }

    Registry metrics;
    AdaptiveLimits limits{{.lower = 2, .upper = 500}};
    Pool pool;
    ShareWatch watch;
};

class ShareTest : protected SmallCluster, public DatabaseTest {
  protected:
    ShareTest() : DatabaseTest(SmallCluster::cluster) { database_.value("CREATE ROLE app LOGIN"); }
    ~ShareTest() override {
        while (!nodes_.empty()) leave();
    }

    ConnectOptions as_app() const { return options_of(database_.url("app")); }
    Node& start(const std::string& name) {
        return nodes_.emplace_back(loop_, offload_, as_app(), name);
    }
    void leave() {
        EXPECT_TRUE(wait(nodes_.front().watch.stop(in(ample))));
        EXPECT_TRUE(wait(nodes_.front().pool.close(in(ample))));
        nodes_.pop_front();
    }
    /// All processes come to be allowed so many connections in their pools.
    void expect_each(std::size_t connections) {
        const auto all = [&] {
            return std::ranges::all_of(nodes_, [&](const Node& node) {
                return node.limits.max_connections() == connections;
            });
        };
        for (int tries = 0; tries < 500 && !all(); ++tries) EXPECT_TRUE(wait(net::sleep_for(10ms)));
        for (const Node& node : nodes_) EXPECT_EQ(node.limits.max_connections(), connections);
    }
    void pass(Duration time) { EXPECT_TRUE(wait(net::sleep_for(time))); }

    std::list<Node> nodes_;
};

TEST_F(ShareTest, IsDividedAmongWhoIsAliveAndFollowsTheServer) {
    start("pay-1");
    expect_each(40 - 3 - 4 - 1);
    start("pay-1"); // a second one of the same name: an old one that drains, another machine
    expect_each((40 - 3 - 4) / 2 - 1);

    { // a command of ours and a stranger are what they hold
        auto doctor = connected([&] {
            auto options = as_app();
            options.role = "doctor";
            return options;
        }());
        auto stranger = connected();
        expect_each((40 - 3 - 4 - 2) / 2 - 1);
    }
    expect_each((40 - 3 - 4) / 2 - 1);

    database_.value("ALTER ROLE app CONNECTION LIMIT 20");
    expect_each((20 - 4) / 2 - 1);
    database_.value(fmt::format("ALTER DATABASE {} CONNECTION LIMIT 12", database_.name()));
    expect_each((12 - 4) / 2 - 1);
    database_.value(fmt::format("ALTER DATABASE {} CONNECTION LIMIT -1", database_.name()));
    database_.value("ALTER ROLE app CONNECTION LIMIT -1");

    leave();
    expect_each(40 - 3 - 4 - 1);
}

TEST_F(ShareTest, AServerThatComesBackSmallerIsMeasuredAnew) {
    start("pay-1");
    start("pay-2");
    expect_each((40 - 3 - 4) / 2 - 1);
    cluster.execute("ALTER SYSTEM SET max_connections = 20");
    cluster.kill();
    pass(300ms);
    expect_each((40 - 3 - 4) / 2 - 1); // nobody can look: it stays
    cluster.start();
    expect_each((20 - 3 - 4) / 2 - 1);
}

TEST_F(ShareTest, TheSmallerShareIsGivenUpAtOnce) {
    Node& first = start("pay-1");
    expect_each(40 - 3 - 4 - 1);
    const auto open = [&] {
        return database_.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
            "'holdfast:pay-1'");
    };
    first.limits = AdaptiveLimits({.lower = 20, .upper = 500});
    first.limits.set_share(32);
    {
        std::list<Pooled> all;
        for (int i = 0; i < 20; ++i) {
            auto one = wait(first.pool.acquire(Priority::Payment, "test", in(ample)));
            ASSERT_TRUE(one) << to_string(one.error());
            all.push_back(std::move(*one));
        }
    }
    EXPECT_EQ(open(), "20");
    start("pay-2");
    expect_each((40 - 3 - 4) / 2 - 1);
    for (int tries = 0; tries < 500 && open() != "15"; ++tries) pass(10ms);
    EXPECT_EQ(open(), "15");
}

TEST_F(ShareTest, AFloodOfOthersStopsGrowthAndTakesNothing) {
    Node& node = start("pay-1");
    expect_each(40 - 3 - 4 - 1);
    database_.value("CREATE ROLE flood LOGIN");
    std::list<Pooled> held;
    for (int i = 0; i < 2; ++i) {
        auto one = wait(node.pool.acquire(Priority::Payment, "test", in(ample)));
        ASSERT_TRUE(one) << to_string(one.error());
        held.push_back(std::move(*one));
    }
    std::vector<std::unique_ptr<Connection>> flood;
    for (;;) {
        auto one = try_connect(options_of(database_.url("flood")));
        if (!one) {
            EXPECT_EQ(one.error().sqlstate, "53300");
            break;
        }
        flood.push_back(std::move(*one));
    }
    expect_each(3 - 1); // the two and the one that looks are all that is ours
    held.clear();
    EXPECT_TRUE(wait(node.pool.acquire(Priority::Payment, "test", in(1s)))) << "still ours";
    EXPECT_EQ(node.pool.stats().idle, 2u);
    flood.clear();
    expect_each(40 - 3 - 4 - 1); // and it recovers by itself
}

} // namespace
} // namespace holdfast::db
