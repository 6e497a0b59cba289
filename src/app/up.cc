#include "app/up.h"

#include "app/admin.h"
#include "app/cluster_keeper.h"
#include "app/data_directory.h"
#include "app/pool_settings.h"
#include "app/port_reservation.h"
#include "app/start_check.h"
#include "app/supervisor.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/own_program.h"
#include "db/embedded_cluster.h"
#include "net/block_on.h"
#include "net/http_client.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <unistd.h>

namespace holdfast::app {
namespace {

using db::EmbeddedCluster;
using db::Node;

constexpr Duration ready_patience = std::chrono::minutes{2};
constexpr Duration drain_patience = std::chrono::seconds{30};
constexpr Duration acquirer_patience = std::chrono::seconds{10};
constexpr Duration postgres_patience = std::chrono::seconds{60};
constexpr Duration basebackup_patience = std::chrono::hours{2};
constexpr Duration keeper_patience = std::chrono::seconds{5};
constexpr int instances_max = 64;

void say(std::string_view text) {
    fmt::print(stderr, "holdfast: {}\n", text);
    std::fflush(stderr);
}

/// Without a URL: the servers do not run yet.
Result<void> ask_doctor(const Config& config, const UpOptions& options, const std::string& data,
                        const std::string& database_url) {
    net::Loop loop{1}; // outlives the thread that wakes it
    Offload offload({.threads = 1});
    return net::block_on(loop, check_start(loop, offload, config,
                                           {.instances = options.instances,
                                            .data = data,
                                            .database_url = database_url,
                                            .command_logs = command_logs_of_all(data)}));
}

/// One start of the platform: what `up` holds while it runs.
class Platform {
  public:
    Platform(Env& env, net::Loop& loop, UpOptions options, Config config, DataDirectory data,
             Supervisor& supervisor)
        : env_(env),
          loop_(loop),
          options_(std::move(options)),
          config_(std::move(config)),
          data_(std::move(data)),
          offload_({.threads = 1}),
          supervisor_(supervisor) {}

    Result<void> start();
    void run() {
        supervisor_.watch([] { return false; });
        say("stopping: finishing what is under way");
        stop();
        say("stopped; nothing was lost, `holdfast up` goes on from here");
    }
    void stop();

  private:
    struct Endpoint {
        std::string name;
        std::uint16_t admin_port;
    };
    Result<PairState> known_state() const;
    Result<void> start_cluster();
    Result<void> fill_cluster(Node primary);
    Result<void> start_node(Node node);
    Result<void> wait_in_sync(Duration patience);
    Result<void> start_acquirer();
    std::vector<std::string> left_command_logs() const;
    Result<void> start_processes();
    Result<void> start_serve(const std::string& role, const Endpoint& self);
    template <class Work> Result<void> aside(Work work);
    Result<void> wait_until_ready();
    Result<std::uint16_t> reserve(std::uint16_t port);
    Service program_service(std::string name, std::vector<std::string> arguments,
                            Duration patience) const;
    Result<void> announce();
    std::string family_of(std::string_view service) const {
        return fmt::format("{}//{}", data_.path(), service);
    }
    std::string app_url() const;
    std::string local_url(std::uint16_t port) const {
        return fmt::format("http://{}:{}", options_.address, port);
    }
    std::string acquirer_url() const {
        return options_.acquirer_url.empty() ? local_url(acquirer_port_) : options_.acquirer_url;
    }
    /// Of all processes: that of the background is started last.
    std::string metrics_url() const { return local_url(serving_.back().admin_port) + "/metrics"; }

