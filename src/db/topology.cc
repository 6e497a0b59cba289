#include "db/topology.h"

#include "base/damage.h"
#include "base/log.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>

namespace holdfast::db {
namespace {

/// One attempt to connect; then the primary may be another.
constexpr Duration connect_timeout = std::chrono::seconds{1};

constexpr std::array standings{Standing::Unknown,  Standing::Primary, Standing::Standby,
                               Standing::ReadOnly, Standing::Foreign, Standing::StalePrimary};

/// What a session hears when its server goes away, or is no primary any more.
bool is_suspicious(const Error& error) {
    constexpr std::array<std::string_view, 4> states{"57P01", "57P02", "57P03", "25006"};
    return error.code == "connection_lost" || error.code == "commit_unknown" ||
           error.sqlstate.starts_with("08") ||
           std::ranges::find(states, error.sqlstate) != states.end();
}

} // namespace

struct Topology::Watched {
    Watched(Loop& loop, std::unique_ptr<Server> s)
        : server(std::move(s)), look_now(loop, net::Event::Reset::Auto) {}

    std::unique_ptr<Server> server;
    net::Event look_now;
    Standing standing = Standing::Unknown; ///< as it was logged last
    std::vector<Gauge*> gauges;            ///< as `standings`
};

/// A connection that can be severed, and that tells of a server that goes away.
class Topology::Tracked final : public Connection, public net::ListHook {
  public:
    enum class Use : std::uint8_t { Write, Read };
    Tracked(Topology& topology, std::size_t server, Use use, std::unique_ptr<Connection> inner)
        : topology_(topology), server_(server), use_(use), inner_(std::move(inner)) {
        link_before(topology.tracked_);
    }
    ~Tracked() override { unlink(); }

    std::size_t server() const { return server_; }
    Use use() const { return use_; }
    /// At the server with what could be asked again anywhere.
    bool only_reads() const { return only_reads_; }

    Task<std::vector<QueryResult>> run(const Pipeline& pipeline, Deadline deadline) override {
        only_reads_ = pipeline.effect() == Effect::Read && !pipeline.begins() && !in_transaction();
        auto answer = co_await inner_->run(pipeline, deadline);
        only_reads_ = false;
        if (!answer && is_suspicious(answer.error())) topology_.suspect();
        if (!answer && is_damage(answer.error()) && topology_.on_damage_)
            topology_.on_damage_(answer.error());
        co_return answer;
    }
    Task<void> run_script(std::string sql, Timeouts timeouts, Deadline deadline) override {
        return inner_->run_script(std::move(sql), timeouts, deadline);
    }
    void sever() override {
        severed_ = true;
        inner_->sever();
    }
    bool severed() const { return severed_; }
    bool broken() const override { return inner_->broken(); }
    bool in_transaction() const override { return inner_->in_transaction(); }
    int backend_pid() const override { return inner_->backend_pid(); }
    int server_version() const override { return inner_->server_version(); }
    Task<void> dispose(Deadline deadline) override { return inner_->dispose(deadline); }

  private:
    Topology& topology_;
    std::size_t server_;
    Use use_;
    bool only_reads_ = false;
    bool severed_ = false;
    std::unique_ptr<Connection> inner_;
};

Topology::Topology(Loop& loop, Registry& metrics, std::vector<std::unique_ptr<Server>> servers,
                   TopologyOptions options)
    : options_(options),
      view_(servers.size()),
      changes_(metrics.counter("holdfast_db_primary_changes_total",
                               "Times that another server was found to be the primary.")),
      looks_(metrics.histogram("holdfast_db_probe_seconds",
                               "Time that a server took to say what it is.", latency_bounds)),
      primary_found_(loop, net::Event::Reset::Manual),
      gate_(loop, "db.topology") {
    for (auto& server : servers) {
        auto watched = std::make_unique<Watched>(loop, std::move(server));
        for (Standing standing : standings)
            watched->gauges.push_back(&metrics.gauge(
                "holdfast_db_server_standing", "1 for what a server of the cluster is now.",
                {{"server", watched->server->name()},
                 {"standing", std::string(to_string(standing))}}));
        watched_.push_back(std::move(watched));
    }
}

Topology::~Topology() { CHECK_MSG(tracked_.next() == &tracked_, "connections outlive it"); }

void Topology::start() {
    for (std::size_t i = 0; i < watched_.size(); ++i)
        if (auto spawned = gate_.spawn(watch(i)); !spawned) BUG("a server is not watched");
}

Task<void> Topology::stop(Deadline deadline) {
    gate_.cancel();
    CO_TRY_VOID(co_await gate_.close(deadline));
    for (auto& watched : watched_) CO_TRY_VOID(co_await watched->server->close(deadline));
    co_return Result<void>{};
}

bool Topology::in_doubt() const {
    return !view_.primary_reachable() || MonotonicClock::now() < doubtful_until_;
}

Task<void> Topology::watch(std::size_t server) {
    Watched& watched = *watched_[server];
    for (;;) {
        const MonoTime started = MonotonicClock::now();
        auto seen = co_await watched.server->look(Deadline::after(options_.look_timeout));
        if (!seen && seen.error().code == "cancelled") co_return Result<void>{};
        looks_.observe(MonotonicClock::now() - started);
        note(server, std::move(seen));
        const Duration pause = in_doubt() ? options_.interval_in_doubt : options_.interval;
        auto slept = co_await watched.look_now.wait(Deadline::after(pause));
        if (!slept) co_return Result<void>{}; // stopping
    }
}

void Topology::note(std::size_t server, Result<Sighting> seen) {
    bool changed = false;
    if (seen)
        changed = view_.saw(server, std::move(*seen));
    else
        view_.missed(server);
    if (changed) {
        const bool first = view_.epoch() == 1;
        if (!first) changes_.add();
        log::write(first ? log::Level::Info : log::Level::Warn, "primary_found",
                   {{"server", watched_[server]->server->name()},
                    {"timeline", view_.timeline()},
                    {"epoch", view_.epoch()}});
    }
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        Watched& watched = *watched_[i];
        const Standing now = view_.standing(i);
        if (now == watched.standing) continue;
        const std::string why = !seen && i == server ? to_string(seen.error()) : std::string{};
        const bool good = now == Standing::Primary || now == Standing::Standby;
        log::write(good ? log::Level::Info : log::Level::Warn, "database_standing",
                   {{"server", watched.server->name()},
                    {"was", to_string(watched.standing)},
                    {"is", to_string(now)},
                    {"why", why}});
        watched.standing = now;
        for (std::size_t s = 0; s < standings.size(); ++s)
            watched.gauges[s]->set(standings[s] == now ? 1 : 0);
    }
    if (view_.primary())
        primary_found_.set();
    else
        primary_found_.reset();
    if (view_.primary_reachable()) writable_at_ = MonotonicClock::now();
    sever_wrong_ones();
}

