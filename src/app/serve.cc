#include "app/serve.h"

#include "api/directory_copy.h"
#include "api/payment_api.h"
#include "app/database.h"
#include "app/metrics_page.h"
#include "app/peers.h"
#include "app/pool_follower.h"
#include "app/readiness.h"
#include "app/signals.h"
#include "app/start_check.h"
#include "base/files.h"
#include "base/log.h"
#include "base/process_metrics.h"
#include "gateway/breaking_connector.h"
#include "gateway/signed_http_connector.h"
#include "net/block_on.h"
#include "net/http_server.h"
#include "net/loop_lag.h"
#include "net/loop_watch.h"
#include "net/offload_await.h"
#include "net/timer.h"
#include "processor/folder.h"
#include "processor/processor.h"
#include "processor/resolver.h"

#include <fmt/format.h>

namespace holdfast::app {
namespace {

using net::Deadline;
using net::HttpRequest;
using net::HttpResponse;
using net::Task;

constexpr Duration start_patience = std::chrono::seconds{60};
constexpr Duration drain_patience = std::chrono::seconds{25};
constexpr Duration account_refresh = std::chrono::seconds{5};
constexpr int rounds_per_keys = 12; ///< keys are asked for one by one, too
constexpr Duration load_patience = std::chrono::seconds{5};
/// A disk that takes longer is broken.
constexpr Duration keep_timeout = std::chrono::seconds{60};
/// So long a start waits for the database where it can be done without.
constexpr Duration known_patience = std::chrono::seconds{2};
constexpr Duration readiness_patience = std::chrono::seconds{2};

/// Everything one process holds, in the order in which it is built; destroyed in the reverse.
class Process {
  public:
    Process(ServeOptions options, Config config, Env& env)
        : options_(std::move(options)),
          config_(std::move(config)),
          env_(env),
          offload_({.name = "offload"}),
          loop_(1),
          background_(loop_, "background") {}

    Task<void> start();
    Task<void> stop();
    net::Loop& loop() { return loop_; }
    Registry& registry() { return registry_; }

  private:
    Task<void> ask_doctor(std::string database_url);
    Task<void> open_store();
    void open_directory_copy();
    Task<void> load_directory(Deadline deadline);
    Task<void> keep_directory();
    Result<void> find_peers();
    Task<void> start_processor();
    Result<std::unique_ptr<processor::CommandLog>> open_command_log(const std::string& directory);
    Result<processor::CommandLogs> open_command_logs();
    Result<std::unique_ptr<Journal>> open_journal(const std::string& directory,
                                                  JournalLimits limits = {});
    void start_attempt_log();
    Task<void> start_http();
    Task<void> refresh_accounts();
    Task<HttpResponse> answer_api(HttpRequest request);
    Task<HttpResponse> answer_admin(HttpRequest request);
    store::Store& store() { return database_->store(); }
    processor::Options processor_options();
    api::ApiLimits api_limits() const;
    bool takes_payments() const { return options_.role == "pay"; }
    /// Names this process among all, also on other machines.
    std::string full_name() const { return fmt::format("{}/{}", env_.hostname(), options_.name); }

