// Watching servers under simulated time; the servers are a few variables each.

#include "db/topology.h"

#include "net/sim_loop.h"

#include <gtest/gtest.h>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

struct FakeServer {
    std::optional<Sighting> shows; ///< nothing: it is frozen, and every call takes all its time
    int looks = 0, connects = 0, severed = 0;
    std::optional<Error> answers; ///< to every run() on its connections
};

class FakeConnection final : public Connection {
  public:
    explicit FakeConnection(FakeServer& server) : server_(server) {}
    /// A frozen server lets wait until the connection is severed.
    Task<std::vector<QueryResult>> run(const Pipeline&, Deadline deadline) override {
        while (!server_.shows && !broken_ && !deadline.passed())
            CO_TRY_VOID(co_await net::sleep_for(10ms));
        if (broken_) co_return fail(ErrorClass::Unavailable, "connection_lost", "Severed.");
        if (server_.answers) co_return fail(*server_.answers);
        co_return std::vector<QueryResult>{};
    }
    Task<void> run_script(std::string, Timeouts, Deadline) override { co_return Result<void>{}; }
    void sever() override {
        ++server_.severed;
        broken_ = true;
    }
    bool broken() const override { return broken_; }
    bool in_transaction() const override { return false; }
    int backend_pid() const override { return 0; }
    int server_version() const override { return 150'000; }
    Task<void> dispose(Deadline) override { co_return Result<void>{}; }

  private:
    FakeServer& server_;
    bool broken_ = false;
};

class ServerHandle final : public Server {
  public:
    ServerHandle(std::string name, FakeServer& server) : name_(std::move(name)), server_(server) {}
    std::string name() const override { return name_; }
    Task<Sighting> look(Deadline deadline) override {
        ++server_.looks;
        CO_TRY_VOID(co_await answer(deadline));
        co_return *server_.shows;
    }
    Task<std::unique_ptr<Connection>> connect(Deadline deadline) override {
        ++server_.connects;
        CO_TRY_VOID(co_await answer(deadline));
        co_return std::make_unique<FakeConnection>(server_);
    }
    Task<std::unique_ptr<Connection>> connect_to_read(Deadline deadline) override {
        return connect(deadline);
    }
    Task<void> close(Deadline) override { co_return Result<void>{}; }

  private:
    Task<void> answer(Deadline deadline) {
        CO_TRY_VOID(co_await net::sleep_for(server_.shows ? Duration(1ms) : deadline.left()));
        if (!server_.shows) co_return fail(ErrorClass::Deadline, "deadline_passed", "Frozen.");
        co_return Result<void>{};
    }
    std::string name_;
    FakeServer& server_;
};

Sighting primary(std::uint32_t timeline) {
    return {.system_identifier = "7", .timeline = timeline, .in_recovery = false};
}
Sighting standby(std::uint32_t timeline) {
    return {.system_identifier = "7", .timeline = timeline, .in_recovery = true};
}

struct SimulatedTime {
    SimulatedTime() { env_.install(); }
    SimEnv env_{1};
};

class TopologyTest : protected SimulatedTime, public testing::Test {
  protected:
    TopologyTest() { topology_.start(); }
    ~TopologyTest() override { EXPECT_TRUE(sim_.run(topology_.stop(in(1s)), 2s)); }

    static Deadline in(Duration duration) { return Deadline::after(duration); }
    static std::vector<std::unique_ptr<Server>> handles(FakeServer& a, FakeServer& b) {
        std::vector<std::unique_ptr<Server>> servers;
        servers.push_back(std::make_unique<ServerHandle>("a", a));
        servers.push_back(std::make_unique<ServerHandle>("b", b));
        return servers;
    }
    Result<std::unique_ptr<Connection>> connect(Duration time) {
        return sim_.run(topology_.connect(in(time)), time + 1s);
    }
    Result<std::unique_ptr<Connection>> connect_standby(Duration time) {
        return sim_.run(topology_.connect_standby(in(time)), time + 1s);
    }
    void pass(Duration time) { ASSERT_TRUE(sim_.run(net::sleep_for(time), time + 1s)); }

    net::SimLoop sim_{env_, 1};
    Registry registry_;
    FakeServer a_, b_;
    Topology topology_{sim_.loop(), registry_, handles(a_, b_), {}};
};

TEST_F(TopologyTest, AFrozenServerDoesNotHideThePrimaryBehindIt) {
    b_.shows = primary(2);
    const MonoTime started = MonotonicClock::now();
    ASSERT_TRUE(connect(1s));
    EXPECT_LT(MonotonicClock::now() - started, 100ms);
    EXPECT_EQ(b_.connects, 1);
    EXPECT_EQ(a_.connects, 0);
}

TEST_F(TopologyTest, WaitsForAPrimaryWithinTheDeadline) {
    a_.shows = standby(1);
    b_.shows = standby(1);
    auto none = connect(2s);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "no_primary");
    EXPECT_EQ(none.error().kind, ErrorClass::Unavailable);
    EXPECT_TRUE(none.error().retryable);
    EXPECT_NE(none.error().message.find("b: standby"), std::string::npos) << none.error().message;
    a_.shows = primary(2);
    EXPECT_TRUE(connect(1s)) << "and it recovers by itself";
}

