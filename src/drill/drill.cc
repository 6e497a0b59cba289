#include "drill/drill.h"

#include "base/json_writer.h"
#include "drill/http_way.h"
#include "drill/ordinary.h"
#include "drill/report.h"
#include "drill/scenario.h"
#include "drill/witness_reading.h"
#include "net/block_on.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/asio/signal_set.hpp>

#include <cmath>
#include <csignal>
#include <cstdio>

#include <unistd.h>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {

constexpr Duration sync_patience = std::chrono::minutes{2};
constexpr Duration end_of_load_patience = std::chrono::minutes{4};
constexpr Duration acts_patience = std::chrono::seconds{10};
constexpr Duration witness_pause = std::chrono::seconds{1};
constexpr std::size_t recent_max = 200; ///< purchases, for the p99 of the progress line

class Drill {
  public:
    Drill(net::Loop& loop, Env& env, Offload& offload, const Scenario& scenario,
          const DrillOptions& options)
        : loop_(loop),
          env_(env),
          offload_(offload),
          options_(options),
          of_capacity_(scenario.of_capacity),
          watching_(loop, "watch") {
        report_.scenario = &scenario;
        report_.engine = options.engine;
        report_.unprotected = options.unprotected;
        report_.rate = options.rate > 0 ? options.rate : options.quick ? rate_quick : rate_usual;
        if (options.rate > 0) of_capacity_ = 0;
    }

    Task<void> run();
    /// Ends whatever still goes on; always, and from outside of run(), which may be cancelled.
    Task<void> finish();
    void decline(const Error& why);
    const DrillReport& report() const { return report_; }
    Narrator& narrator() { return narrator_; }

  private:
    Duration scaled(Duration at) const { return options_.quick ? at / quick_divisor : at; }
    Duration so_far() const { return MonotonicClock::now() - report_.times.start; }
    const Scenario& scenario() const { return *report_.scenario; }
    Expectation expectation() const;
    Task<void> set_up();
    Task<void> measure_capacity();
    Task<void> play();
    Task<void> let_go();
    Task<void> watch();
    Duration recent_p99() const;
    Task<Comparison> hear_witnesses();

    net::Loop& loop_;
    Env& env_;
    Offload& offload_;
    const DrillOptions& options_;
    int of_capacity_;
    DrillReport report_;
    Narrator narrator_;
    std::optional<std::string> unproven_;
    std::vector<std::string> unmet_;
    std::unique_ptr<Platform> platform_;
    std::optional<Stage> stage_;
    std::unique_ptr<Ordinary> ordinary_; ///< what is hit with --unprotected
    std::unique_ptr<HttpWay> way_;
    std::optional<Load> trial_, load_;
    net::Gate watching_;
};

Task<void> Drill::set_up() {
    narrator_.say({}, fmt::format("{}: {}", scenario().name, scenario().sentence));
    narrator_.say({}, "starting a platform of its own");
    if (options_.engine == Engine::Patroni && scenario().embedded_only)
        co_return fail(
            ErrorClass::Invalid, "drill_embedded_only",
            fmt::format("{} is about the embedded pair; run it without --engine", scenario().name));
    PlatformOptions platform{.engine = options_.engine};
    platform.settings.assign(scenario().settings.begin(), scenario().settings.end());
    if (const auto& disk = scenario().disk)
        platform.disk = {.bytes = disk->bytes, .holds = {disk->holds.begin(), disk->holds.end()}};
    CO_TRY(platform_, co_await Platform::start(std::move(platform)));
    stage_.emplace(loop_, env_, offload_, *platform_);
    if (PatroniCluster* cluster = platform_->patroni())
        CO_TRY_VOID(stage_->acts.spawn(cluster->listen(stage_->http)));
    CO_TRY_VOID(co_await until(
        "the pair did not get in sync", [this] { return platform_->in_sync(); }, sync_patience));
    const Ready& ready = platform_->ready();
    std::string api_base = ready.api_base;
    if (options_.unprotected) {
        stage_->tables = sql::of_ordinary;
        stage_->ordinary = true;
        CO_TRY(ordinary_, co_await Ordinary::create(*stage_, scenario().ordinary_pool));
        api_base = ordinary_->api_base();
    }
    CO_TRY(way_, HttpWay::create(loop_, api_base, ready.secret_key));
    co_return Result<void>{};
}