    ServeOptions options_;
    Config config_;
    Env& env_;
    Registry registry_;
    Offload offload_;
    net::Loop loop_;
    std::optional<core::Identity> identity_;
    std::optional<PoolFollower> pool_follower_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<gateway::SignedHttpConnector> acquirer_;
    std::optional<gateway::BreakingConnector> connector_;
    std::optional<api::Directory> directory_;
    std::shared_ptr<api::DirectoryCopy> directory_copy_; ///< jobs of the Offload have it, too
    std::optional<Peers> peers_;
    std::unique_ptr<processor::Processor> processor_;
    std::unique_ptr<processor::Resolver> resolver_;
    std::unique_ptr<processor::Folder> folder_;
    std::optional<Readiness> readiness_;
    std::optional<api::AttemptLog> attempts_;
    std::optional<api::PaymentApi> api_;
    std::optional<net::LoopLag> loop_lag_;
    std::optional<MetricsPage> metrics_page_;
    std::unique_ptr<net::HttpServer> api_server_, admin_server_;
    net::Gate background_;
};

Task<HttpResponse> health_or_nothing(const Readiness& readiness, std::string_view path) {
    if (path == "/livez") co_return Readiness::livez();
    co_return readiness.readyz();
}

Task<HttpResponse> Process::answer_api(HttpRequest request) {
    if (request.path == "/livez" || request.path == "/readyz")
        co_return co_await health_or_nothing(*readiness_, request.path);
    co_return co_await api_->handle(std::move(request));
}

Task<HttpResponse> Process::answer_admin(HttpRequest request) {
    if (request.path == "/livez" || request.path == "/readyz")
        co_return co_await health_or_nothing(*readiness_, request.path);
    if (request.path == "/metrics") co_return co_await metrics_page_->render(request.deadline);
    if (request.path == "/metrics/own") co_return metrics_page_->own();
    if (request.path == Peers::marks_path && request.method == "POST" && peers_)
        co_return peers_->hear(request);
    if (request.path == Peers::commands_path && request.method == "POST" && peers_ && processor_)
        co_return co_await peers_->carry_out(std::move(request), *processor_);
    HttpResponse missing;
    missing.status = 404;
    missing.body = "This port has /livez, /readyz and /metrics.\n";
    co_return missing;
}

/// Without a URL: the servers may be away.
Task<void> Process::ask_doctor(std::string database_url) {
    if (options_.checked) co_return Result<void>{};
    StartPlan plan{.database_url = std::move(database_url)};
    if (takes_payments() && !options_.command_log.empty())
        plan.command_logs = command_log_of_one(options_.command_log);
    co_return co_await check_start(loop_, offload_, config_, std::move(plan));
}

Task<void> Process::open_store() {
    pool_follower_.emplace(
        offload_, loop_, registry_,
        FollowerOptions{.path = options_.pool_settings,
                        .configured = configured_pool(config_),
                        .self = process_named(env_.pid()).value_or(ProcessName{})});
    DatabaseOptions options{
        .name = options_.name,
        .pool = bounds_of(pool_follower_->begin()),
        .outside_pool = static_cast<std::size_t>(config_.integer("processor.lanes")) +
                        processor::special_lanes};
    CO_TRY(database_,
           Database::create(loop_, offload_, registry_, options_.database_url, std::move(options)));
    pool_follower_->start(*database_);
    directory_.emplace(store());
    open_directory_copy();
    const bool known = directory_copy_ && directory_copy_->found();
    const Deadline deadline = Deadline::after(known ? known_patience : start_patience);
    while (true) {
        auto loaded =
            co_await load_directory(Deadline::after(load_patience).capped(deadline.left()));
        if (loaded) co_return Result<void>{};
        log::warn("waiting_for_database", {{"error", to_string(loaded.error())}});
        if (deadline.passed() && !known) co_return fail(std::move(loaded).error());
        if (deadline.passed()) break;
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::milliseconds{200}));
    }
    directory_->restore(*directory_copy_->found());
    log::error("started_without_database", {{"accounts", directory_copy_->found()->accounts.size()},
                                            {"keys", directory_copy_->found()->keys.size()}});
    co_return Result<void>{};
}

/// Without it the process waits for the database when it starts; no reason not to start.
void Process::open_directory_copy() {
    if (options_.directory_copy.empty()) return;
    auto journal = open_journal(options_.directory_copy, api::DirectoryCopy::limits);
    auto copy = journal ? api::DirectoryCopy::create(std::move(*journal))
                        : Result<std::unique_ptr<api::DirectoryCopy>>(
                              std::unexpected(std::move(journal).error()));
    if (copy)
        directory_copy_ = std::move(*copy);
    else
        log::error("directory_copy_not_opened", {{"error", to_string(copy.error())}});
}

Task<void> Process::load_directory(Deadline deadline) {
    CO_TRY_VOID(co_await directory_->load(deadline));
    CO_TRY_VOID(co_await directory_->load_keys(deadline));
    co_return co_await keep_directory();
}

Task<void> Process::keep_directory() {
    if (!directory_copy_) co_return Result<void>{};
    auto work = [copy = directory_copy_, contents = directory_->contents()] {
        return copy->write(contents);
    };
    auto kept = co_await net::offloaded(offload_, std::move(work), Deadline::after(keep_timeout));
    if (kept) co_return Result<void>{};
    log::warn("directory_not_kept", {{"error", to_string(kept.error())}});
    if (kept.error().kind == ErrorClass::Deadline) directory_copy_.reset(); // still being written
    co_return Result<void>{};
}

processor::Options Process::processor_options() {
    processor::Options options;
    options.lanes = static_cast<int>(config_.integer("processor.lanes"));
    options.batch_commands_max = static_cast<int>(config_.integer("processor.batch_max"));
    options.queue_commands_max = static_cast<int>(config_.integer("processor.queue_max"));
    options.acquirer_timeout = config_.duration("acquirer.timeout");
    options.retry_percent = static_cast<int>(config_.integer("acquirer.retry_percent"));
    options.hold = config_.duration("db.hold");
    options.name = full_name();
    options.unauthorized_max = static_cast<int>(config_.integer("stand_in.unauthorized_max"));
    options.metrics = &registry_;
    return options;
}

