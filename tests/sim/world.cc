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

constexpr int node_count = 3;
constexpr Duration run_limit = minutes{30};
constexpr Duration settle_limit = seconds{60}; // what is promised
constexpr Duration restart_max = seconds{20};
constexpr Duration absence_max = minutes{2};
constexpr Duration log_patience = seconds{5}; // for what need not be durable at once
constexpr Duration look_pause = seconds{1};
constexpr int disk_jobs_to_crash_in = 12;
constexpr Duration skew_max = minutes{5};
constexpr std::uint64_t steps_to_crash_in = 6'000;
const core::FloorLimit floor_limit{
    .currency = {}, .payment_minor = 100'000, .card_minor = 100'000, .total_minor = 120'000};
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
      stands_in_(dice_.chance(80)),
      blacks_out_(!calm_ && stands_in_ && dice_.chance(10)),
      identity_((Installed(env_), id_secret())),
      store_(store_faults()) {
    accounts_.resize(2);
    loop_ = std::make_unique<net::SimLoop>(env_, seed);
    acquirer_ = std::make_unique<gateway::SimAcquirer>(*loop_, env_, acquirer_options());
    witness_ = std::make_unique<Witness>(store_, *acquirer_);
    floor_witness_ = std::make_unique<FloorWitness>(accounts_, nodes_, *witness_);
    gate_ = std::make_unique<net::Gate>(loop_->loop(), "world");
    if (!calm_ && dice_.chance(50)) lost_requests_percent_ = static_cast<int>(dice_.below(10));
    for (core::Account& account : accounts_) {
        if (blacks_out_ || dice_.chance(50)) account.floor_limits.push_back(floor_limit);
        account.id = account.public_id = Id<core::Account>::time_ordered(env_);
        auto stored =
            loop_->run(store_.create_account(account, Deadline::after(minutes{1})), minutes{2});
        CHECK(stored.has_value());
    }
    make_nodes();
    // Until each has its share, or has not yet.
    if (blacks_out_) loop_->run_for(dice_.between(Duration{0}, minutes{1}));
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
    options.hold =
        dice_.between(Duration{milliseconds{200}}, Duration{seconds{blacks_out_ ? 2 : 8}});
    options.floor_use = dice_.between(Duration{seconds{30}}, Duration{minutes{10}});
    options.floor_renewal = dice_.between(Duration{seconds{5}}, Duration{seconds{30}});
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
        const Duration disk_latency = dice_.chance(15) ? seconds{2} : milliseconds{4};
        processor::Options options = processor_options();
        options.name = fmt::format("pay-{}", i);
        nodes_.push_back(std::make_unique<Node>(
            i,
            Platform{
                *loop_, env_, store_, *witness_, identity_, accounts_, std::move(options),
                folding(), stands_in_, node_count,
                [this](int to, std::string sealed) { return carry(to, std::move(sealed)); },
                [this](int to, core::Command command, Deadline deadline) {
                    return pass(to, std::move(command), deadline);
                },
                [this](int from, const processor::Outcome& o) { floor_witness_->hear(from, o); }},
            skew, disk_latency));
        nodes_.back()->start();
    }
}

