#include "world.h"

#include "verdict.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace holdfast::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int node_count = 2;
constexpr Duration run_limit = minutes{30};
constexpr Duration settle_limit = seconds{60}; // what is promised
constexpr Duration restart_max = seconds{20};
constexpr Duration trouble_max = seconds{12};
constexpr Duration skew_max = minutes{5};
constexpr std::uint64_t steps_to_crash_in = 6'000;

struct Installed {
    explicit Installed(Env& env) { env.install(); }
};

SecretString id_secret() { return SecretString{"simulated-id-secret-of-32-bytes!"}; }

} // namespace

World::World(std::uint64_t seed, bool verbose)
    : verbose_(verbose),
      env_(seed),
      dice_(seed * 0x9E3779B97F4A7C15ULL + 1),
      calm_(dice_.chance(10)),
      answers_expire_(dice_.chance(20)),
      identity_((Installed(env_), id_secret())),
      store_(store_faults()) {
    accounts_.resize(2);
    loop_ = std::make_unique<net::SimLoop>(env_, seed);
    acquirer_ = std::make_unique<gateway::SimAcquirer>(*loop_, env_, acquirer_options());
    gate_ = std::make_unique<net::Gate>(loop_->loop(), "world");
    if (!calm_ && dice_.chance(50)) lost_requests_percent_ = static_cast<int>(dice_.below(10));
    for (core::Account& account : accounts_) {
        account.id = account.public_id = Id<core::Account>::time_ordered(env_);
        auto stored =
            loop_->run(store_.create_account(account, Deadline::after(minutes{1})), minutes{2});
        CHECK(stored.has_value());
    }
    make_nodes();
    make_clients();
    plan_crashes();
}

World::~World() {
    for (auto& node : nodes_) node->kill();
    acquirer_.reset();
    loop_.reset(); // with all that is still under way
}

void World::note(const std::string& text) {
    if (!verbose_) return;
    auto since = std::chrono::duration<double>(env_.now().time_since_epoch()).count();
    std::fprintf(stderr, "%12.6f %s\n", since, text.c_str());
}

// --- What is drawn from the seed --------------------------------------------------------------

store::ModelFaults World::store_faults() {
    store::ModelFaults faults{.seed = dice_.below(1'000'000)};
    faults.latency_min = milliseconds{0};
    faults.latency_max = dice_.between(Duration{200}, Duration{milliseconds{8}});
    if (calm_) return faults;
    if (dice_.chance(50)) faults.commit_fails_permille = static_cast<int>(dice_.below(60));
    if (dice_.chance(30)) faults.commit_stalls_permille = static_cast<int>(dice_.below(40));
    if (dice_.chance(60)) faults.answer_lost_permille = static_cast<int>(dice_.below(120));
    return faults;
}

gateway::SimAcquirerOptions World::acquirer_options() {
    using gateway::FaultKind;
    gateway::SimAcquirerOptions options;
    if (calm_) return options;
    options.faults.seed = dice_.below(1'000'000);
    for (FaultKind kind : {FaultKind::Delay, FaultKind::LoseAnswer, FaultKind::AnswerTwice,
                           FaultKind::BookLate, FaultKind::Disconnect, FaultKind::ServerError}) {
        if (dice_.chance(50)) continue;
        gateway::FaultMode& mode = options.faults[kind];
        mode.probability_ppm = static_cast<std::int32_t>(dice_.between(10'000, 300'000));
        mode.delay_min = milliseconds{1};
        mode.delay_max = dice_.between(Duration{milliseconds{20}}, Duration{seconds{40}});
    }
    if (dice_.chance(30)) options.unreachable_ppm = static_cast<std::int32_t>(dice_.below(300'000));
    return options;
}

processor::Options World::processor_options() {
    processor::Options options;
    options.lanes = dice_.chance(80) ? 2 : 1;
    options.batch_commands_max = dice_.chance(80) ? 512 : static_cast<int>(dice_.between(1, 3));
    return options;
}

processor::FolderOptions World::folding() {
    processor::FolderOptions options{.interval = seconds{7}, .fold_limit = 3};
    if (answers_expire_) options.replay_retention = seconds{dice_.between(1, 20)};
    return options;
}

Duration World::any_skew() {
    const Duration most = dice_.chance(50) ? Duration{seconds{30}} : skew_max;
    return dice_.between(-most, most);
}

void World::make_nodes() {
    for (int i = 0; i < node_count; ++i) {
        const Duration skew = !calm_ && dice_.chance(50) ? any_skew() : Duration{0};
        nodes_.push_back(
            std::make_unique<Node>(Platform{*loop_, env_, store_, *acquirer_, identity_, accounts_,
                                            processor_options(), folding()},
                                   skew));
        nodes_.back()->start();
    }
}

void World::make_clients() {
    int count = static_cast<int>(dice_.between(1, 3));
    for (int i = 0; i < count; ++i) {
        const Id<core::Account> account = accounts_[static_cast<std::size_t>(i % 2)].id;
        Wire wire{
            .loop = loop_->loop(),
            .env = env_,
            .identity = identity_,
            .account = account,
            .answers_expire = answers_expire_,
            .nodes = node_count,
            .send = [this](int n, core::Command c, Duration p) { return send(n, std::move(c), p); },
            .look = [this, account](Id<core::PaymentIntent> id) { return look(account, id); },
            .note = {}};
        if (verbose_) wire.note = [this](const std::string& text) { note(text); };
        int purchases = static_cast<int>(dice_.between(1, 2));
        clients_.push_back(std::make_unique<Client>(std::move(wire), dice_.below(1'000'000'000),
                                                    fmt::format("c{}", i),
                                                    fmt::format("key-{}", i / 2), purchases));
        ++clients_running_;
        CHECK(gate_->spawn(drive(*clients_.back())).has_value());
    }
    if (!calm_) CHECK(gate_->spawn(make_trouble()).has_value());
}

void World::plan_crashes() {
    if (calm_) return;
    for (auto count = dice_.below(4); count > 0; --count) {
        crashes_.push_back(
            {loop_->steps() + 20 + dice_.below(steps_to_crash_in) / (1 + dice_.below(20)),
             static_cast<int>(dice_.below(node_count)), dice_.chance(20)});
    }
    std::ranges::sort(crashes_, std::greater{}, &Crash::step);
}

std::size_t World::purchases() const {
    std::size_t count = 0;
    for (const auto& client : clients_) count += client->told().size();
    return count;
}

// --- What happens -----------------------------------------------------------------------------

Task<void> World::drive(Client& client) {
    auto ended = co_await client.run();
    --clients_running_;
    co_return ended;
}

/// Called between two steps.
void World::crash_if_due() {
    for (int i = 0; i < node_count; ++i) {
        Node& node = *nodes_[static_cast<std::size_t>(i)];
        if (!node.drained()) continue;
        node.kill();
        note(fmt::format("node {} drained", i));
        CHECK(gate_->spawn(restart(i)).has_value());
    }
    while (!healed_ && !crashes_.empty() && loop_->steps() >= crashes_.back().step) {
        Crash crash = crashes_.back();
        crashes_.pop_back();
        Node& node = *nodes_[static_cast<std::size_t>(crash.node)];
        if (!node.running()) continue;
        if (crash.orderly) {
            note(fmt::format("node {} is asked to end", crash.node));
            node.begin_drain();
            continue;
        }
        note(fmt::format("node {} is killed", crash.node));
        node.kill();
        CHECK(gate_->spawn(restart(crash.node)).has_value());
    }
}

Task<void> World::restart(int n) {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{milliseconds{10}}, restart_max)));
    Node& node = *nodes_[static_cast<std::size_t>(n)];
    if (node.running()) co_return Result<void>{};
    note(fmt::format("node {} starts", n));
    node.start();
    co_return Result<void>{};
}