/// As scenario.h says.
Task<void> Drill::measure_capacity() {
    narrator_.say({}, fmt::format("{} shoppers find out what this machine carries in {}",
                                  trial_shoppers, as_time(scaled(trial_length))));
    trial_.emplace(loop_, env_, *way_,
                   LoadOptions{.rate = 0, .shoppers = trial_shoppers, .seed = options_.seed});
    CO_TRY_VOID(trial_->start());
    CO_TRY_VOID(co_await net::sleep_for(scaled(trial_length) / 3));
    const MonoTime begun = MonotonicClock::now();
    const std::int64_t before = trial_->counts().told;
    CO_TRY_VOID(co_await net::sleep_for(scaled(trial_length) * 2 / 3));
    const std::chrono::duration<double> took = MonotonicClock::now() - begun;
    const double capacity = static_cast<double>(trial_->counts().told - before) / took.count();
    CO_TRY_VOID(co_await trial_->stop(Deadline::after(end_of_load_patience)));
    report_.rate = std::max(1.0, std::round(capacity * of_capacity_ / 100));
    narrator_.say({}, fmt::format("{:.0f} purchases/s; {} % of that is what it is to carry",
                                  capacity, of_capacity_));
    co_return Result<void>{};
}

/// The timeline. What can't be proven ends it.
Task<void> Drill::play() {
    report_.times.strike = report_.times.start + scaled(scenario().length);
    for (const Step& step : scenario().steps) {
        const MonoTime at = report_.times.start + scaled(step.at);
        if (at > MonotonicClock::now()) CO_TRY_VOID(co_await net::sleep_until(at));
        narrator_.say(so_far(), step.what);
        if (step.kind == Step::Kind::Blow) report_.times.strike = MonotonicClock::now();
        auto proof = co_await step.act(*stage_);
        if (!proof && proof.error().code == "cancelled") co_return fail(proof.error());
        if (!proof && step.kind == Step::Kind::Check) {
            unmet_.push_back(fmt::format("{}: {}", step.what, proof.error().message));
            narrator_.say(so_far(), "  no: " + proof.error().message);
            continue;
        }
        if (!proof) {
            unproven_ = fmt::format("{}: {}", step.what, to_string(proof.error()));
            narrator_.say(so_far(), "  not proven: " + to_string(proof.error()));
            co_return Result<void>{};
        }
        narrator_.say(so_far(), "  " + *proof);
    }
    const MonoTime end = report_.times.start + scaled(scenario().length);
    if (end > MonotonicClock::now()) CO_TRY_VOID(co_await net::sleep_until(end));
    co_return Result<void>{};
}

/// Whatever the steps still hold.
Task<void> Drill::let_go() {
    stage_->job_runs = false;
    stage_->disk_is_full = false;
    stage_->slow_clients.reset();
    if (PatroniCluster* cluster = platform_->patroni()) cluster->stop_listening();
    if (stage_->relay) stage_->relay->mend();
    for (auto& session : stage_->sessions) session->sever();
    stage_->sessions.clear();
    for (const Service& service : stage_->frozen)
        signal_family(service.process, service.family, SIGCONT);
    stage_->frozen.clear();
    if (stage_->damaged) CO_TRY_VOID(mend(*stage_));
    if (LimitedDisk* disk = stage_->platform.disk()) CO_TRY_VOID(disk->clear());
    co_return co_await stage_->acts.close(Deadline::after(acts_patience));
}

