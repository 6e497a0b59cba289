#include "drill/patroni_cluster.h"

#include "base/files.h"
#include "base/json.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>

namespace holdfast::drill {

using net::Task;

namespace {

constexpr const char* script = "tests/support/patroni.mjs";
constexpr Duration look_again = std::chrono::milliseconds{50};

/// The one that `./dev` chose, where it did.
std::string node_program() {
    std::string chosen = environment_variable("NODE_PROGRAM");
    return chosen.empty() ? "/usr/bin/node" : chosen;
}

/// "postgres" of *:*:*:postgres:WORD.
Result<std::string> password_of(const std::string& passfile, std::string_view role) {
    TRY(const std::string text, read_file(passfile));
    const std::string before = fmt::format("*:*:*:{}:", role);
    const std::size_t at = text.find(before);
    if (at == text.npos)
        return fail(ErrorClass::NotFound, "patroni_role", fmt::format("no password of {}", role));
    return text.substr(at + before.size(), text.find('\n', at) - at - before.size());
}

} // namespace

Task<std::unique_ptr<PatroniCluster>> PatroniCluster::start(std::string directory) {
    if (!std::filesystem::exists(script))
        co_return fail(ErrorClass::Invalid, "patroni_missing",
                       fmt::format("there is no {} here; run `./dev drill run NAME --engine "
                                   "patroni` in a source tree",
                                   script));
    auto self = std::unique_ptr<PatroniCluster>(new PatroniCluster(std::move(directory)));
    const std::string ready = self->directory_ + "/patroni.json";
    const std::string log = self->directory_ + "/patroni.log";
    CO_TRY(self->program_, spawn({.argv = {node_program(), script, ready}, .log_path = log}));
    const auto deadline = net::Deadline::after(start_patience);
    while (!read_file(ready).value_or("").ends_with("}\n")) {
        while (reap_child()) {
        }
        if (!is_alive(self->program_) || deadline.passed())
            co_return fail(ErrorClass::Unavailable, "patroni_not_ready",
                           "the cluster did not get ready:\n" + read_file(log).value_or(""));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    CO_TRY_VOID(self->read_ready());
    co_return self;
}

Result<void> PatroniCluster::read_ready() {
    TRY(const std::string text, read_file(directory_ + "/patroni.json"));
    TRY(auto json, parse_json(text));
    TRY(const std::string url, json_text(json, "app_url"));
    passfile_ = url.substr(url.find("passfile=") + std::string_view("passfile=").size());
    const auto* nodes = json_find(json, "nodes");
    if (nodes == nullptr || !nodes->is_array())
        return fail(ErrorClass::Bug, "patroni_not_ready", "its ready file names no nodes");
    for (const auto& each : nodes->get_array()) {
        Node node;
        TRY(node.name, json_text(each, "name"));
        TRY(node.data, json_text(each, "data"));
        TRY(node.config, json_text(each, "config"));
        TRY(const std::int64_t port, json_integer(each, "port"));
        TRY(const std::int64_t rest_port, json_integer(each, "restPort"));
        node.port = static_cast<std::uint16_t>(port);
        node.rest_url = fmt::format("http://127.0.0.1:{}/cluster", rest_port);
        nodes_.push_back(std::move(node));
    }
    return {};
}

Result<std::string> PatroniCluster::url(std::string_view role) const {
    TRY(const std::string password, password_of(passfile_, role));
    std::string hosts;
    for (const Node& node : nodes_)
        hosts += fmt::format("{}127.0.0.1:{}", hosts.empty() ? "" : ",", node.port);
    return fmt::format("postgresql://{}:{}@{}/holdfast", role, password, hosts);
}

Result<std::string> PatroniCluster::url(std::string_view role, Role where) const {
    TRY(const Node* node, node_of(where));
    TRY(const std::string password, password_of(passfile_, role));
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/holdfast", role, password, node->port);
}

Task<void> PatroniCluster::listen(net::HttpClient& http) {
    while (listening_) {
        for (const Node& node : nodes_) {
            CO_TRY(const net::HttpUrl where, net::parse_http_url(node.rest_url));
            net::HttpClientRequest request{
                .host = where.host, .port = where.port, .target = where.target};
            auto answer =
                co_await http.request(std::move(request), net::Deadline::after(ask_patience));
            if (!answer || answer->status != 200) continue;
            hear(answer->body);
            break;
        }
        CO_TRY_VOID(co_await net::sleep_for(ask_pause));
    }
    co_return Result<void>{};
}

/// What one node says of all.
void PatroniCluster::hear(std::string_view answer) {
    auto json = parse_json(answer);
    const auto* members = json ? json_find(*json, "members") : nullptr;
    if (members == nullptr || !members->is_array()) return;
    std::string leader, standby;
    bool leads = false;
    std::vector<std::int64_t> timelines;
    for (const auto& member : members->get_array()) {
        const std::string name = json_text(member, "name").value_or("");
        const std::string role = json_text(member, "role").value_or("");
        const std::string state = json_text(member, "state").value_or("");
        if (role == "leader") leader = name;
        if (role == "sync_standby") standby = name;
        if (state != "running" && state != "streaming") continue;
        timelines.push_back(json_integer(member, "timeline").value_or(0));
        leads |= role == "leader";
    }
    const MonoTime now = MonotonicClock::now();
    if (led_until_ != MonoTime{} && leads)
        longest_without_ = std::max(longest_without_, now - led_until_);
    if (leads) led_until_ = now;
    whole_ = !leader.empty() && !standby.empty() && timelines.size() == nodes_.size() &&
             std::ranges::count(timelines, timelines.front()) == std::ssize(timelines);
    if (!leader.empty()) leader_ = leader;
    if (!standby.empty()) standby_ = standby;
}

Result<Service> PatroniCluster::service_of(const Node& node) const {
    TRY(const std::string text, read_file(node.data + "/postmaster.pid"));
    pid_t pid = 0;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    const auto process = process_named(pid);
    if (!process)
        return fail(ErrorClass::NotFound, "service_missing", node.name + " has no server now");
    const std::size_t slash = node.data.rfind('/');
    return Service{
        .name = node.name,
        .family = fmt::format("{}//{}", node.data.substr(0, slash), node.data.substr(slash + 1)),
        .process = *process};
}

Result<const PatroniCluster::Node*> PatroniCluster::node_of(Role role) const {
    const std::string& name = role == Role::Primary ? leader_ : standby_;
    for (const Node& node : nodes_)
        if (node.name == name) return &node;
    return fail(ErrorClass::NotFound, "service_missing", "Patroni names nobody for that role");
}

Result<Service> PatroniCluster::database(Role role) const {
    TRY(const Node* node, node_of(role));
    return service_of(*node);
}

std::vector<Service> PatroniCluster::databases() const {
    std::vector<Service> all;
    for (const Node& node : nodes_)
        if (auto service = service_of(node)) all.push_back(std::move(*service));
    return all;
}

Result<std::vector<std::string>> PatroniCluster::switchover_command() const {
    TRY(const Node* leader, node_of(Role::Primary));
    return std::vector<std::string>{
        "/usr/bin/patronictl", "-c",     leader->config, "switchover", "--leader", leader_,
        "--candidate",         standby_, "--force",      "holdfast"};
}

void PatroniCluster::end() {
    if (!is_alive(program_)) return;
    ::kill(program_.pid, SIGTERM);
    const MonoTime until = MonotonicClock::now() + end_patience;
    while (is_alive(program_) && MonotonicClock::now() < until) {
        while (reap_child()) {
        }
        block_thread(look_again);
    }
    if (is_alive(program_)) BUG("the Patroni cluster of a drill does not end");
}

} // namespace holdfast::drill