Result<std::unique_ptr<Journal>> Process::open_journal(const std::string& directory,
                                                       JournalLimits limits) {
    TRY(auto secret, read_secret_file(options_.id_secret_file));
    return Journal::open(journal_directory(directory), secret, limits);
}

/// Evidence, and no reason to take no payments: without it they are.
void Process::start_attempt_log() {
    if (options_.attempt_log.empty()) return;
    auto journal = open_journal(options_.attempt_log);
    if (!journal) {
        log::error("attempt_log_not_opened", {{"error", to_string(journal.error())}});
        return;
    }
    attempts_.emplace(loop_, env_, offload_, std::move(*journal),
                      api::AttemptLogOptions{.metrics = &registry_});
    attempts_->start();
}

Result<std::unique_ptr<processor::CommandLog>> Process::open_command_log(
    const std::string& directory) {
    const auto kib = static_cast<std::uint64_t>(config_.integer("processor.log_segment"));
    // In whole pages, as the journal wants it.
    const std::uint64_t segment = (kib << 10) / segment_header_bytes * segment_header_bytes;
    TRY(auto journal, open_journal(directory, {.segment_bytes = segment}));
    return processor::CommandLog::create(loop_, offload_, std::move(journal));
}

/// Those of others may be in use after all, or damaged: no reason not to take payments.
Result<processor::CommandLogs> Process::open_command_logs() {
    processor::CommandLogs logs;
    if (options_.command_log.empty() || !takes_payments()) return logs;
    TRY(logs.own, open_command_log(options_.command_log));
    for (const std::string& directory : options_.left_logs) {
        if (auto left = open_command_log(directory))
            logs.left.push_back(std::move(*left));
        else
            log::error("left_log_not_opened",
                       {{"log", directory}, {"error", to_string(left.error())}});
    }
    return logs;
}

Result<void> Process::find_peers() {
    if (!takes_payments()) return {};
    TRY(auto addresses, peer_addresses(options_.peers, options_.address));
    std::erase_if(addresses, [this](const auto& peer) { return peer.name == options_.name; });
    TRY(const auto secret, read_secret_file(options_.id_secret_file));
    peers_.emplace(loop_, env_, offload_, secret, full_name(), std::move(addresses), registry_);
    return {};
}

Task<void> Process::start_processor() {
    CO_TRY(auto command_logs, open_command_logs());
    CO_TRY(auto secret, read_secret_file(options_.acquirer_secret_file));
    CO_TRY(acquirer_, gateway::SignedHttpConnector::create(loop_, env_,
                                                           {.base_url = options_.acquirer_url,
                                                            .secret = std::move(secret),
                                                            .offload = &offload_}));
    acquirer_->observe(registry_);
    connector_.emplace(env_, *acquirer_, gateway::BreakingOptions{}, &registry_);
    CO_TRY_VOID(find_peers());
    auto lookup = [this](Id<core::Account> id) { return directory_->find(id); };
    CO_TRY(processor_,
           co_await processor::Processor::create(
               loop_, env_, store(), *connector_, *identity_, lookup, processor_options(),
               std::move(command_logs), peers_ ? peers_->marks() : processor::Marks{}));
    resolver_ = std::make_unique<processor::Resolver>(
        loop_, env_, store(), *processor_, processor::ResolverOptions{.metrics = &registry_});
    resolver_->start();
    if (!takes_payments()) {
        folder_ = std::make_unique<processor::Folder>(loop_, env_, store());
        folder_->start();
    }
    co_return Result<void>{};
}

api::ApiLimits Process::api_limits() const {
    auto number = [this](std::string_view key) { return static_cast<int>(config_.integer(key)); };
    return {.admission = {.payments_max = number("api.payments_max"),
                          .checkouts_max = number("api.checkouts_max"),
                          .browse_max = number("api.browse_max")},
            .rates = {.live_per_second = number("api.rate_limit_live"),
                      .test_per_second = number("api.rate_limit_test"),
                      .wrong_keys_per_second = number("api.wrong_keys_per_second")}};
}