Duration Drill::recent_p99() const {
    std::vector<Duration> latencies;
    const auto& all = load_->purchases();
    for (auto it = all.rbegin(); it != all.rend() && latencies.size() < recent_max; ++it)
        if (it->told != Told::Nothing && it->told != Told::Abandoned)
            latencies.push_back(it->latency());
    return quantile(latencies, 99);
}

Task<void> Drill::watch() {
    while (true) {
        if (auto slept = co_await net::sleep_for(narrator_.interval()); !slept) break;
        narrator_.progress(so_far(), load_->counts(), recent_p99());
    }
    co_return Result<void>{};
}

/// Until they agree, or patience ends: unknown outcomes are still being resolved.
Task<Comparison> Drill::hear_witnesses() {
    const Deadline deadline = Deadline::after(settle_patience);
    std::deque<Purchase> everybody = load_->purchases();
    everybody.insert(everybody.end(), stage_->customers.begin(), stage_->customers.end());
    if (trial_)
        everybody.insert(everybody.end(), trial_->purchases().begin(), trial_->purchases().end());
    for (;;) {
        const bool ordinary = ordinary_ != nullptr;
        CO_TRY(const LedgerCheck check,
               ordinary ? co_await check_ordinary_ledger(*stage_) : co_await check_ledger(*stage_));
        CO_TRY(const LedgerWitness ledger,
               ordinary ? co_await read_ordinary_ledger(*stage_) : co_await read_ledger(*stage_));
        CO_TRY(const AcquirerWitness acquirer, co_await read_acquirer(*stage_));
        Comparison found = compare(everybody, ledger, acquirer, check);
        if (!ordinary) {
            CO_TRY(const AttemptWitness logged, read_attempt_logs(*platform_));
            compare_attempts(load_->purchases(), logged, found);
        }
        // Nobody resolves what an ordinary design left open.
        if (found.clean() || ordinary || deadline.passed()) co_return found;
        CO_TRY_VOID(co_await net::sleep_for(witness_pause));
    }
}

Expectation Drill::expectation() const {
    Expectation expected = scenario().expectation;
    if (options_.engine == Engine::Patroni) {
        expected.none_in_standin = false;
        expected.stall_max = answer_patience;
    }
    return expected;
}

/// The verdict of a drill that this machine does not let us run.
void Drill::decline(const Error& why) {
    report_.figures.unproven = why.message;
    report_.judgement = judge(report_.figures, scenario().expectation);
}

Task<void> Drill::run() {
    CO_TRY_VOID(co_await set_up());
    if (scenario().before && !options_.unprotected) {
        CO_TRY(const std::string done, co_await scenario().before(*stage_));
        narrator_.say({}, done);
    }
    if (of_capacity_ > 0) CO_TRY_VOID(co_await measure_capacity());
    load_.emplace(
        loop_, env_, *way_,
        LoadOptions{.rate = report_.rate, .visitors = scenario().visitors, .seed = options_.seed});
    stage_->load = &*load_;
    narrator_.say({}, fmt::format("{:g} purchases/s for {}", report_.rate,
                                  as_time(scaled(scenario().length))));
    report_.times.start = MonotonicClock::now();
    CO_TRY_VOID(load_->start());
    CO_TRY_VOID(watching_.spawn(watch()));
    auto played = co_await play();
    report_.times.end = MonotonicClock::now();
    CO_TRY_VOID(std::move(played));
    CO_TRY_VOID(co_await let_go());
    CO_TRY_VOID(co_await load_->stop(Deadline::after(end_of_load_patience)));
    watching_.cancel();
    CO_TRY_VOID(co_await watching_.close(Deadline::after(acts_patience)));
    narrator_.say(so_far(), "every client has its answer; hearing the witnesses");
    report_.figures = count(load_->purchases(), report_.times);
    report_.figures.unproven = unproven_;
    report_.figures.unmet = unmet_;
    CO_TRY(report_.figures.witnesses, co_await hear_witnesses());
    report_.judgement =
        ordinary_ ? judge_unprotected(report_.figures) : judge(report_.figures, expectation());
    if (const PatroniCluster* cluster = platform_->patroni())
        narrator_.say({}, fmt::format("Patroni itself had no primary for {} at most",
                                      as_time(cluster->longest_without_primary())));
    co_return Result<void>{};
}

