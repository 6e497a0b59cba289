#include "drill/platform.h"

#include "base/files.h"
#include "base/json.h"
#include "base/own_program.h"
#include "net/http_client.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <csignal>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::drill {

using net::Task;

namespace {

namespace fs = std::filesystem;

constexpr Duration look_again = std::chrono::milliseconds{20};
constexpr std::size_t log_tail_bytes = 2000;
/// By it `up` knows a directory that is not empty for its own.
constexpr std::string_view data_marker = "holdfast.data";
constexpr std::size_t parent_bytes_max = 40; ///< the name of a socket holds about 100

Result<std::string> make_directory() {
    std::string parent = environment_variable("TMPDIR");
    if (parent.empty() || parent.size() > parent_bytes_max) parent = "/tmp";
    std::string path = parent + "/hf-drill-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr || ::chmod(path.c_str(), 0755) != 0)
        return fail(ErrorClass::Io, "drill_directory", "can't make a directory in " + parent);
    return path;
}

std::string tail_of(const std::string& path) {
    auto text = read_file(path);
    if (!text) return {};
    return text->size() > log_tail_bytes ? text->substr(text->size() - log_tail_bytes) : *text;
}

} // namespace

Platform::Platform(PlatformOptions options, std::string directory)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      data_(directory_ + "/data"),
      ready_file_(directory_ + "/ready.json") {}

Task<std::unique_ptr<Platform>> Platform::start(PlatformOptions options) {
    CO_TRY(std::string directory, make_directory());
    auto platform =
        std::unique_ptr<Platform>(new Platform(std::move(options), std::move(directory)));
    if (platform->options_.disk) CO_TRY_VOID(platform->lay_out_disk(*platform->options_.disk));
    if (platform->options_.engine == Engine::Patroni)
        CO_TRY_VOID(co_await platform->start_patroni());
    CO_TRY_VOID(platform->spawn_supervisor("0"));
    CO_TRY_VOID(co_await platform->wait_ready());
    co_return platform;
}

Task<void> Platform::start_patroni() {
    CO_TRY(patroni_, co_await PatroniCluster::start(directory_));
    CO_TRY(const std::string owner, patroni_->url("holdfast_deploy"));
    CO_TRY(const std::string app, patroni_->url("holdfast_app"));
    CO_TRY_VOID(run({.argv = {own_program(), "migrate", "--database-url", owner}}, start_patience));
    options_.settings.insert(options_.settings.end(), {"--database-url", app});
    co_return Result<void>{};
}

Result<void> Platform::lay_out_disk(const DiskPlan& plan) {
    TRY(const auto owner, unprivileged_user({"holdfast", "postgres", "nobody"})); // as `up` does
    TRY(disk_, LimitedDisk::mount(directory_ + "/disk", plan.bytes));
    for (const std::string& name : plan.holds)
        TRY_VOID(disk_->lay(name, data_ + "/" + name, owner));
    return write_file_durably(fmt::format("{}/{}", data_, data_marker), "holdfast\n", 0644, owner);
}

Result<void> Platform::spawn_supervisor(const std::string& port) {
    std::error_code ignored;
    fs::remove(ready_file_, ignored);
    SpawnOptions spawn_options{
        .argv = {own_program(), "up", "--data", data_, "--port", port, "--instances",
                 std::to_string(options_.instances), "--ready-file", ready_file_,
                 // It is to be thrown away, and a temporary directory may be anywhere.
                 "--doctor-allow", "data_in_memory,command_log_in_memory"},
        .log_path = directory_ + "/up.log"};
    spawn_options.argv.insert(spawn_options.argv.end(), options_.settings.begin(),
                              options_.settings.end());
    TRY(supervisor_, spawn(spawn_options));
    return {};
}