    Env& env_;
    net::Loop& loop_;
    UpOptions options_;
    Config config_;
    DataDirectory data_;
    Offload offload_;
    Supervisor& supervisor_;
    std::optional<EmbeddedCluster> cluster_;
    std::unique_ptr<ClusterKeeper> keeper_;
    std::vector<PortReservation> ports_;
    std::uint16_t api_port_ = 0, acquirer_port_ = 0;
    std::vector<Endpoint> serving_;
    TestAccount account_;
};

Result<std::uint16_t> Platform::reserve(std::uint16_t port) {
    TRY(PortReservation reservation, PortReservation::create(options_.address, port, data_.user()));
    ports_.push_back(std::move(reservation));
    return ports_.back().port();
}

Service Platform::program_service(std::string name, std::vector<std::string> arguments,
                                  Duration patience) const {
    arguments.insert(arguments.begin(), own_program());
    SpawnOptions spawn_options{.argv = std::move(arguments),
                               .user = data_.user(),
                               .family = family_of(name),
                               .log_path = data_.log_file(name)};
    return {.name = std::move(name),
            .family = spawn_options.family,
            .start = [spawn_options] { return spawn(spawn_options); },
            .stop_signal = SIGTERM,
            .stop_patience = patience};
}

std::string Platform::app_url() const {
    return cluster_ ? cluster_->url("holdfast_app") : options_.database_url;
}

std::string service_of(Node node) { return fmt::format("postgres-{}", db::name_of(node)); }

Result<void> Platform::start_node(Node node) {
    const std::string name = service_of(node);
    SpawnOptions spawn_options{.argv = {own_program(), "node", "--data", data_.path(), "--node",
                                        std::string(db::name_of(node))},
                               .user = data_.user(),
                               .family = family_of(name),
                               .log_path = cluster_->log_path(node)};
    return supervisor_.start({.name = name,
                              .family = spawn_options.family,
                              .start =
                                  [this, node, spawn_options] {
                                      auto started = spawn(spawn_options);
                                      if (started) keeper_->started(node);
                                      return started;
                                  },
                              .stop_signal = SIGINT,
                              .stop_patience = postgres_patience,
                              .ended = [this, node] { keeper_->ended(node); }});
}

/// Runs what blocks, while the supervisor and the keeper go on: a migration waits for commits, and
/// commits for a standby that the keeper may have to give up.
template <class Work> Result<void> Platform::aside(Work work) {
    std::optional<Result<void>> answer;
    std::atomic<bool> done = false;
    Offload thread({.name = "start", .threads = 1});
    TRY_VOID(thread.run(std::move(work), [&](Result<void> result) {
        answer = std::move(result);
        done = true;
        boost::asio::post(loop_, [this] { loop_.stop(); }); // ends the turn of watch()
    }));
    supervisor_.watch([&done] { return done.load(); });
    thread.shutdown(); // when we are asked to stop: what was begun is ended first
    if (supervisor_.asked_to_stop())
        return fail(ErrorClass::Unavailable, "interrupted", "stopped before it was ready");
    return std::move(*answer);
}

/// Which node is the primary, where that is known; that of a new pair, where there is none. Where
/// nothing says so it must not be guessed: the other one would be made its standby.
Result<PairState> Platform::known_state() const {
    const bool made = cluster_->made(Node::A) || cluster_->made(Node::B);
    const std::string path = data_.file("cluster.json");
    if (cluster_->earlier_layout())
        return fail(
            ErrorClass::Invalid, "cluster_state_invalid",
            fmt::format("{} was made by an earlier build, and this one can't go on from it; "
                        "name another directory with --data, or remove it, all money in it "
                        "included, with --fresh",
                        data_.path()));
    if (!made && ::access(path.c_str(), F_OK) != 0) return PairState{};
    TRY(PairState state, load_pair_state(path));
    // Without any node it is what a first start left that was interrupted.
    if (made ? !cluster_->made(state.primary) : state != PairState{})
        return fail(
            ErrorClass::Invalid, "cluster_state_invalid",
            fmt::format("{} says that node {} is the primary, and {}.made, which says that "
                        "it is whole, is missing; restore what was removed",
                        path, db::name_of(state.primary), cluster_->directory(state.primary)));
    return state;
}

/// The first start, up to a primary that is whole. Interrupted, it begins anew.
Result<void> Platform::fill_cluster(Node primary) {
    TRY_VOID(cluster_->ensure_database(primary));
    TRY_VOID(migrate(cluster_->url_with_password("postgres", "read-write"), say));
    TRY_VOID(cluster_->set_up_roles(primary));
    return cluster_->mark_made(primary);
}

Result<void> Platform::start_cluster() {
    TRY(auto cluster, EmbeddedCluster::open(env_, {.data_directory = data_.path(),
                                                   .user = data_.user(),
                                                   .family = family_of("cluster")}));
    cluster_ = std::move(cluster);
    TRY(PairState state, known_state());
    TRY(keeper_, ClusterKeeper::create(
                     loop_, offload_, *cluster_,
                     {.state = state,
                      .state_path = data_.file("cluster.json"),
                      .state_owner = data_.user(),
                      .switchover_path = data_.file("switchover"),
                      .kill_node = [this](Node node) { supervisor_.kill(service_of(node)); }}));
    const Node primary = keeper_->primary();
    const bool first_start = !cluster_->made(primary);
    if (first_start) TRY_VOID(cluster_->create(primary, say));
    TRY_VOID(start_node(primary));
    TRY_VOID(aside([&] { return cluster_->wait_ready(primary, ready_patience); }));
    keeper_->start();
    if (first_start) {
        TRY_VOID(aside([&] { return fill_cluster(primary); }));
        say("copying it to the standby (once)");
    }
    TRY_VOID(start_node(db::other(primary)));
    TRY_VOID(wait_in_sync(first_start ? basebackup_patience : ready_patience));
    if (!first_start)
        return aside(
            [&] { return migrate(cluster_->url_with_password("postgres", "read-write"), say); });
    auto ahead = aside([&] { return cluster_->make_log_ahead(primary, ready_patience); });
    if (ahead || supervisor_.asked_to_stop()) return ahead;
    say(fmt::format("the first payments will be slow, their log is made with them: {}",
                    ahead.error().message));
    return {};
}

/// Without a standby that is in sync payments are taken all the same; it is only said.
Result<void> Platform::wait_in_sync(Duration patience) {
    const MonoTime until = env_.now() + patience;
    supervisor_.watch([&] { return keeper_->state().promotable || env_.now() >= until; });
    if (supervisor_.asked_to_stop())
        return fail(ErrorClass::Unavailable, "interrupted", "stopped before it was ready");
    if (!keeper_->state().promotable)
        say(fmt::format("the standby is not in sync; going on without it, see {}",
                        cluster_->log_path(keeper_->standby())));
    return {};
}

void Platform::stop() {
    // Nobody takes over from what is stopped on purpose.
    if (keeper_) {
        auto stopped = net::block_on(loop_, keeper_->stop(net::Deadline::after(keeper_patience)));
        if (!stopped) BUG("the keeper does not end");
    }
    supervisor_.stop();
}

Result<void> Platform::start_acquirer() {
    if (!options_.acquirer_url.empty()) return {};
    TRY(acquirer_port_, reserve(0));
    TRY(std::string secret, data_.secret_file("acquirer_secret"));
    TRY(std::string admin, data_.secret_file("acquirer_admin_token"));
    TRY_VOID(data_.make_directory("acquirer"));
    return supervisor_.start(program_service(
        "acquirer",
        {"acquirer", "--address", options_.address, "--port", std::to_string(acquirer_port_),
         "--books", data_.file("acquirer"), "--secret-file", secret, "--admin-token-file", admin},
        acquirer_patience));
}

/// Of earlier starts with more instances.
std::vector<std::string> Platform::left_command_logs() const {
    std::vector<std::string> left;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(data_.file("command-log"), ignored)) {
        bool used = false;
        for (int i = 1; i <= options_.instances; ++i)
            used |= entry.path().filename() == fmt::format("pay-{}", i);
        if (!used) left.push_back(entry.path().string());
    }
    return left;
}

/// All their ports first: they speak to each other.
Result<void> Platform::start_processes() {
    for (int i = 1; i <= options_.instances + 1; ++i) {
        const bool pays = i <= options_.instances;
        TRY(std::uint16_t admin_port, reserve(0));
        serving_.push_back({pays ? fmt::format("pay-{}", i) : "background", admin_port});
    }
    for (const Endpoint& process : serving_)
        TRY_VOID(start_serve(&process == &serving_.back() ? "background" : "pay", process));
    return {};
}

Result<void> Platform::start_serve(const std::string& role, const Endpoint& self) {
    const std::string& name = self.name;
    TRY(std::string id_secret, data_.secret_file("id_secret"));
    TRY(std::string acquirer_secret, data_.secret_file("acquirer_secret"));
    std::vector<std::string> arguments{"serve",
                                       "--checked",
                                       "--role",
                                       role,
                                       "--name",
                                       name,
                                       "--address",
                                       options_.address,
                                       "--admin-port",
                                       std::to_string(self.admin_port),
                                       "--database-url",
                                       app_url(),
                                       "--acquirer-url",
                                       acquirer_url(),
                                       "--acquirer-secret-file",
                                       acquirer_secret,
                                       "--id-secret-file",
                                       id_secret,
                                       "--pool-settings",
                                       data_.file(pool_settings_name)};
    const std::vector<std::string> settings = settings_as_flags(config_);
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    if (role == "pay") {
        TRY_VOID(data_.make_directory("command-log"));
        TRY_VOID(data_.make_directory("attempt-log"));
        TRY_VOID(data_.make_directory("directory"));
        arguments.insert(arguments.end(), {"--port", std::to_string(api_port_), "--command-log",
                                           data_.file("command-log/" + name), "--attempt-log",
                                           data_.file("attempt-log/" + name), "--directory-copy",
                                           data_.file("directory/" + name)});
        if (&self == &serving_.front())
            for (const std::string& left : left_command_logs())
                arguments.insert(arguments.end(), {"--left-log", left});
    }
    for (const Endpoint& peer : serving_)
        if (&peer != &self && &peer != &serving_.back())
            arguments.insert(arguments.end(),
                             {"--peer", fmt::format("{}={}", peer.name, peer.admin_port)});
    return supervisor_.start(program_service(name, std::move(arguments), drain_patience));
}

Result<void> Platform::wait_until_ready() {
    net::Loop loop{1}; // the supervisor's own runs while we wait
    net::HttpClient client(loop, {});
    const MonoTime until = env_.now() + ready_patience;
    for (const Endpoint& endpoint : serving_) {
        bool ready = false;
        supervisor_.watch([&] {
            net::HttpClientRequest request{
                .host = options_.address, .port = endpoint.admin_port, .target = "/readyz"};
            auto response = net::block_on(
                loop,
                client.request(std::move(request), net::Deadline::after(std::chrono::seconds{1})));
            ready = response && response->status == 200;
            return ready || env_.now() >= until;
        });
        if (supervisor_.asked_to_stop())
            return fail(ErrorClass::Unavailable, "interrupted", "stopped before it was ready");
        if (!ready)
            return fail(ErrorClass::Deadline, "service_not_ready",
                        fmt::format("{} did not get ready; see {}", endpoint.name,
                                    data_.log_file(endpoint.name)));
    }
    return {};
}

Result<void> Platform::announce() {
    const std::string database_url =
        cluster_ ? cluster_->url_with_password("postgres", "read-write") : options_.database_url;
    const std::string standby_url =
        cluster_ ? cluster_->url_with_password("postgres", "prefer-standby") : std::string{};
    TRY(std::string admin_path, data_.secret_file("acquirer_admin_token"));
    TRY(SecretString admin_token, read_secret_file(admin_path));
    JsonWriter here;
    here.begin_object();
    here.field("database_url", app_url());
    here.field("acquirer_url", acquirer_url());
    here.field("acquirer_secret_file", data_.file("secrets/acquirer_secret"));
    here.field("metrics_url", metrics_url());
    here.field("doctor_allow", config_.text("doctor.allow"));
    here.end_object();
    TRY_VOID(data_.write_private("platform.json", std::move(here).take() + "\n", false));
    if (!options_.ready_file.empty()) {
        JsonWriter w;
        w.begin_object();
        w.field("api_base", local_url(api_port_));
        w.field("secret_key", account_.secret_key.reveal());
        w.field("publishable_key", account_.publishable_key.reveal());
        w.field("database_url", database_url);
        w.field("standby_url", standby_url);
        w.field("acquirer_url", acquirer_url());
        w.field("acquirer_admin_token", admin_token.reveal());
        w.field("metrics_url", metrics_url());
        w.end_object();
        TRY_VOID(write_file_durably(options_.ready_file, std::move(w).take() + "\n", 0600));
    }
    fmt::print(
        "\n"
        "  Holdfast takes payments.\n\n"
        "    API        {0}\n"
        "    test key   {1}\n"
        "    metrics    {2}\n"
        "    acquirer   {3}\n"
        "    data       {4}\n\n"
        "  Try it:\n\n"
        "    curl {0}/v1/payment_intents -u {1}: \\\n"
        "      -d amount=1099 -d currency=usd -d payment_method=pm_card_visa -d confirm=true\n\n"
        "  ctrl-C stops everything in order.\n",
        local_url(api_port_), account_.secret_key.reveal(), metrics_url(), acquirer_url(),
        data_.path());
    std::fflush(stdout);
    return {};
}

Result<void> Platform::start() {
    TRY(api_port_, reserve(options_.port));
    say("starting the acquirer and the databases");
    TRY_VOID(start_acquirer());
    if (options_.database_url.empty())
        TRY_VOID(start_cluster());
    else
        TRY_VOID(migrate(options_.database_url, say));
    TRY_VOID(aside([&]() -> Result<void> {
        TRY_VOID(ask_doctor(config_, options_, data_.path(), app_url()));
        TRY(account_, ensure_test_account(env_, data_, app_url()));
        return {};
    }));
    TRY_VOID(settle_pool_settings(data_.file(pool_settings_name), configured_pool(config_), say));
    say("starting payment processing");
    TRY_VOID(start_processes());
    TRY_VOID(wait_until_ready());
    return announce();
}

} // namespace

