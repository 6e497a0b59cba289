#include "app/pool.h"

#include "app/doctor.h"
#include "app/platform_page.h"
#include "app/pool_settings.h"
#include "app/supervisor.h"
#include "app/traffic.h"
#include "app/up.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>

namespace holdfast::app {
namespace {

using std::chrono::seconds;

constexpr Duration poll = seconds{1};
constexpr Duration unmeasured_max = seconds{5}; ///< a trial that can't be watched ends
constexpr Duration taken_patience = seconds{10};
constexpr std::string_view taken = "hold everywhere";
constexpr std::string_view not_taken =
    "hold, but not everybody has taken them yet; see `pool show`";
constexpr std::string_view payers = "pay-"; ///< how processes that take payments are called

using Seen = std::map<std::string, ProcessSeen>;

void say(const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

Result<Seen> look(PlatformPage& page) {
    TRY(const std::string text, page.read());
    return traffic_by_process(text);
}

bool same_process(const Seen& earlier, const Seen& later, const std::string& name) {
    const auto a = earlier.find(name), b = later.find(name);
    return a != earlier.end() && b != later.end() && a->second.started == b->second.started;
}

Traffic since(const Seen& earlier, const Seen& later, const std::string& name) {
    if (!same_process(earlier, later, name)) return {};
    return later.at(name).traffic - earlier.at(name).traffic;
}

/// Of all others that take payments and ran all the time.
Traffic of_others(const Seen& earlier, const Seen& later, const std::string& canary) {
    Traffic sum;
    for (const auto& [name, process] : later)
        if (name != canary && name.starts_with(payers)) sum += since(earlier, later, name);
    return sum;
}

/// The busiest: evidence is there soonest. Empty when none takes payments.
std::string choose_canary(const Seen& earlier, const Seen& later) {
    std::string canary;
    std::int64_t most = -1;
    for (const auto& [name, process] : later) {
        if (!name.starts_with(payers) || !same_process(earlier, later, name)) continue;
        const std::int64_t answers = since(earlier, later, name).answers;
        if (answers <= most) continue;
        most = answers;
        canary = name;
    }
    return canary;
}

class Change {
  public:
    Change(const PoolChange& asked, std::string data)
        : asked_(asked),
          data_(std::move(data)),
          path_(fmt::format("{}/{}", data_, pool_settings_name)) {}

    Result<void> run();

  private:
    Result<void> consult_doctor() const;
    Result<void> measure_before();
    Result<void> begin_trial();
    Judgement watch_trial();
    Result<void> take_back(const std::string& because);
    Result<void> choose(const std::string& because);
    bool wait_until_taken(const std::function<bool(const ProcessSeen&)>& has, std::string only);
    Duration observe() const { return seconds{asked_.observe_s}; }
    Duration longest() const { return observe() * extended_times; }

    const PoolChange& asked_;
    std::string data_, path_;
    ProcessName self_, supervisor_;
    std::unique_ptr<PlatformPage> page_;
    PoolSize now_, wanted_;
    std::string canary_;
    Seen before_begin_, before_end_, begin_;
};

/// Only what the change itself breaks: everything else is no reason against it.
Result<void> Change::consult_doctor() const {
    for (const std::string& id : asked_.allow)
        if (std::ranges::none_of(guard::all_rules(), [&](auto* rule) { return rule->id == id; }))
            return fail(ErrorClass::Invalid, "doctor_rule_unknown",
                        fmt::format("--allow {}: the doctor has no such rule", id));
    DoctorOptions options;
    options.target.data = data_;
    options.settings.file = asked_.config_file;
    TRY(guard::Facts facts, doctor_facts(options));
    facts.plan.pool_max = static_cast<int>(now_.max);
    const auto present = guard::examine(facts);
    facts.plan.pool_max = static_cast<int>(wanted_.max);
    std::string refused;
    for (const guard::Finding& finding : guard::new_failures(present, guard::examine(facts))) {
        const bool allowed =
            std::ranges::find(asked_.allow, finding.rule->id) != asked_.allow.end();
        const std::string text =
            fmt::format("{}: {} (safe: {})", finding.rule->id, finding.measured, finding.safe);
        if (allowed)
            say("allowed: " + text);
        else
            refused += fmt::format("\n  {}\n  {}", text, finding.rule->consequence);
    }
    if (refused.empty()) return {};
    return fail(ErrorClass::Conflict, "pool_change_refused",
                fmt::format("the doctor refuses {}; nothing was tried. --allow RULE overrides a "
                            "rule by its name{}",
                            to_string(wanted_), refused));
}

Result<void> Change::measure_before() {
    say(fmt::format("measuring for {} s with {}", asked_.observe_s, to_string(now_)));
    TRY(before_begin_, look(*page_));
    const MonoTime begun = MonotonicClock::now();
    for (;;) {
        block_thread(poll);
        const Duration past = MonotonicClock::now() - begun;
        if (past < observe()) continue;
        TRY(before_end_, look(*page_));
        canary_ = choose_canary(before_begin_, before_end_);
        if (canary_.empty())
            return fail(ErrorClass::Unavailable, "pool_change_untried",
                        "no process that takes payments answers; nothing was tried");
        const Traffic traffic = since(before_begin_, before_end_, canary_);
        if (enough_traffic(traffic)) return {};
        if (past >= longest())
            return fail(ErrorClass::Unavailable, "pool_change_untried",
                        fmt::format("{} gave {} answers in {} s and asked {} times for a "
                                    "connection, too little to compare by ({} of each); nothing "
                                    "was tried. Try when there is more traffic, with a longer "
                                    "--observe, or with --force",
                                    canary_, traffic.answers,
                                    std::chrono::duration_cast<seconds>(past).count(),
                                    traffic.acquires, enough));
    }
}

bool Change::wait_until_taken(const std::function<bool(const ProcessSeen&)>& has,
                              std::string only) {
    const MonoTime until = MonotonicClock::now() + taken_patience;
    do {
        const auto seen = look(*page_);
        const bool all = seen && std::ranges::all_of(*seen, [&](const auto& process) {
                             const bool meant = only.empty() ? process.second.size != PoolSize{}
                                                             : process.first == only;
                             return !meant || has(process.second);
                         });
        if (all && (only.empty() || seen->contains(only))) return true;
        block_thread(std::chrono::milliseconds{100});
    } while (MonotonicClock::now() < until);
    return false;
}

Result<void> Change::begin_trial() {
    TRY(const auto services, recorded_services(data_));
    const auto found = std::ranges::find(services, canary_, &RecordedService::name);
    if (found == services.end())
        return fail(ErrorClass::Unavailable, "pool_change_untried",
                    fmt::format("the supervisor does not run {}; nothing was tried", canary_));
    TRY(PoolSettings settings, load_pool_settings(path_));
    settings.trial = PoolTrial{.size = wanted_,
                               .process = found->process,
                               .conductor = self_,
                               .lasts = longest() + 2 * taken_patience};
    TRY_VOID(store_pool_settings(path_, settings));
    say(fmt::format("trying {} on {} for {} s", to_string(wanted_), canary_, asked_.observe_s));
    const auto tries = [this](const ProcessSeen& seen) {
        return seen.on_trial && seen.size == wanted_;
    };
    if (!wait_until_taken(tries, canary_))
        return take_back(
            fmt::format("{} did not take them; see its log in {}/log", canary_, data_));
    auto seen = look(*page_);
    if (!seen) return take_back("the metrics can't be read");
    begin_ = std::move(*seen);
    return {};
}

Judgement Change::watch_trial() {
    const MonoTime begun = MonotonicClock::now();
    MonoTime measured = begun;
    const auto after = [&] {
        return fmt::format(
            ", after {} s",
            std::chrono::duration_cast<seconds>(MonotonicClock::now() - begun).count());
    };
    for (;;) {
        block_thread(poll);
        const auto seen = look(*page_);
        if (!seen && MonotonicClock::now() - measured < unmeasured_max) continue;
        if (!seen) return {Verdict::RollBack, "the metrics can't be read any more" + after()};
        measured = MonotonicClock::now();
        if (!is_alive(supervisor_)) return {Verdict::RollBack, "`holdfast up` has ended" + after()};
        if (!same_process(begin_, *seen, canary_) || !seen->at(canary_).on_trial)
            return {Verdict::RollBack, canary_ + " does not try them any more" + after()};
        Judgement judged = judge({.canary = canary_,
                                  .canary_before = since(before_begin_, before_end_, canary_),
                                  .canary_now = since(begin_, *seen, canary_),
                                  .others_before = of_others(before_begin_, before_end_, canary_),
                                  .others_now = of_others(begin_, *seen, canary_),
                                  .complete = measured - begun >= observe()});
        judged.because += after();
        if (judged.verdict == Verdict::RollBack) return judged;
        if (measured - begun < observe()) continue;
        if (judged.verdict == Verdict::Keep || measured - begun >= longest()) return judged;
    }
}

/// The error is what the command ends with.
Result<void> Change::take_back(const std::string& because) {
    TRY(PoolSettings settings, load_pool_settings(path_));
    if (settings.trial && settings.trial->conductor == self_) {
        settings.trial.reset();
        TRY_VOID(store_pool_settings(path_, settings));
    }
    const PoolSize holds = settings.everywhere();
    const bool back = wait_until_taken(
        [&](const ProcessSeen& seen) { return !seen.on_trial && seen.size == holds; }, {});
    return fail(
        ErrorClass::Conflict, "pool_change_rolled_back",
        fmt::format("rolled back: {}. {} {}", because, to_string(holds), back ? taken : not_taken));
}

Result<void> Change::choose(const std::string& because) {
    TRY(PoolSettings settings, load_pool_settings(path_));
    if (!asked_.force && (!settings.trial || settings.trial->conductor != self_))
        return take_back("`holdfast up` was started anew, or somebody else began another trial");
    settings.trial.reset();
    settings.chosen = wanted_;
    if (wanted_ == settings.configured) settings.chosen.reset();
    TRY_VOID(store_pool_settings(path_, settings));
    const bool all = wait_until_taken(
        [this](const ProcessSeen& seen) { return !seen.on_trial && seen.size == wanted_; }, {});
    say(fmt::format("{}: {} {}; also after a restart", because, to_string(wanted_),
                    all ? taken : not_taken));
    if (settings.chosen)
        say(fmt::format("the configuration says {}; when that is changed, it is what holds",
                        to_string(settings.configured)));
    return {};
}

Result<void> Change::run() {
    self_ = process_named(Env::current().pid()).value_or(ProcessName{});
    TRY(const PoolSettings settings, load_pool_settings(path_));
    if (settings.trial && is_alive(settings.trial->conductor))
        return fail(ErrorClass::Conflict, "pool_change_under_way",
                    fmt::format("another `holdfast pool set` (pid {}) tries {} just now",
                                settings.trial->conductor.pid, to_string(settings.trial->size)));
    now_ = settings.everywhere();
    wanted_ = {.min = asked_.min.value_or(now_.min), .max = asked_.max.value_or(now_.max)};
    TRY_VOID(check_pool(wanted_));
    if (wanted_ == now_) {
        say(to_string(now_) + " hold already");
        return {};
    }
    TRY(supervisor_, supervisor_of(data_));
    TRY(page_, PlatformPage::of(data_));
    TRY_VOID(consult_doctor());
    if (asked_.force) return choose("forced, without a canary");
    TRY_VOID(measure_before());
    TRY_VOID(begin_trial());
    const Judgement judged = watch_trial();
    if (judged.verdict == Verdict::Keep) return choose(judged.because);
    return take_back(judged.because);
}

} // namespace

Result<void> pool_show(const std::string& data) {
    const std::string directory = data_directory_or_default(data);
    TRY(const PoolSettings settings,
        load_pool_settings(fmt::format("{}/{}", directory, pool_settings_name)));
    TRY_VOID(supervisor_of(directory));
    say("configured   " + to_string(settings.configured));
    if (settings.chosen) say("chosen       " + to_string(*settings.chosen));
    TRY(const auto page, PlatformPage::of(directory));
    TRY(const Seen seen, look(*page));
    for (const auto& [name, process] : seen)
        if (process.size != PoolSize{})
            say(fmt::format("{:<12} {}{}", name, to_string(process.size),
                            process.on_trial ? ", on trial" : ""));
    return {};
}

Result<void> pool_set(const PoolChange& change) {
    return Change(change, data_directory_or_default(change.data)).run();
}

} // namespace holdfast::app
