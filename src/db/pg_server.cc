// One server of a topology, looked at and connected to with libpq.

#include "db/topology.h"

#include <fmt/format.h>

namespace holdfast::db {
namespace {

/// pg_control_checkpoint() shows a promotion only after the first checkpoint behind it, so a
/// primary's timeline is read from the name of the segment it writes.
constexpr Statement look_statement{
    "hf_look",
    "SELECT (pg_control_system()).system_identifier::text, r, "
    "current_setting('transaction_read_only') = 'on', "
    "CASE WHEN r THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), "
    "(pg_control_checkpoint()).timeline_id) "
    "ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END, "
    "coalesce(CASE WHEN r THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END "
    "- '0/0'::pg_lsn, 0)::int8 "
    "FROM pg_is_in_recovery() AS r"};

/// Of a look's time, the rest is for the question.
Duration connect_share(Deadline deadline) { return deadline.left() * 4 / 5; }

class PgServer final : public Server {
  public:
    PgServer(Loop& loop, Offload& offload, ConnectOptions options)
        : loop_(loop), offload_(offload), options_(std::move(options)) {
        look_.add(look_statement);
    }

    std::string name() const override {
        const std::string_view port = options_.value("port");
        return fmt::format("{}:{}", options_.value("host"), port.empty() ? "5432" : port);
    }
    Task<Sighting> look(Deadline deadline) override;
    Task<std::unique_ptr<Connection>> connect(Deadline deadline) override {
        ConnectOptions options = options_;
        options.set("target_session_attrs", "read-write");
        return db::connect(loop_, offload_, std::move(options), deadline);
    }
    Task<std::unique_ptr<Connection>> connect_to_read(Deadline deadline) override {
        return db::connect(loop_, offload_, options_, deadline);
    }
    Task<void> close(Deadline deadline) override {
        auto connection = std::move(connection_);
        if (connection) CO_TRY_VOID(co_await connection->dispose(deadline));
        co_return Result<void>{};
    }

  private:
    Loop& loop_;
    Offload& offload_;
    ConnectOptions options_;
    std::unique_ptr<Connection> connection_; ///< for looking, kept open
    Pipeline look_{Effect::Read};
};

Task<Sighting> PgServer::look(Deadline deadline) {
    if (!connection_ || connection_->broken()) {
        connection_.reset();
        CO_TRY(connection_, co_await db::connect(loop_, offload_, options_,
                                                 deadline.capped(connect_share(deadline))));
    }
    auto results = co_await connection_->run(look_, deadline);
    if (!results) {
        connection_.reset(); // its server may be frozen: nothing more is waited for
        co_return fail(std::move(results).error());
    }
    Sighting sighting;
    std::int32_t timeline = 0;
    std::int64_t position = 0;
    CO_TRY_VOID(results->front().front().read(sighting.system_identifier, sighting.in_recovery,
                                              sighting.read_only, timeline, position));
    sighting.timeline = static_cast<std::uint32_t>(timeline);
    sighting.position = static_cast<std::uint64_t>(position);
    co_return sighting;
}

} // namespace

std::vector<std::unique_ptr<Server>> servers_of(Loop& loop, Offload& offload,
                                                const ConnectOptions& options) {
    std::vector<std::unique_ptr<Server>> servers;
    for (ConnectOptions& one : options.each_host())
        servers.push_back(std::make_unique<PgServer>(loop, offload, std::move(one)));
    return servers;
}

} // namespace holdfast::db