void World::make_clients() {
    int count = static_cast<int>(dice_.between(blacks_out_ ? 3 : 1, 3));
    for (int i = 0; i < count; ++i) {
        const Id<core::Account> account = accounts_[static_cast<std::size_t>(i % 2)].id;
        Wire wire{
            .loop = loop_->loop(),
            .env = env_,
            .identity = identity_,
            .account = account,
            .stands_in = stands_in_,
            .answers_expire = answers_expire_,
            .nodes = node_count,
            .send = [this](int n, core::Command c, Duration p) { return send(n, std::move(c), p); },
            .look = [this, account](Id<core::PaymentIntent> id) { return look(account, id); },
            .note = {}};
        if (verbose_) wire.note = [this](const std::string& text) { note(text); };
        int purchases = static_cast<int>(dice_.between(1, blacks_out_ ? 5 : 2));
        clients_.push_back(std::make_unique<Client>(std::move(wire), dice_.below(1'000'000'000),
                                                    fmt::format("c{}", i),
                                                    fmt::format("key-{}", i / 2), purchases));
        ++clients_running_;
        CHECK(gate_->spawn(drive(*clients_.back())).has_value());
    }
    if (!calm_) CHECK(gate_->spawn(make_trouble()).has_value());
    if (blacks_out_) CHECK(gate_->spawn(black_out()).has_value());
}

void World::plan_crashes() {
    if (calm_) return;
    for (auto count = dice_.below(5); count > 0; --count) {
        Crash crash{.node = static_cast<int>(dice_.below(node_count))};
        if (stands_in_ && dice_.chance(35))
            crash.disk_jobs = static_cast<int>(dice_.between(1, disk_jobs_to_crash_in));
        else
            crash.step =
                loop_->steps() + 20 + dice_.below(steps_to_crash_in) / (1 + dice_.below(20));
        const auto end = dice_.below(100);
        crash.end = end < 40   ? End::Kill
                    : end < 70 ? End::PowerCut
                    : end < 90 ? End::Drain
                               : End::ForGood;
        crashes_.push_back(crash);
    }
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

bool World::is_due(const Crash& crash) const {
    const Node& node = *nodes_[static_cast<std::size_t>(crash.node)];
    if (crash.disk_jobs > 0) return node.running() && node.disk_jobs() >= crash.disk_jobs;
    return loop_->steps() >= crash.step;
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
    if (healed_) return;
    for (std::size_t i = 0; i < crashes_.size();) {
        if (!is_due(crashes_[i])) {
            ++i;
            continue;
        }
        const Crash due = crashes_[i];
        crashes_.erase(crashes_.begin() + static_cast<std::ptrdiff_t>(i));
        crash(due);
    }
}

void World::crash(const Crash& crash) {
    Node& node = *nodes_[static_cast<std::size_t>(crash.node)];
    if (!node.running()) return;
    if (crash.end == End::Drain) {
        note(fmt::format("node {} is asked to end", crash.node));
        node.begin_drain();
        return;
    }
    note(fmt::format("node {} {}", crash.node,
                     crash.end == End::PowerCut ? "loses its power" : "is killed"));
    node.kill();
    if (crash.end == End::PowerCut) node.lose_power();
    const bool for_good = crash.end == End::ForGood && buried_ < 0 && crash.node != heir_;
    if (for_good)
        bury(crash.node);
    else
        CHECK(gate_->spawn(restart(crash.node)).has_value());
}

/// It does not come back: another one takes its command log over, the next time that it starts.
void World::bury(int n) {
    buried_ = n;
    heir_ = (n + 1) % node_count;
    note(fmt::format("node {} is gone for good; node {} gets its log", n, heir_));
    Node& heir = *nodes_[static_cast<std::size_t>(heir_)];
    heir.take_over(nodes_[static_cast<std::size_t>(n)]->disk());
    if (heir.running()) heir.begin_drain();
}

Task<void> World::restart(int n) {
    Duration most = dice_.chance(15) ? absence_max : restart_max;
    if (healed_) most = seconds{1};
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{milliseconds{10}}, most)));
    start(n);
    co_return Result<void>{};
}

void World::start(int n) {
    Node& node = *nodes_[static_cast<std::size_t>(n)];
    if (node.running() || n == buried_) return;
    note(fmt::format("node {} starts", n));
    node.start();
}

Task<processor::Outcome> World::send(int n, core::Command command, Duration patience) {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{100}, Duration{milliseconds{3}})));
    // A message between instances may be lost, too: then that one can't know, and says 404.
    const bool unknown_there =
        !nodes_[static_cast<std::size_t>(n)]->told_of(command.account,
                                                      processor::payment_of(command)) &&
        is_held_elsewhere(n, command.account, processor::payment_of(command));
    auto exchange = std::make_shared<Exchange>(loop_->loop());
    bool lost = dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    Node& node = *nodes_[static_cast<std::size_t>(n)];
    if (lost || !node.serve(std::move(command), patience, exchange))
        co_return fail(ErrorClass::Unavailable, "connection_refused", "Nobody listens.");
    Deadline deadline = Deadline::after(patience + seconds{1});
    CO_TRY_VOID(co_await exchange->ended.wait(deadline));
    bool answer_lost = dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    if (!exchange->answer || answer_lost)
        co_return fail(ErrorClass::Unknown, "connection_lost", "The connection broke.");
    if (unknown_there && !*exchange->answer && exchange->answer->error().code == "resource_missing")
        co_return fail(ErrorClass::Unavailable, "not_told_yet", "Another process has it.");
    co_return std::move(*exchange->answer);
}

Task<processor::MarkBook::Hearing> World::carry(int to, std::string sealed) {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{100}, Duration{milliseconds{3}})));
    const auto lost = [this] {
        return dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    };
    if (lost()) co_return fail(ErrorClass::Unavailable, "connection_refused", "Nobody listens.");
    CO_TRY(const auto heard, nodes_[static_cast<std::size_t>(to)]->hear(sealed));
    if (lost()) co_return fail(ErrorClass::Unknown, "connection_lost", "The connection broke.");
    co_return heard;
}

