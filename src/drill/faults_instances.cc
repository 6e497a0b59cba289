// One more instance of the drill's own: joins, dies with payments that only it knows, returns. And
// what is owed to people when the acquirer is away together with the database.

#include "base/files.h"
#include "base/json.h"
#include "drill/customers.h"
#include "drill/faults.h"
#include "drill/witness_reading.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::drill::faults {

using net::Deadline;

namespace {

constexpr std::string_view name = "pay-away";
constexpr Duration start_patience = std::chrono::seconds{60};
constexpr Duration look_again = std::chrono::milliseconds{100};
constexpr Duration answer_time = std::chrono::seconds{30};
constexpr Duration gone_patience = std::chrono::seconds{1};
constexpr Duration settle_time = std::chrono::seconds{30};
constexpr Duration settle_pause = std::chrono::seconds{1};
constexpr Duration quick_answer = std::chrono::seconds{2};
constexpr Duration refusal_patience = std::chrono::seconds{30};
constexpr Duration refusal_pause = std::chrono::milliseconds{500};
constexpr int payments = 20;
constexpr std::size_t log_bytes_max = 64 << 20;

std::vector<std::string> words_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
    std::vector<std::string> words;
    for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    return words;
}

/// Whose process it is, where we are root and it is somebody else's.
std::optional<UserIdentity> owner_of(pid_t pid) {
    struct stat info{};
    const std::string path = fmt::format("/proc/{}", pid);
    if (::geteuid() != 0 || ::stat(path.c_str(), &info) != 0 || info.st_uid == 0)
        return std::nullopt;
    const passwd* user = ::getpwuid(info.st_uid);
    return UserIdentity{info.st_uid, info.st_gid, user ? user->pw_name : ""};
}

std::string beside(const std::string& path) {
    return path.substr(0, path.rfind('/') + 1).append(name);
}

/// As the platform starts its own, with a name, ports and logs of its own.
Result<SpawnOptions> like_pay_1(const Platform& platform) {
    TRY(const Service serve, platform.service("pay-1"));
    SpawnOptions options{.user = owner_of(serve.process.pid),
                         .family = fmt::format("{}//{}", platform.data(), name),
                         .log_path = platform.log_of(name)};
    const std::vector<std::string> words = words_of(serve.process.pid);
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--left-log") {
            ++i;
            continue;
        }
        options.argv.push_back(words[i]);
        if (i + 1 == words.size()) continue;
        const std::string& flag = words[i];
        if (flag == "--name")
            options.argv.emplace_back(name), ++i;
        else if (flag == "--port" || flag == "--admin-port")
            options.argv.emplace_back("0"), ++i;
        else if (flag == "--command-log" || flag == "--attempt-log" || flag == "--directory-copy")
            options.argv.push_back(beside(words[i + 1])), ++i;
    }
    if (options.argv.empty()) return fail(missed("the command line of pay-1 can't be read"));
    return options;
}

/// The port that the instance says it serves on, in what its log got since `from`.
std::optional<std::int64_t> port_in(const std::string& path, std::size_t from) {
    auto text = read_file(path, log_bytes_max);
    if (!text || text->size() <= from) return std::nullopt;
    const std::size_t at = text->find(R"("event":"serving")", from);
    const std::size_t end = at == text->npos ? at : text->find('\n', at);
    if (end == text->npos) return std::nullopt;
    const std::size_t begin = text->rfind('\n', at) + 1;
    auto line = parse_json(text->substr(begin, end - begin));
    auto port = line ? json_integer(*line, "port") : Result<std::int64_t>{fail(line.error())};
    return port ? std::optional(*port) : std::nullopt;
}

Task<void> start(Stage& stage) {
    CO_TRY(SpawnOptions options, like_pay_1(stage.platform));
    std::error_code none;
    const auto size = std::filesystem::file_size(options.log_path, none);
    const std::size_t from = none ? 0 : static_cast<std::size_t>(size);
    CO_TRY(stage.instance, spawn(options));
    const Deadline deadline = Deadline::after(start_patience);
    std::optional<std::int64_t> port;
    while (!(port = port_in(options.log_path, from))) {
        while (reap_child()) {
        }
        if (!is_alive(stage.instance) || deadline.passed())
            co_return fail(missed("the instance does not serve, see " + options.log_path));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    stage.instance_base = fmt::format("http://127.0.0.1:{}", *port);
    co_return Result<void>{};
}

Task<Verdict> buy(Way& way, const Purchase& customer) {
    auto answer = co_await way.send(payment_of(customer, Ask::CreateAndConfirm), 0,
                                    Deadline::after(answer_time));
    co_return told_by(answer, false);
}

Task<Verdict> new_customer_buys(Stage& stage, Way& way) {
    Purchase& customer = new_customer(stage);
    customer.intended = MonotonicClock::now();
    CO_TRY(Verdict verdict, co_await buy(way, customer));
    customer.told = verdict.told;
    customer.ended = MonotonicClock::now();
    co_return verdict;
}

/// Those whom the ledger knows.
Task<int> in_ledger(Stage& stage) {
    CO_TRY(const LedgerWitness ledger, co_await read_ledger(stage));
    co_return static_cast<int>(std::ranges::count_if(
        stage.customers, [&](const Purchase& customer) { return ledger.contains(customer.id); }));
}

} // namespace