Task<void> World::make_trouble() {
    while (!healed_) {
        CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{0}, trouble_max)));
        if (healed_) break;
        Duration length = dice_.between(Duration{milliseconds{50}}, trouble_max);
        switch (dice_.below(4)) {
            case 0:
                note("the database goes away");
                store_.take_away(length);
                break;
            case 1:
                note("the acquirer can't be reached");
                acquirer_->set_reachable(false);
                CO_TRY_VOID(co_await net::sleep_for(length));
                acquirer_->set_reachable(true);
                note("the acquirer can be reached");
                break;
            case 2: {
                Node& node = *nodes_[dice_.below(node_count)];
                node.set_skew(any_skew());
                note("a wall clock jumps");
                break;
            }
            default: break;
        }
    }
    co_return Result<void>{};
}

Task<processor::Outcome> World::send(int n, core::Command command, Duration patience) {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{100}, Duration{milliseconds{3}})));
    auto exchange = std::make_shared<Exchange>(loop_->loop());
    bool lost = dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    Node& node = *nodes_[static_cast<std::size_t>(n)];
    if (lost || !node.serve(std::move(command), patience, exchange)) {
        co_return fail(ErrorClass::Unavailable, "connection_refused", "Nobody listens.");
    }
    Deadline deadline = Deadline::after(patience + seconds{1});
    CO_TRY_VOID(co_await exchange->ended.wait(deadline));
    bool answer_lost = dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    if (!exchange->answer || answer_lost) {
        co_return fail(ErrorClass::Unknown, "connection_lost", "The connection broke.");
    }
    co_return std::move(*exchange->answer);
}

Task<std::optional<core::PaymentIntent>> World::look(Id<core::Account> account,
                                                     Id<core::PaymentIntent> payment) {
    for (;;) {
        auto found = co_await store_.find(account, payment, Deadline::after(seconds{5}));
        if (found || found.error().code == "cancelled") co_return found;
        CO_TRY_VOID(co_await net::sleep_for(milliseconds{200}));
    }
}

void World::heal() {
    note("all is healed");
    healed_ = true;
    store_.set_faults({.seed = 1, .latency_max = milliseconds{1}});
    store_.take_away(Duration{0});
    acquirer_->set_faults({});
    acquirer_->set_reachable(true);
    lost_requests_percent_ = 0;
    for (auto& node : nodes_) {
        if (!node->running()) node->start();
    }
}

bool World::all_settled() {
    if (loop_->steps() % 64 != 0) return false;
    return std::ranges::all_of(store_.all<core::Operation>(), [](const core::Operation& operation) {
        return operation.state != core::OperationState::Started;
    });
}

std::vector<std::string> World::run() {
    auto bugs = bugs_found();
    bool ended = loop_->run_until(
        [this] {
            crash_if_due();
            return clients_done();
        },
        run_limit);
    if (!ended) return {"the clients did not come to an end"};
    heal();
    bool settled = loop_->run_until(
        [this] {
            crash_if_due();
            return all_settled();
        },
        settle_limit);
    std::vector<std::string> findings;
    for (const auto& client : clients_) {
        if (!client->complaint().empty()) findings.push_back(client->complaint());
    }
    if (!settled && !all_settled()) findings.emplace_back("operations are open after 60 s");
    loop_->run_until([this] { return acquirer_->idle(); }, minutes{2}); // late messages arrive
    examine(store_, acquirer_->books(), clients_, findings);
    if (bugs_found() != bugs) findings.emplace_back("a BUG was met");
    return findings;
}

} // namespace holdfast::sim
