#pragma once

// PgConnection: the Connection that speaks to a server, through libpq in pipeline mode.
//
// run() queues everything that a pipeline needs (timeouts where they changed, statements not yet
// prepared here, the steps, a Sync), then flushes and reads by turns, so that neither side can
// block the other however large parameters and results are. What the answers prove is decided by
// Exchange.
//
// What libpq needs to be told or kept from: PQgetResult blocks unless PQisBusy was asked before;
// after a lost server it may answer NULL for ever; a socket is shut down before PQfinish, which
// would else try once more to send what is queued, a COMMIT perhaps that we have given up on.
//
// Owner, thread, failures, limits: connection.h.

#include "db/cancel.h"
#include "db/connection.h"
#include "db/exchange.h"
#include "db/socket_watch.h"

#include <string_view>
#include <unordered_map>

struct pg_conn;   // libpq's PGconn
struct pg_result; // libpq's PGresult

namespace holdfast::db {

class PgConnection final : public Connection {
  public:
    PgConnection(Loop& loop, ConnectOptions options);
    ~PgConnection() override;

    /// Connects; once, before anything else. The options name addresses only, no host names.
    Task<void> open(Deadline deadline);

    Task<std::vector<QueryResult>> run(const Pipeline& pipeline, Deadline deadline) override;
    Task<void> run_script(std::string sql, Timeouts timeouts, Deadline deadline) override;
    void sever() override;
    bool broken() const override { return broken_; }
    bool in_transaction() const override { return in_transaction_; }
    int backend_pid() const override;
    int server_version() const override;
    Task<void> dispose(Deadline deadline) override;

  private:
    class Busy;
    enum class Taken : std::uint8_t { All, Some, Lost };

    // Connecting (pg_connect.cc).
    Task<void> poll_until_open(Deadline deadline);
    void start_connecting();
    static void on_notice(void* self, const pg_result* notice);

    // Sending.
    bool send(const Pipeline& pipeline, Timeouts timeouts);
    bool send_timeouts(Timeouts timeouts);
    bool send_step(const Pipeline& pipeline, const Pipeline::Step& step);
    bool send_prepare(const Statement& statement);
    bool send_prepared(const Statement& statement);

    // Receiving.
    Task<void> converse(Deadline deadline);
    Task<void> wait_for_server(bool unsent, Deadline deadline);
    Result<void> count_arrived();
    Taken take_results();
    Taken take_one(pg_result* result);
    Task<void> converse_script(Deadline deadline);

    Result<void> usable(const Pipeline& pipeline, Deadline deadline);
    bool peer_gone();
    net::asio::awaitable<void> recover(Deadline deadline);
    Error lost();
    void let_go_of_closed_socket();
    void close();

    Loop& loop_;
    ConnectOptions options_;
    pg_conn* connection_ = nullptr;
    SocketWatch watch_;
    std::optional<CancelKey> cancel_key_;
    Exchange exchange_;

    bool busy_ = false;
    bool broken_ = true; ///< until open() has succeeded
    bool in_transaction_ = false;
    bool in_flight_ = false; ///< broken with the server still at work
    bool cancel_allowed_ = false;
    bool wait_given_up_ = false; ///< seen while a script ran
    std::size_t arrived_bytes_ = 0;

    /// In force for the session; empty: not known.
    std::optional<Timeouts> session_timeouts_;
    Timeouts sent_timeouts_;
    std::unordered_map<std::string_view, const char*> prepared_; ///< name to text

    // Arguments of libpq, kept for their memory.
    std::vector<const char*> values_;
    std::vector<int> lengths_, formats_;
    std::vector<Oid> types_;
};

} // namespace holdfast::db