Task<void> Drill::finish() {
    watching_.cancel();
    CO_TRY_VOID(co_await watching_.close(Deadline::after(acts_patience)));
    if (stage_) {
        stage_->acts.cancel();
        CO_TRY_VOID(co_await let_go());
    }
    for (auto* load : {&trial_, &load_}) {
        if (!*load) continue;
        (*load)->cancel();
        CO_TRY_VOID(co_await (*load)->stop(Deadline::after(acts_patience)));
    }
    if (ordinary_) co_return co_await ordinary_->close(Deadline::after(acts_patience));
    co_return Result<void>{};
}

/// Runs it in a gate, so that a signal can end it from outside.
Task<void> run_into(Drill& drill, std::optional<Result<void>>& result, net::Event& done) {
    result.emplace(co_await drill.run());
    done.set();
    co_return Result<void>{};
}

Task<void> wait_for(net::Event& done) {
    constexpr Duration longest = std::chrono::hours{2};
    CO_TRY(const bool in_time, co_await done.wait(Deadline::after(longest)));
    if (!in_time) co_return fail(ErrorClass::Deadline, "drill_endless", "the drill does not end");
    co_return Result<void>{};
}

Outcome print(Narrator& narrator, const DrillReport& report, bool json) {
    if (json)
        for (const std::string& detail : details(report)) narrator.say({}, detail);
    fmt::print("{}",
               json ? as_json(report) + "\n" : as_table(report, ::isatty(STDOUT_FILENO) != 0));
    std::fflush(stdout);
    return report.judgement.outcome;
}

} // namespace

void list_drills(bool json) {
    JsonWriter w;
    w.begin_array();
    for (const Scenario* scenario : all_scenarios()) {
        if (!json) fmt::print("  {:<24}{}\n", scenario->name, scenario->sentence);
        w.begin_object();
        w.field("name", scenario->name);
        w.field("sentence", scenario->sentence);
        w.end_object();
    }
    w.end_array();
    if (json) fmt::print("{}\n", std::move(w).take());
}

Result<Outcome> run_drill(const DrillOptions& options) {
    TRY(const Scenario* scenario, find_scenario(options.name));
    Env& env = Env::current();
    // Before there is any thread.
    const auto own_mounts = scenario->disk ? LimitedDisk::enter_own_mounts() : Result<void>{};
    Offload offload({.threads = 1});
    net::Loop loop{1};
    Drill drill(loop, env, offload, *scenario, options);
    if (!own_mounts) {
        drill.decline(own_mounts.error());
        return print(drill.narrator(), drill.report(), options.json);
    }
    net::Gate gate(loop, "drill");
    net::Event done(loop, net::Event::Reset::Manual);
    std::optional<Result<void>> ended;
    TRY_VOID(gate.spawn(run_into(drill, ended, done)));
    bool interrupted = false;
    boost::asio::signal_set signals(loop, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code& error, int) {
        if (error) return;
        interrupted = true;
        drill.narrator().say({}, "interrupted; ending what was started");
        gate.cancel();
    });
    TRY_VOID(net::block_on(loop, wait_for(done)));
    signals.cancel();
    TRY_VOID(net::block_on(loop, drill.finish()));
    TRY_VOID(net::block_on(loop, gate.close(Deadline::after(acts_patience))));
    if (interrupted)
        return fail(ErrorClass::Unavailable, "drill_interrupted", "the drill was interrupted");
    if (!*ended) return fail(std::move(*ended).error());
    return print(drill.narrator(), drill.report(), options.json);
}

} // namespace holdfast::drill