Task<void> Process::start_http() {
    readiness_.emplace(loop_, store());
    readiness_->start();
    // One page shows all processes: that of the background.
    CO_TRY(auto shown, peer_addresses(options_.peers, options_.address));
    if (takes_payments()) shown.clear();
    metrics_page_.emplace(loop_, options_.name, registry_, std::move(shown));
    CO_TRY(
        admin_server_,
        net::HttpServer::create(
            loop_, {.address = options_.address, .port = options_.admin_port, .reuse_port = true},
            [this](HttpRequest r) { return answer_admin(std::move(r)); }));
    admin_server_->start();
    admin_server_->observe(registry_, "admin");
    if (!takes_payments()) co_return Result<void>{};
    start_attempt_log();
    api_.emplace(env_, api::Views{.current = store(), .shown = database_->shown()}, *processor_,
                 *connector_, *identity_, *directory_, registry_, api_limits(),
                 attempts_ ? &*attempts_ : nullptr);
    loop_lag_.emplace(loop_, [this](Duration late) {
        api_->note_delays({.loop = late, .processor = processor_->queue_delay()});
    });
    CO_TRY(api_server_,
           net::HttpServer::create(
               loop_,
               {.address = options_.address,
                .port = options_.port,
                .reuse_port = true,
                .max_connections = static_cast<std::size_t>(config_.integer("api.connections_max")),
                .connections_per_network =
                    static_cast<std::size_t>(config_.integer("api.connections_per_address")),
                .request_timeout = config_.duration("api.request_timeout"),
                .render_error = api::PaymentApi::render_problem},
               [this](HttpRequest r) { return answer_api(std::move(r)); }));
    api_server_->start();
    api_server_->observe(registry_, "api");
    log::info("serving", {{"port", api_server_->port()}});
    co_return Result<void>{};
}

Task<void> Process::refresh_accounts() {
    for (int round = 1;; ++round) {
        auto slept = co_await net::sleep_for(account_refresh);
        if (!slept) co_return Result<void>{}; // stopping
        const Deadline deadline = Deadline::after(account_refresh);
        auto loaded = round % rounds_per_keys == 0 ? co_await load_directory(deadline)
                                                   : co_await directory_->load(deadline);
        if (!loaded) log::warn("accounts_not_refreshed", {{"error", to_string(loaded.error())}});
    }
}

Task<void> Process::start() {
    CO_TRY(auto id_secret, read_secret_file(options_.id_secret_file));
    identity_.emplace(id_secret);
    CO_TRY_VOID(co_await ask_doctor({}));
    CO_TRY_VOID(co_await open_store());
    CO_TRY_VOID(co_await ask_doctor(options_.database_url));
    CO_TRY_VOID(co_await start_processor());
    CO_TRY_VOID(co_await start_http());
    CO_TRY_VOID(background_.spawn(refresh_accounts()));
    co_return Result<void>{};
}

Task<void> Process::stop() {
    const Deadline deadline = Deadline::after(drain_patience);
    log::info("draining");
    if (readiness_) readiness_->begin_drain();
    if (api_server_) CO_TRY_VOID(co_await api_server_->drain(deadline));
    background_.cancel();
    CO_TRY_VOID(co_await background_.close(deadline));
    if (folder_) CO_TRY_VOID(co_await folder_->stop(deadline));
    if (resolver_) CO_TRY_VOID(co_await resolver_->stop(deadline));
    if (processor_) CO_TRY_VOID(co_await processor_->drain(deadline));
    if (attempts_) CO_TRY_VOID(co_await attempts_->stop(deadline));
    if (readiness_) CO_TRY_VOID(co_await readiness_->stop(Deadline::after(readiness_patience)));
    if (admin_server_) CO_TRY_VOID(co_await admin_server_->drain(deadline));
    if (pool_follower_) CO_TRY_VOID(co_await pool_follower_->stop(deadline));
    if (database_) CO_TRY_VOID(co_await database_->close(deadline));
    log::info("drained");
    co_return Result<void>{};
}

} // namespace

Result<void> serve(const ServeOptions& options) {
    static RealEnv env;
    TRY(Config config, load_settings(options.settings));
    TRY_VOID(log::start({.level = *log::parse_level(config.text("log.level"))}));
    Process process(options, std::move(config), env);
    observe_process(process.registry());
    net::LoopWatch watch(process.registry());
    auto result = net::block_on(process.loop(), process.start());
    if (result)
        until_asked_to_stop(process.loop());
    else
        log::error("serve_failed", {{"error", to_string(result.error())}});
    auto stopped = net::block_on(process.loop(), process.stop());
    if (!stopped) log::error("drain_failed", {{"error", to_string(stopped.error())}});
    log::stop();
    return result ? stopped : result;
}

} // namespace holdfast::app