Task<processor::Outcome> World::pass(int to, core::Command command, Deadline deadline) {
    CO_TRY_VOID(co_await net::sleep_for(dice_.between(Duration{100}, Duration{milliseconds{3}})));
    const auto lost = [this] {
        return dice_.below(100) < static_cast<std::uint64_t>(lost_requests_percent_);
    };
    auto exchange = std::make_shared<Exchange>(loop_->loop());
    if (lost() || !nodes_[static_cast<std::size_t>(to)]->serve(std::move(command), deadline.left(),
                                                               exchange, Node::Of::Node))
        co_return fail(ErrorClass::Unavailable, "peer_unreached", "Nobody listens.");
    // Who asks may be killed meanwhile, and who answers, too: neither waits for the other's loop.
    while (!exchange->ended.is_set() && !deadline.passed())
        CO_TRY_VOID(co_await net::sleep_for(milliseconds{1}));
    if (lost() || !exchange->answer)
        co_return fail(ErrorClass::Unknown, "peer_answer_lost", "The connection broke.");
    co_return *exchange->answer;
}

bool World::is_held_elsewhere(int n, Id<core::Account> account, Id<core::PaymentIntent> payment) {
    for (int i = 0; i < node_count; ++i)
        if (i != n && nodes_[static_cast<std::size_t>(i)]->holds(account, payment)) return true;
    return false;
}

/// As GET would: what an instance knows to be so, else the database.
Task<std::optional<core::PaymentIntent>> World::look(Id<core::Account> account,
                                                     Id<core::PaymentIntent> payment) {
    for (;;) {
        auto here = nodes_[dice_.below(node_count)]->find_here(account, payment);
        if (here && here->current) co_return std::move(here->row);
        auto found = co_await store_.find(account, payment, Deadline::after(seconds{5}));
        if (found || found.error().code == "cancelled") co_return found;
        CO_TRY_VOID(co_await net::sleep_for(look_pause));
    }
}

/// What is broken is repaired: a disk that has failed is looked at, and its instance started anew.
void World::heal() {
    note("all is healed");
    healed_ = true;
    store_.set_faults({.seed = 1, .latency_max = milliseconds{1}});
    store_.heal();
    acquirer_->set_faults({});
    acquirer_->set_reachable(true);
    lost_requests_percent_ = 0;
    for (int i = 0; i < node_count; ++i) {
        Node& node = *nodes_[static_cast<std::size_t>(i)];
        node.disk().heal();
        const bool anew = i == heir_ || broken_disks_.contains(i) || dice_.chance(30);
        if (!calm_ && stands_in_ && anew) node.kill();
        start(i);
    }
}

bool World::all_settled() const {
    for (int i = 0; i < node_count; ++i) {
        const Node& node = *nodes_[static_cast<std::size_t>(i)];
        if (i != buried_ && (!node.up() || node.has_to_drain())) return false;
    }
    return std::ranges::all_of(store_.all<core::Operation>(), [](const core::Operation& operation) {
        return operation.state != core::OperationState::Started;
    });
}

/// Nothing is left in the command logs that nobody has settled.
void World::examine_logs(std::vector<std::string>& findings) {
    for (auto& node : nodes_) node->kill();
    for (int i = 0; i < node_count; ++i) {
        auto left = nodes_[static_cast<std::size_t>(i)]->left_in_log();
        if (!left)
            findings.push_back(fmt::format("log of node {}: {}", i, to_string(left.error())));
        else if (*left > 0)
            findings.push_back(fmt::format("log of node {}: {} steps not settled", i, *left));
    }
}

/// What was on its way into the database when all was healed may start more, a moment later.
bool World::settle() {
    const MonoTime end = env_.now() + settle_limit;
    do {
        const bool settled = loop_->run_until(
            [this] {
                crash_if_due();
                return loop_->steps() % 64 == 0 && all_settled();
            },
            std::max(end - env_.now(), Duration{0}));
        if (!settled) return false;
        loop_->run_for(log_patience);
    } while (!all_settled());
    return true;
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
    const bool settled = settle();
    std::vector<std::string> findings;
    for (const auto& client : clients_)
        if (!client->complaint().empty()) findings.push_back(client->complaint());
    if (!settled) findings.emplace_back("operations, or payments to drain, are open after 60 s");
    loop_->run_until([this] { return acquirer_->idle(); }, minutes{2}); // late messages arrive
    for (const auto* seen : {&witness_->findings(), &floor_witness_->findings()})
        findings.insert(findings.end(), seen->begin(), seen->end());
    examine_logs(findings);
    examine({store_, acquirer_->books(), identity_}, clients_, findings);
    if (bugs_found() != bugs) findings.emplace_back("a BUG was met");
    return findings;
}

} // namespace holdfast::sim