Task<void> Platform::wait_ready() {
    const auto deadline = net::Deadline::after(start_patience);
    while (!fs::exists(ready_file_)) {
        while (reap_child()) {
        }
        if (!is_alive(supervisor_) || deadline.passed())
            co_return fail(ErrorClass::Unavailable, "platform_not_ready",
                           "holdfast up did not get ready:\n" + tail_of(directory_ + "/up.log"));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    CO_TRY(ready_, read_ready());
    co_return Result<void>{};
}

Result<Ready> Platform::read_ready() const {
    TRY(std::string text, read_file(ready_file_));
    TRY(auto json, parse_json(text));
    Ready ready;
    TRY(ready.api_base, json_text(json, "api_base"));
    TRY(ready.secret_key, json_text(json, "secret_key"));
    TRY(ready.database_url, json_text(json, "database_url"));
    TRY(ready.standby_url, json_text(json, "standby_url"));
    TRY(ready.acquirer_url, json_text(json, "acquirer_url"));
    TRY(ready.acquirer_admin_token, json_text(json, "acquirer_admin_token"));
    TRY(ready.metrics_url, json_text(json, "metrics_url"));
    if (patroni_) {
        TRY(const std::string superuser, patroni_->url("postgres"));
        ready.database_url = superuser + "?target_session_attrs=read-write";
        ready.standby_url = superuser + "?target_session_attrs=prefer-standby";
    }
    return ready;
}

Task<void> Platform::start_supervisor() {
    CO_TRY(const net::HttpUrl url, net::parse_http_url(ready_.api_base));
    CO_TRY_VOID(spawn_supervisor(std::to_string(url.port)));
    co_return co_await wait_ready();
}

Result<std::vector<Service>> Platform::services() const {
    TRY(std::string text, read_file(data_ + "/supervisor.json"));
    TRY(auto json, parse_json(text));
    std::vector<Service> services;
    if (!json.is_array()) return services;
    for (const auto& entry : json.get_array()) {
        TRY(std::string name, json_text(entry, "name"));
        TRY(std::string family, json_text(entry, "family"));
        TRY(const std::int64_t pid, json_integer(entry, "pid"));
        TRY(const std::int64_t ticks, json_integer(entry, "start_ticks"));
        services.push_back(
            {.name = std::move(name),
             .family = std::move(family),
             .process = {static_cast<pid_t>(pid), static_cast<std::uint64_t>(ticks)}});
    }
    return services;
}

Result<Service> Platform::service(std::string_view name) const {
    TRY(auto all, services());
    for (Service& service : all)
        if (service.name == name) return std::move(service);
    return fail(ErrorClass::NotFound, "service_missing",
                fmt::format("the supervisor runs no {}", name));
}

Result<Service> Platform::database(Role role) const {
    if (patroni_) return patroni_->database(role);
    TRY(std::string text, read_file(data_ + "/cluster.json"));
    TRY(auto json, parse_json(text));
    TRY(std::string primary, json_text(json, "primary"));
    const bool a = (primary == "a") == (role == Role::Primary);
    return service(a ? "postgres-a" : "postgres-b");
}

std::vector<Service> Platform::databases() const {
    if (patroni_) return patroni_->databases();
    std::vector<Service> all;
    for (const Role role : {Role::Primary, Role::Standby})
        if (auto node = database(role)) all.push_back(std::move(*node));
    return all;
}

Result<std::string> Platform::url(Role role) const {
    if (patroni_) return patroni_->url("postgres", role);
    return role == Role::Primary ? ready_.database_url : ready_.standby_url;
}

Result<std::vector<std::string>> Platform::switchover_command() const {
    if (patroni_) return patroni_->switchover_command();
    return command({"switchover"});
}

bool Platform::in_sync() const {
    if (patroni_) return patroni_->whole();
    auto text = read_file(data_ + "/cluster.json");
    auto json = text ? parse_json(*text) : Result<boost::json::value>{fail(text.error())};
    return json && json_bool(*json, "promotable").value_or(false);
}

std::string Platform::log_of(std::string_view service) const {
    return fmt::format("{}/log/{}.log", data_, service);
}

std::vector<std::string> Platform::command(std::vector<std::string> words) const {
    words.insert(words.begin(), own_program());
    words.insert(words.end(), {"--data", data_});
    return words;
}

/// The supervisor first: it would start again what we end.
int Platform::kill_all() const {
    signal_family(supervisor_, {}, SIGKILL);
    int left = family_members(supervisor_, {});
    // By session as well as by family: whose environment it is may not be ours to read.
    if (auto known = services())
        for (const Service& service : *known) {
            signal_family(service.process, {}, SIGKILL);
            left += family_members(service.process, {});
        }
    signal_family({}, data_, SIGKILL);
    while (reap_child()) {
    }
    return left + family_members({}, data_);
}

void Platform::end() {
    if (directory_.empty()) return;
    const MonoTime until = MonotonicClock::now() + end_patience;
    int left = kill_all();
    while (left > 0 && MonotonicClock::now() < until) {
        block_thread(look_again);
        left = kill_all();
    }
    if (left > 0) BUG("processes of a drill do not end");
    patroni_.reset();
    disk_.reset();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
    directory_.clear();
}

} // namespace holdfast::drill