TEST_F(TopologyTest, AnotherPrimarySeversWhatIsConnectedToTheOld) {
    a_.shows = primary(1);
    b_.shows = standby(1);
    auto old = connect(1s);
    ASSERT_TRUE(old);
    a_.shows.reset(); // frozen
    b_.shows = primary(2);
    pass(3s);
    EXPECT_EQ(a_.severed, 1);
    EXPECT_TRUE((*old)->broken());
    auto anew = connect(1s);
    ASSERT_TRUE(anew);
    a_.shows = primary(1); // thawed
    pass(3s);
    EXPECT_EQ(topology_.view().standing(0), Standing::StalePrimary);
    EXPECT_FALSE((*anew)->broken());
    EXPECT_EQ(b_.severed, 0);
    EXPECT_TRUE(connect(1s));
    EXPECT_EQ(a_.connects, 1) << "never again";
}

TEST_F(TopologyTest, ASilentPrimaryWithoutASuccessorIsNotSevered) {
    a_.shows = primary(1);
    b_.shows = standby(1);
    auto connection = connect(1s);
    ASSERT_TRUE(connection);
    a_.shows.reset();
    pass(5s);
    EXPECT_EQ(a_.severed, 0);
    a_.shows = primary(1);
    pass(1s);
    EXPECT_TRUE(topology_.view().primary_reachable());
    EXPECT_FALSE((*connection)->broken());
}

/// What only reads could be asked again; what writes is decided by what the server says.
TEST_F(TopologyTest, AReadDoesNotWaitForASilentPrimaryAndACommitDoes) {
    a_.shows = primary(1);
    b_.shows = standby(1);
    auto reader = connect(1s);
    auto writer = connect(1s);
    ASSERT_TRUE(reader && writer);
    a_.shows.reset();
    net::Gate gate(sim_.loop(), "test");
    const auto ask = [](Connection& connection, Effect effect, Duration& took) -> Task<void> {
        const MonoTime asked = MonotonicClock::now();
        Pipeline pipeline{effect};
        (void)co_await connection.run(pipeline, Deadline::after(30s));
        took = MonotonicClock::now() - asked;
        co_return Result<void>{};
    };
    Duration read{}, written{};
    ASSERT_TRUE(gate.spawn(ask(**reader, Effect::Read, read)));
    ASSERT_TRUE(gate.spawn(ask(**writer, Effect::Write, written)));
    pass(1s);
    EXPECT_EQ(a_.severed, 0) << "a moment of silence is none";
    pass(40s);
    EXPECT_GT(read, 2s);
    EXPECT_LT(read, 5s);
    EXPECT_EQ(written, 30s);
    a_.shows = primary(1);
    EXPECT_TRUE(connect(1s)) << "and it recovers by itself";
    EXPECT_TRUE(sim_.run(gate.close(in(1s)), 2s));
}

TEST_F(TopologyTest, AStandbyIsReadUntilItIsNoneAnyMore) {
    a_.shows = primary(1);
    EXPECT_EQ(connect_standby(1s).error().code, "no_standby");
    b_.shows = standby(1);
    pass(2s);
    auto reader = connect_standby(1s);
    ASSERT_TRUE(reader) << to_string(reader.error());
    a_.shows.reset();
    pass(10s);
    EXPECT_FALSE((*reader)->broken()) << "this is what it is for";
    EXPECT_TRUE(connect_standby(1s));
    b_.shows = primary(2);
    pass(2s);
    EXPECT_TRUE((*reader)->broken()) << "it counts for the primary's connections now";
    a_.shows = standby(2);
    pass(2s);
    EXPECT_TRUE(connect_standby(1s)) << "and it recovers by itself";
}

TEST_F(TopologyTest, ASessionThatIsToldToGoMakesItLookAtOnce) {
    a_.shows = primary(1);
    b_.shows = standby(1);
    auto connection = connect(1s);
    ASSERT_TRUE(connection);
    pass(10s);
    const int before = a_.looks;
    pass(2s);
    EXPECT_LE(a_.looks - before, 3) << "once a second when all is well";
    for (const Error& error : {Error{.sqlstate = "57P01"}, Error{.sqlstate = "25006"},
                               Error{.sqlstate = "08006"}, Error{.code = "connection_lost"}}) {
        pass(10s);
        a_.answers = error;
        const int quiet = a_.looks;
        EXPECT_FALSE(sim_.run((*connection)->run(Pipeline{}, in(1s)), 2s));
        pass(20ms);
        EXPECT_GT(a_.looks, quiet) << to_string(error);
    }
}

TEST_F(TopologyTest, ConnectingThatMeetsANewPrimaryGoesThere) {
    a_.shows = primary(1);
    b_.shows = standby(1);
    ASSERT_TRUE(connect(1s));
    a_.shows.reset();
    std::optional<Result<std::unique_ptr<Connection>>> got;
    net::Gate gate(sim_.loop(), "test");
    auto connecting = [](Topology& topology, auto& result) -> Task<void> {
        result = co_await topology.connect(Deadline::after(5s));
        co_return Result<void>{};
    };
    ASSERT_TRUE(gate.spawn(connecting(topology_, got)));
    pass(200ms);
    b_.shows = primary(2);
    pass(2s);
    ASSERT_TRUE(got && *got);
    EXPECT_EQ(b_.connects, 1);
    got.reset();
    EXPECT_TRUE(sim_.run(gate.close(in(1s)), 2s));
}

} // namespace
} // namespace holdfast::db
