#include "guard/doctor_gather.h"

#include "guard/doctor_patroni.h"
#include "guard/doctor_sql.h"
#include "net/offload_await.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <unistd.h>

namespace holdfast::guard {
namespace {

using db::Effect;
using db::Pipeline;
using net::Deadline;
using net::Task;
using std::chrono::duration_cast;

milliseconds milliseconds_of(std::string_view text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return milliseconds{number};
}

/// Reached by a unix socket.
bool by_socket(const db::ConnectOptions& options) {
    const std::string_view host = options.value("host");
    return options.value("hostaddr").empty() && (host.empty() || host.starts_with('/'));
}

/// Runs on this machine, as far as one can tell from where it is reached.
bool is_here(const db::ConnectOptions& options) {
    constexpr std::array<std::string_view, 3> names{"localhost", "127.0.0.1", "::1"};
    const std::string_view address = options.value("hostaddr");
    return by_socket(options) || std::ranges::find(names, address.empty() ? options.value("host")
                                                                          : address) != names.end();
}

std::string name_of(const db::ConnectOptions& options) {
    std::string_view host = options.value("host");
    if (host.empty()) host = options.value("hostaddr");
    return fmt::format("{}:{}", host.empty() ? "localhost" : host,
                       options.value("port").empty() ? "5432" : options.value("port"));
}

/// What the URL and the pool say about our connections.
void enter_connections(Plan& plan, const GatherOptions& options) {
    const db::ConnectOptions url =
        options.servers.empty() ? db::ConnectOptions{} : options.servers.front();
    plan.statement_timeout = url.timeouts.statement;
    plan.lock_timeout = url.timeouts.lock;
    plan.idle_in_transaction_timeout = url.idle_in_transaction_timeout;
    plan.over_tcp = !std::ranges::all_of(options.servers, by_socket);
    plan.keepalives = url.value("keepalives") != "0";
    plan.tcp_user_timeout = milliseconds_of(url.value("tcp_user_timeout"));
    plan.connect_timeout = duration_cast<milliseconds>(options.pool.connect_timeout);
    plan.connection_lifetime = duration_cast<milliseconds>(options.pool.max_lifetime);
    plan.connection_idle_max = duration_cast<milliseconds>(options.pool.max_idle);
    plan.lifetime_jitter_percent = options.pool.lifetime_jitter_percent;
}

/// Looks at one server.
class Look {
  public:
    Look(net::Loop& loop, Offload& offload, const GatherOptions& options, db::ConnectOptions host)
        : loop_(loop), offload_(offload), options_(options), host_(std::move(host)) {}

    Task<void> run(Server& server, Deadline deadline);
    const std::string& login_role() const { return login_role_; }