bool Topology::is_wrong(const Tracked& connection) const {
    const std::size_t server = connection.server();
    const Standing standing = view_.standing(server);
    if (connection.use() == Tracked::Use::Read)
        return standing != Standing::Standby && standing != Standing::Unknown;
    if (connection.only_reads() && MonotonicClock::now() - writable_at_ > options_.read_patience)
        return true;
    if (view_.primary() == server) return false;
    // One that is silent may come back, as long as nobody else was proven.
    return view_.primary() || standing != Standing::Unknown;
}

/// What is connected to a server that is not, or not any more, what it was connected to for, and
/// what waits in vain; what is broken, too, since it keeps its place until its server has let go.
void Topology::sever_wrong_ones() {
    for (net::ListHook* hook = tracked_.next(); hook != &tracked_; hook = hook->next()) {
        auto& connection = *static_cast<Tracked*>(hook);
        if (!connection.severed() && is_wrong(connection)) connection.sever();
    }
}

void Topology::suspect() {
    doubtful_until_ = MonotonicClock::now() + options_.doubt;
    for (auto& watched : watched_) watched->look_now.set();
}

Error Topology::no_primary() const {
    std::string standing;
    for (std::size_t i = 0; i < watched_.size(); ++i)
        standing += fmt::format("{}{}: {}", i ? ", " : "", watched_[i]->server->name(),
                                to_string(view_.standing(i)));
    return {.kind = ErrorClass::Unavailable,
            .code = "no_primary",
            .message = fmt::format("No database server takes writes ({}).", standing),
            .retryable = true};
}

Task<std::unique_ptr<Connection>> Topology::connect(Deadline deadline) {
    for (;;) {
        CO_TRY(bool found, co_await primary_found_.wait(deadline));
        if (!found) co_return fail(no_primary());
        const std::size_t server = *view_.primary();
        auto opened = co_await watched_[server]->server->connect(deadline.capped(connect_timeout));
        if (view_.primary() != server) continue; // it was about another one
        if (!opened) {
            suspect();
            co_return fail(std::move(opened).error());
        }
        co_return std::make_unique<Tracked>(*this, server, Tracked::Use::Write, std::move(*opened));
    }
}

std::optional<std::size_t> Topology::standby() const {
    for (std::size_t i = 0; i < watched_.size(); ++i)
        if (view_.standing(i) == Standing::Standby) return i;
    return std::nullopt;
}

Task<std::unique_ptr<Connection>> Topology::connect_standby(Deadline deadline) {
    const auto server = standby();
    if (!server)
        co_return fail(Error{.kind = ErrorClass::Unavailable,
                             .code = "no_standby",
                             .message = "No standby of the database answers.",
                             .retryable = true});
    CO_TRY(auto opened,
           co_await watched_[*server]->server->connect_to_read(deadline.capped(connect_timeout)));
    co_return std::make_unique<Tracked>(*this, *server, Tracked::Use::Read, std::move(opened));
}

Pool::Connect Topology::standby_connector() {
    return [this](Deadline deadline) { return connect_standby(deadline); };
}

Pool::Connect Topology::connector() {
    return [this](Deadline deadline) { return connect(deadline); };
}

} // namespace holdfast::db
