#pragma once

// Connection: one session of PostgreSQL on the event loop.
//
//   CO_TRY(auto connection, co_await connect(loop, offload, options, deadline));
//   Pipeline ask{Effect::Read};
//   const auto found = ask.add(kFindIntent, account, id);
//   CO_TRY(auto results, co_await connection->run(ask, deadline));
//   for (Row row : results[found]) ...
//
// An interface, so that the pool and its users are tested without a server; connect() makes the
// real one, on libpq's pipeline mode (PostgreSQL documentation, 34.5). One run() at a time
// (CHECKed). Owner: a Pool, or whoever called connect(). Thread: that of the Loop.
//
// Failure behaviour of run(). Answers are all or nothing: every statement succeeded, or an Error.
// After an Error no transaction is open: the connection has rolled back, or it is broken().
//   the server refused      sqlstate set, kind and retryable by its class (db/sql_error.h), `code`
//                           the constraint that was violated or the name of the condition,
//                           `param` "table.column" where known. Not committed.
//   connection lost         before anything was sent: Unavailable "connection_lost".
//                           Later: Unknown "commit_unknown" if it may have committed, else as above
//   deadline                likewise, with Deadline "deadline_passed". broken(), since the server
//                           is still at work: see dispose().
//   COMMIT answered with a warning that the wait for the synchronous standby was given up:
//                           Unknown "commit_not_replicated"
//   COMMIT answered ROLLBACK: Conflict "transaction_rolled_back", retryable
// A coroutine that is cancelled while it waits here is treated like one whose deadline passed.
//
// Limits: ConnectOptions::max_result_bytes ("result_too_large"), max_parameter_bytes.

#include "db/connect_options.h"
#include "db/pipeline.h"
#include "db/query_result.h"
#include "net/deadline.h"
#include "net/task.h"

#include <memory>
#include <vector>

namespace holdfast {
class Offload;
}

namespace holdfast::db {

using net::Deadline;
using net::Loop;
using net::Task;

class Connection {
  public:
    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    /// Closes without waiting for the server; nothing more is sent.
    virtual ~Connection() = default;

    /// Results in the order of the pipeline's statements. `pipeline` outlives the call.
    virtual Task<std::vector<QueryResult>> run(const Pipeline& pipeline, Deadline deadline) = 0;

    /// SQL text of several commands, outside a pipeline and without results: schema changes, also
    /// those that refuse a transaction. Without BEGIN in it all are one implicit transaction. A
    /// lost answer is Unknown.
    virtual Task<void> run_script(std::string sql, Timeouts timeouts, Deadline deadline) = 0;

    /// Nobody waits for this server any more: what does ends at once, as if the network had broken.
    /// At any time, also while a run() is under way.
    virtual void sever() = 0;

    /// Nothing but dispose() and the destructor make sense any more.
    virtual bool broken() const = 0;
    /// Between begin() and commit() or rollback().
    virtual bool in_transaction() const = 0;
    virtual int backend_pid() const = 0;
    virtual int server_version() const = 0; ///< 150004 for 15.4

    /// Ends the session and waits until the server has let go of it, so that a limit on sessions
    /// holds on the server too. When a statement is still running there it is cancelled first, but
    /// never once a COMMIT was sent: a cancelled wait for the standby answers COMMIT, too.
    /// Deadline "backend_still_running" when the server did not close in time.
    virtual Task<void> dispose(Deadline deadline) = 0;
};

/// Opens a session. Names are resolved through `offload`; libpq is given addresses only. Errors:
/// Unavailable (retryable) when nobody answers or the server is starting, Auth, Deadline ...
Task<std::unique_ptr<Connection>> connect(Loop& loop, Offload& offload, ConnectOptions options,
                                          Deadline deadline);

} // namespace holdfast::db