std::string data_directory_or_default(const std::string& data) {
    if (!data.empty()) return data;
    if (::geteuid() == 0) return "/var/lib/holdfast";
    const std::string xdg = environment_variable("XDG_DATA_HOME");
    if (!xdg.empty()) return xdg + "/holdfast";
    return environment_variable("HOME") + "/.local/share/holdfast";
}

Result<void> up(const UpOptions& options) {
    if (options.instances < 1 || options.instances > instances_max)
        return fail(ErrorClass::Invalid, "instances_invalid",
                    fmt::format("--instances must be 1 to {}", instances_max));
    if (!options.acquirer_url.empty()) TRY_VOID(net::parse_http_url(options.acquirer_url));
    static RealEnv env;
    TRY(Config config, load_settings(options.settings));
    const std::string path = data_directory_or_default(options.data);
    TRY_VOID(ask_doctor(config, options, path, {}));
    if (!config.is_default("doctor.allow"))
        say(fmt::format("overridden, whatever comes of it: {}", config.text("doctor.allow")));
    net::Loop loop{1};
    if (options.fresh) {
        TRY(DataDirectory old, DataDirectory::open(env, path));
        TRY(auto owner, Supervisor::create(env, loop, old.path())); // ends what runs on it
        TRY_VOID(DataDirectory::remove(old.path()));
        say("removed " + old.path());
    }
    TRY(DataDirectory data, DataDirectory::open(env, path));
    TRY_VOID(log::start({.file = data.log_file("supervisor")}));
    TRY(auto supervisor, Supervisor::create(env, loop, data.path()));
    Platform platform(env, loop, options, std::move(config), std::move(data), *supervisor);
    auto started = platform.start();
    if (started)
        platform.run();
    else
        platform.stop();
    log::stop();
    return started;
}

} // namespace holdfast::app