/// One payment is made there at once: an instance that takes payments knows its merchants' keys.
Task<std::string> instance_joins(Stage& stage) {
    CO_TRY_VOID(co_await start(stage));
    CO_TRY(auto way, way_to(stage, stage.instance_base));
    CO_TRY(const Verdict verdict, co_await new_customer_buys(stage, *way));
    if (verdict.told != Told::Succeeded)
        co_return fail(missed("it takes no payments: " + verdict.trouble));
    co_return fmt::format("{} (pid {}) takes payments on a port of its own", name,
                          stage.instance.pid);
}

/// The first of them waits as long as anybody waits for a database.
Task<std::string> pay_at_instance(Stage& stage) {
    CO_TRY(auto way, way_to(stage, stage.instance_base));
    for (int i = 0; i < payments; ++i) {
        CO_TRY(const Verdict verdict, co_await new_customer_buys(stage, *way));
        if (verdict.told != Told::Accepted)
            co_return fail(missed("a payment was not accepted in stand-in: " + verdict.trouble));
    }
    co_return fmt::format("{} payments are accepted there", payments);
}

Task<std::string> instance_dies(Stage& stage) {
    const ProcessName process = stage.instance;
    ::kill(process.pid, SIGKILL);
    const auto gone = [process] {
        while (reap_child()) {
        }
        return !is_alive(process);
    };
    CO_TRY_VOID(co_await until("the instance lives on", gone, gone_patience));
    co_return fmt::format("{} (pid {}) is gone", name, process.pid);
}

/// Every second one has lost patience, and pays elsewhere under the same key.
Task<std::string> ask_elsewhere(Stage& stage) {
    CO_TRY(const int known, co_await in_ledger(stage));
    if (known != 1) // who has paid before
        co_return fail(missed(fmt::format("the ledger has {} of them", known - 1)));
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    int paid = 0;
    for (std::size_t i = 1; i < stage.customers.size(); i += 2) {
        CO_TRY(const Verdict verdict, co_await buy(*way, stage.customers[i]));
        if (verdict.told != Told::Succeeded)
            co_return fail(missed("a payment under a known key failed: " + verdict.trouble));
        stage.customers[i].told = verdict.told;
        ++paid;
    }
    co_return fmt::format("none of the payments was in the ledger; {} are made elsewhere", paid);
}

Task<std::string> instance_returns(Stage& stage) {
    CO_TRY_VOID(co_await start(stage));
    co_return fmt::format("{} (pid {}) serves again", name, stage.instance.pid);
}

namespace {

/// Those who are charged once, with no hold left.
std::ptrdiff_t settled(const std::deque<Purchase>& customers, const LedgerWitness& ledger,
                       const AcquirerWitness& acquirer) {
    return std::ranges::count_if(customers, [&](const Purchase& customer) {
        const auto entry = ledger.find(customer.id);
        const auto booked = acquirer.find(customer.id);
        return entry != ledger.end() && entry->second.succeeded == 1 && booked != acquirer.end() &&
               booked->second.charges == 1 && booked->second.held_minor == 0 &&
               booked->second.net_minor == customer.amount_minor;
    });
}

} // namespace

/// What was made elsewhere has superseded its twin. A witness who can't be heard just now is asked
/// again.
Task<std::string> all_settled(Stage& stage) {
    const Deadline deadline = Deadline::after(settle_time);
    for (;;) {
        const auto ledger = co_await read_ledger(stage);
        const auto acquirer = co_await read_acquirer(stage);
        const auto well = ledger && acquirer ? settled(stage.customers, *ledger, *acquirer) : 0;
        if (well == std::ssize(stage.customers))
            co_return fmt::format("all {} are charged once, and no hold is left", well);
        if (deadline.passed() && ledger && acquirer)
            co_return fail(ErrorClass::Bug, "not_settled",
                           fmt::format("only {} of {} are charged once without a hold left", well,
                                       stage.customers.size()));
        if (deadline.passed()) co_return fail(ledger ? acquirer.error() : ledger.error());
        CO_TRY_VOID(co_await net::sleep_for(settle_pause));
    }
}

/// How a payment is refused once it is known that neither is there. Until then some wait, for as
/// long as it takes to be sure.
Task<std::string> refused_quickly(Stage& stage) {
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    const Deadline deadline = Deadline::after(refusal_patience);
    for (;;) {
        Purchase& customer = new_customer(stage);
        customer.intended = MonotonicClock::now();
        auto answer = co_await way->send(payment_of(customer, Ask::CreateAndConfirm), 0,
                                         Deadline::after(answer_time));
        customer.ended = MonotonicClock::now();
        const Verdict verdict = told_by(answer, false);
        customer.told = verdict.told;
        const auto ms = in_ms(customer.latency());
        if (answer && answer->status == 503 && customer.latency() <= quick_answer &&
            answer->headers.get("Stripe-Should-Retry") == "true" &&
            !answer->headers.get("Retry-After").empty())
            co_return fmt::format("503 after {} ms: come back in {} s", ms,
                                  answer->headers.get("Retry-After"));
        if (deadline.passed())
            co_return fail(ErrorClass::Bug, "not_refused_cleanly",
                           fmt::format("after {} ms: {}", ms, verdict.trouble));
        CO_TRY_VOID(co_await net::sleep_for(refusal_pause));
    }
}

} // namespace holdfast::drill::faults