  private:
    Task<void> identity(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> clock(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> configuration(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> sessions(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> merchants(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> details(db::Connection& connection, Server& server, Deadline deadline);
    Task<void> details_as_monitor(Server& server, Deadline deadline);

    net::Loop& loop_;
    Offload& offload_;
    const GatherOptions& options_;
    db::ConnectOptions host_;
    std::string login_role_;
    bool monitors_ = false; ///< the URL's role is a member of pg_monitor
};

Task<void> Look::run(Server& server, Deadline deadline) {
    CO_TRY(auto connection, co_await db::connect(loop_, offload_, host_, deadline));
    server.version = connection->server_version();
    CO_TRY_VOID(co_await identity(*connection, server, deadline));
    CO_TRY_VOID(co_await clock(*connection, server, deadline));
    CO_TRY_VOID(co_await configuration(*connection, server, deadline));
    CO_TRY_VOID(co_await sessions(*connection, server, deadline));
    if (monitors_)
        CO_TRY_VOID(co_await details(*connection, server, deadline));
    else if (options_.monitor)
        (void)co_await details_as_monitor(server, deadline); // who may not log in sees nothing
    if (server.is_primary()) // a table that somebody has locked can't be seen, and that is all
        (void)co_await merchants(*connection, server, deadline);
    CO_TRY_VOID(co_await connection->dispose(deadline));
    co_return Result<void>{};
}

Task<void> Look::identity(db::Connection& connection, Server& server, Deadline deadline) {
    Pipeline ask{Effect::Read};
    ask.add(doctor_sql::identity);
    CO_TRY(auto results, co_await connection.run(ask, deadline));
    std::int32_t pid = 0, timeline = 0, connection_limit = 0;
    CO_TRY_VOID(results[0].front().read(pid, server.in_recovery, server.read_only,
                                        server.system_identifier, timeline, login_role_, monitors_,
                                        connection_limit));
    // A pooler hands out numbers of its own, by which it recognizes who may cancel.
    server.pooler = pid != connection.backend_pid();
    server.timeline = static_cast<std::uint32_t>(timeline);
    server.database_connection_limit = connection_limit;
    co_return Result<void>{};
}

Task<void> Look::clock(db::Connection& connection, Server& server, Deadline deadline) {
    Pipeline ask{Effect::Read};
    ask.add(doctor_sql::clock);
    Env& env = Env::current();
    const WallTime before = env.wall();
    CO_TRY(auto results, co_await connection.run(ask, deadline));
    const WallTime after = env.wall();
    CO_TRY(const WallTime theirs, results[0].front().get<WallTime>(0));
    // Between `before` and `after` at the server, too, if the clocks agree.
    server.clock_ahead = Duration{0};
    if (theirs < before) server.clock_ahead = theirs - before;
    if (theirs > after) server.clock_ahead = theirs - after;
    co_return Result<void>{};
}

Task<void> Look::configuration(db::Connection& connection, Server& server, Deadline deadline) {
    Pipeline ask{Effect::Read};
    const auto settings = ask.add(doctor_sql::settings);
    const auto roles = ask.add(doctor_sql::roles);
    const auto role_settings = ask.add(doctor_sql::role_settings);
    CO_TRY(auto results, co_await connection.run(ask, deadline));
    for (db::Row row : results[settings]) {
        std::string name, value;
        bool pending = false;
        CO_TRY_VOID(row.read(name, value, pending));
        if (pending) server.pending_restart.push_back(name);
        server.settings[name] = value;
    }
    for (db::Row row : results[roles]) {
        std::string name;
        std::int32_t limit = 0;
        CO_TRY_VOID(row.read(name, limit));
        server.roles[name].connection_limit = limit;
    }
    for (db::Row row : results[role_settings]) {
        std::string role, name, value;
        CO_TRY_VOID(row.read(role, name, value));
        server.roles[role].settings[name] = value;
    }
    co_return Result<void>{};
}

Task<void> Look::sessions(db::Connection& connection, Server& server, Deadline deadline) {
    const int samples = options_.samples;
    for (int i = 0; i < samples; ++i) {
        if (i > 0) CO_TRY_VOID(co_await net::sleep_for(options_.watching / samples));
        Pipeline ask{Effect::Read};
        ask.add(doctor_sql::sessions);
        CO_TRY(auto results, co_await connection.run(ask, deadline));
        for (Sessions& known : server.sessions) known.count = 0;
        for (db::Row row : results[0]) {
            Sessions seen;
            std::int64_t count = 0, busy = 0;
            CO_TRY_VOID(
                row.read(seen.application, seen.client, seen.user, seen.database, count, busy));
            const auto same = [&](const Sessions& known) {
                return known.application == seen.application && known.client == seen.client &&
                       known.user == seen.user && known.database == seen.database;
            };
            auto found = std::ranges::find_if(server.sessions, same);
            if (found == server.sessions.end())
                found = server.sessions.insert(server.sessions.end(), seen);
            found->count = static_cast<int>(count);
            found->busy += static_cast<double>(busy) / samples;
        }
    }
    std::erase_if(server.sessions, [](const Sessions& known) { return known.count == 0; });
    co_return Result<void>{};
}

Task<void> Look::merchants(db::Connection& connection, Server& server, Deadline deadline) {
    Pipeline may{Effect::Read};
    may.add(doctor_sql::may_see_floor_limits);
    CO_TRY(auto allowed, co_await connection.run(may, deadline));
    CO_TRY(const bool sees, allowed[0].front().get<bool>(0));
    if (!sees) co_return Result<void>{};
    Pipeline ask{Effect::Read};
    ask.add(doctor_sql::without_floor_limits);
    CO_TRY(auto results, co_await connection.run(ask, deadline));
    CO_TRY(server.without_floor_limits, results[0].front().get<std::int32_t>(0));
    co_return Result<void>{};
}

Task<void> Look::details(db::Connection& connection, Server& server, Deadline deadline) {
    Pipeline ask{Effect::Read};
    const auto standbys = ask.add(doctor_sql::standbys);
    const auto directory = ask.add(doctor_sql::data_directory);
    CO_TRY(auto results, co_await connection.run(ask, deadline));
    server.standbys.emplace();
    for (db::Row row : results[standbys]) {
        Standby standby;
        CO_TRY_VOID(row.read(standby.name, standby.state, standby.sync_state));
        server.standbys->push_back(std::move(standby));
    }
    CO_TRY(std::string path, results[directory].front().get<std::string>(0));
    if (path.empty() || !is_here(host_)) co_return Result<void>{};
    CO_TRY(server.data,
           co_await net::offloaded(
               offload_, [path = std::move(path)] { return look_at_directory(path); }, deadline));
    co_return Result<void>{};
}

Task<void> Look::details_as_monitor(Server& server, Deadline deadline) {
    db::ConnectOptions login = host_;
    login.set("user", options_.monitor->user);
    login.set("passfile", options_.monitor->passfile);
    login.password = {};
    CO_TRY(auto connection, co_await db::connect(loop_, offload_, std::move(login), deadline));
    CO_TRY_VOID(co_await details(*connection, server, deadline));
    CO_TRY_VOID(co_await connection->dispose(deadline));
    co_return Result<void>{};
}

/// PgBouncer lets nobody set time limits at the start of a session, as each of ours does; the
/// server has no such error.
void enter_refusal(Server& server, const Error& error) {
    server.unreachable = error.message;
    if (error.message.contains("unsupported startup parameter")) server.pooler = true;
}

/// What this machine says, without the servers. Errors: a file that was named can't be read.
Result<Facts> look_at_machine(const GatherOptions& options) {
    Facts facts;
    const std::string& data = options.data_directory;
    if (!data.empty()) facts.data = look_at_directory_to_be(data);
    if (options.command_logs) {
        // `up` gives its data to whom the processes run as.
        const std::uint32_t uid = facts.data ? facts.data->owner_uid : ::geteuid();
        facts.command_logs = look_at_command_logs(*options.command_logs, uid);
    }
    facts.logind_removes_ipc = find_logind_removes_ipc(options.root);
    const std::string& patroni = options.patroni;
    if (patroni.empty())
        facts.patroni = find_patroni(options.root);
    else if (is_address(patroni))
        facts.patroni = Patroni{.file = {}, .version = {}, .api = patroni, .agreed = {}};
    else
        facts.patroni = read_patroni(patroni, options.root);
    if (!patroni.empty() && !facts.patroni)
        return fail(ErrorClass::NotFound, "patroni_file",
                    "the configuration of Patroni can't be read: " + patroni);
    return facts;
}

} // namespace

Task<Facts> gather(net::Loop& loop, Offload& offload, GatherOptions options, Deadline deadline) {
    auto machine = [options] { return look_at_machine(options); };
    CO_TRY(Facts facts, co_await net::offloaded(offload, std::move(machine), deadline));
    if (facts.patroni && !facts.patroni->api.empty()) // who does not answer is a fact, too
        (void)co_await ask_patroni(loop, offload, *facts.patroni,
                                   deadline.capped(options.server_patience));
    facts.plan = options.plan;
    enter_connections(facts.plan, options);
    for (const db::ConnectOptions& host : options.servers) {
        Server& server = facts.servers.emplace_back();
        server.name = name_of(host);
        server.cores = options.database_cores;
        if (is_here(host)) {
            if (!server.cores) server.cores = cores_here();
            server.memory_bytes = memory_bytes_here();
        }
        Look look(loop, offload, options, host);
        auto looked = co_await look.run(server, deadline.capped(options.server_patience));
        if (!looked) enter_refusal(server, looked.error());
        if (!look.login_role().empty()) facts.plan.login_role = look.login_role();
    }
    if (facts.plan.instances == 0)
        facts.plan.instances = std::max(1, instances_running(facts.servers));
    if (facts.command_logs && facts.command_logs->count == 0)
        facts.command_logs->count = facts.plan.instances;
    co_return facts;
}

} // namespace holdfast::guard
