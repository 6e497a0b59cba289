#include "db/pg_connection.h"

#include "db/own_statements.h"
#include "db/sql_error.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace holdfast::db {
namespace {

constexpr int binary = 1;
/// PQgetResult says NULL between statements; more in a row means that it will say nothing else.
constexpr int nulls_in_a_row_max = 3;

std::string_view severity_of(const pg_result* result) {
    const char* text = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return text ? text : std::string_view{};
}

CommitPoint commit_point_of(const Pipeline& pipeline, bool in_transaction) {
    if (pipeline.effect() == Effect::Read) return CommitPoint::None;
    if (pipeline.commits()) return CommitPoint::Commit;
    return in_transaction || pipeline.begins() ? CommitPoint::None : CommitPoint::Sync;
}

std::string_view text_of(std::chrono::milliseconds duration, std::array<char, 24>& digits) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), duration.count());
    return {digits.data(), static_cast<std::size_t>(end.ptr - digits.data())};
}

} // namespace

/// One conversation at a time.
class PgConnection::Busy {
  public:
    explicit Busy(bool& busy) : busy_(busy) {
        CHECK_MSG(!busy_, "one run() at a time on a connection");
        busy_ = true;
    }
    ~Busy() { busy_ = false; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

  private:
    bool& busy_;
};

PgConnection::PgConnection(Loop& loop, ConnectOptions options)
    : loop_(loop), options_(std::move(options)), watch_(loop) {}

PgConnection::~PgConnection() { close(); }

int PgConnection::backend_pid() const { return connection_ ? PQbackendPID(connection_) : 0; }

int PgConnection::server_version() const { return connection_ ? PQserverVersion(connection_) : 0; }

Task<std::vector<QueryResult>> PgConnection::run(const Pipeline& pipeline, Deadline deadline) {
    if (pipeline.empty()) co_return std::vector<QueryResult>{};
    Busy busy(busy_);
    CO_TRY_VOID(usable(pipeline, deadline));

    exchange_.restart(commit_point_of(pipeline, in_transaction_), pipeline.size());
    std::optional<Error> interruption;
    const auto timeouts =
        effective_timeouts(pipeline.timeouts().value_or(options_.timeouts), deadline.left());
    if (!send(pipeline, timeouts)) {
        interruption = lost();
    } else if (auto received = co_await converse(deadline); !received) {
        interruption = std::move(received.error());
    }
    if (interruption) {
        broken_ = true;
        in_flight_ = !exchange_.done();
        cancel_allowed_ = exchange_.can_cancel();
    }
    in_transaction_ = !broken_ && PQtransactionStatus(connection_) != PQTRANS_IDLE;

    auto verdict = exchange_.verdict(interruption);
    if (!verdict) co_await recover(deadline);
    co_return verdict;
}

/// Whether a pipeline may be sent at all. An Error here means that nothing was.
Result<void> PgConnection::usable(const Pipeline& pipeline, Deadline deadline) {
    if (pipeline.bytes().size() > max_parameter_bytes) {
        return fail(ErrorClass::Invalid, "pipeline_too_large",
                    fmt::format("Parameters of {} bytes; at most {}.", pipeline.bytes().size(),
                                max_parameter_bytes));
    }
    if (pipeline.begins() && in_transaction_) {
        return fail(ErrorClass::Bug, "transaction_open", "begin() in an open transaction.");
    }
    if (pipeline.commits() && !pipeline.begins() && !in_transaction_) {
        return fail(ErrorClass::Bug, "no_transaction", "commit() without an open transaction.");
    }
    if (deadline.passed()) {
        return fail(ErrorClass::Deadline, "deadline_passed",
                    "The deadline passed before anything was sent to the database.");
    }
    if (broken_ || peer_gone()) return std::unexpected(lost());
    return {};
}

/// Looks without waiting whether the server has ended the session since the last run: then it is
/// known for certain that nothing was done.
bool PgConnection::peer_gone() {
    constexpr int looks = 4; // what is there may be harmless: a changed parameter, a TLS ticket
    char byte;
    for (int look = 0; look < looks; ++look) {
        const auto there = ::recv(PQsocket(connection_), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (there < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return broken_;
        if (there <= 0 || PQconsumeInput(connection_) == 0) return true;
        PQisBusy(connection_); // parses: on_notice() hears a farewell
    }
    return broken_;
}

/// After an Error: no transaction stays open. What can't be rolled back is broken.
net::asio::awaitable<void> PgConnection::recover(Deadline deadline) {
    if (in_transaction_ && !broken_) {
        Pipeline rollback(Effect::Read);
        rollback.rollback();
        exchange_.restart(CommitPoint::None, rollback.size());
        const bool sent = send(rollback, sent_timeouts_);
        if (!sent || !co_await converse(deadline) || !exchange_.verdict(std::nullopt)) {
            broken_ = true;
            in_flight_ = !exchange_.done();
        }
    }
    in_transaction_ = false;
}

bool PgConnection::send(const Pipeline& pipeline, Timeouts timeouts) {
    if (!in_transaction_ && session_timeouts_ != timeouts && !send_timeouts(timeouts)) return false;
    for (const Pipeline::Step& step : pipeline.steps()) {
        const bool commit = step.statement == &own_statements::commit;
        if (step.statement && !send_prepare(*step.statement)) return false;
        exchange_.owe(commit ? Exchange::Owed::Commit : Exchange::Owed::Step);
        if (!send_step(pipeline, step)) return false;
    }
    exchange_.owe(Exchange::Owed::Sync);
    return PQpipelineSync(connection_) == 1;
}

/// In a transaction of its own (a Sync costs no round trip): the values outlive a rollback of what
/// follows, and no snapshot is taken before BEGIN chooses the isolation level.
bool PgConnection::send_timeouts(Timeouts timeouts) {
    const Statement& statement = own_statements::set_timeouts;
    if (!send_prepare(statement)) return false;
    session_timeouts_.reset(); // not known until answered
    sent_timeouts_ = timeouts;
    std::array<char, 24> statement_digits, lock_digits;
    const std::string_view texts[] = {text_of(timeouts.statement, statement_digits),
                                      text_of(timeouts.lock, lock_digits)};
    values_.clear(), lengths_.clear();
    for (const std::string_view text : texts) {
        values_.push_back(text.data());
        lengths_.push_back(static_cast<int>(text.size()));
    }
    exchange_.owe(Exchange::Owed::Timeouts);
    if (!send_prepared(statement)) return false;
    exchange_.owe(Exchange::Owed::Separator);
    return PQpipelineSync(connection_) == 1;
}

bool PgConnection::send_prepare(const Statement& statement) {
    const auto [known, fresh] = prepared_.try_emplace(statement.name, statement.sql);
    CHECK_MSG(known->second == statement.sql || std::strcmp(known->second, statement.sql) == 0,
              statement.name);
    if (!fresh) return true;
    const auto types = statement.param_oids.span();
    exchange_.owe(Exchange::Owed::Prepare, &statement);
    return PQsendPrepare(connection_, statement.name, statement.sql, static_cast<int>(types.size()),
                         types.data()) == 1;
}

bool PgConnection::send_prepared(const Statement& statement) {
    formats_.assign(values_.size(), binary);
    return PQsendQueryPrepared(connection_, statement.name, static_cast<int>(values_.size()),
                               values_.data(), lengths_.data(), formats_.data(), binary) == 1;
}

bool PgConnection::send_step(const Pipeline& pipeline, const Pipeline::Step& step) {
    values_.clear(), lengths_.clear(), types_.clear();
    for (const Pipeline::Value& value : pipeline.values(step)) {
        values_.push_back(value.length < 0 ? nullptr : pipeline.bytes().data() + value.offset);
        lengths_.push_back(std::max(value.length, 0));
        types_.push_back(value.type);
    }
    if (step.statement) return send_prepared(*step.statement);
    formats_.assign(values_.size(), binary);
    return PQsendQueryParams(connection_, pipeline.sql(step).c_str(),
                             static_cast<int>(values_.size()), types_.data(), values_.data(),
                             lengths_.data(), formats_.data(), binary) == 1;
}

/// Sends what is queued and reads until everything owed was answered.
Task<void> PgConnection::converse(Deadline deadline) {
    arrived_bytes_ = 0;
    for (;;) {
        const int unsent = PQflush(connection_);
        const Taken taken = take_results();
        let_go_of_closed_socket();
        if (taken == Taken::All) co_return Result<void>{};
        if (taken == Taken::Lost || unsent < 0) co_return std::unexpected(lost());
        CO_TRY_VOID(co_await wait_for_server(unsent == 1, deadline));
        CO_TRY_VOID(count_arrived());
        if (PQconsumeInput(connection_) == 0) {
            const Taken last = take_results();
            let_go_of_closed_socket();
            if (last == Taken::All) co_return Result<void>{};
            co_return std::unexpected(lost());
        }
    }
}

/// libpq closes its socket when it is of no use any more. The next one to be opened gets its
/// number, at once, and would lose its place in the loop to whoever let go of that number later.
void PgConnection::let_go_of_closed_socket() {
    if (PQsocket(connection_) >= 0) return;
    watch_.release();
    broken_ = true;
}

Task<void> PgConnection::wait_for_server(bool unsent, Deadline deadline) {
    const auto direction = unsent ? Direction::ReadOrWrite : Direction::Read;
    CO_TRY(bool ready, co_await watch_.wait(direction, deadline));
    if (ready) co_return Result<void>{};
    co_return fail(ErrorClass::Deadline, "deadline_passed",
                   fmt::format("No answer from the database in time (backend {}).", backend_pid()));
}

/// libpq collects a whole result before it shows any of it, so the limit is kept on what arrives.
Result<void> PgConnection::count_arrived() {
    int waiting = 0;
    if (::ioctl(PQsocket(connection_), FIONREAD, &waiting) == 0 && waiting > 0) {
        arrived_bytes_ += static_cast<std::size_t>(waiting);
    }
    if (arrived_bytes_ <= options_.max_result_bytes) return {};
    return fail(
        ErrorClass::Invalid, "result_too_large",
        fmt::format("The database answered with more than {} bytes.", options_.max_result_bytes));
}

PgConnection::Taken PgConnection::take_results() {
    int nulls = 0;
    while (!exchange_.done()) {
        if (PQisBusy(connection_)) return Taken::Some;
        if (pg_result* result = PQgetResult(connection_)) {
            nulls = 0;
            if (take_one(result) == Taken::Lost) return Taken::Lost;
        } else if (++nulls > nulls_in_a_row_max) {
            return Taken::Lost;
        }
    }
    return Taken::All;
}

/// Takes `result` over.
PgConnection::Taken PgConnection::take_one(pg_result* result) {
    QueryResult owned(result);
    switch (PQresultStatus(result)) {
        case PGRES_PIPELINE_SYNC:
            if (!exchange_.fits_sync()) return Taken::Lost;
            exchange_.synced();
            return Taken::Some;
        case PGRES_PIPELINE_ABORTED: {
            // What was skipped was not prepared either.
            const auto& item = exchange_.next();
            if (item.what == Exchange::Owed::Prepare) prepared_.erase(item.statement->name);
            exchange_.skipped();
            return Taken::Some;
        }
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_EMPTY_QUERY:
            if (!exchange_.fits_result(owned.tag())) return Taken::Lost;
            if (exchange_.next().what == Exchange::Owed::Timeouts)
                session_timeouts_ = sent_timeouts_;
            exchange_.succeeded(std::move(owned));
            return Taken::Some;
        case PGRES_FATAL_ERROR: {
            Error error = sql_error(result);
            if (error.sqlstate.empty()) return Taken::Lost; // libpq's own: the connection is gone
            const auto& item = exchange_.next();
            if (item.what == Exchange::Owed::Prepare) prepared_.erase(item.statement->name);
            // A new session prepares anew.
            if (error.code == "cached_plan_changed" || error.sqlstate == "26000") broken_ = true;
            const std::string_view severity = severity_of(result);
            exchange_.refused(std::move(error), severity == "FATAL" || severity == "PANIC");
            return Taken::Some;
        }
        default: return Taken::Lost; // COPY and the like: no way on from here
    }
}

Task<void> PgConnection::run_script(std::string sql, Timeouts timeouts, Deadline deadline) {
    Busy busy(busy_);
    CO_TRY_VOID(usable(Pipeline(), deadline));
    exchange_.restart(CommitPoint::None, 0);
    wait_given_up_ = false;
    if (session_timeouts_ != timeouts) {
        if (!send_timeouts(timeouts)) co_return std::unexpected(lost());
        if (auto set = co_await converse(deadline); !set) {
            broken_ = in_flight_ = true;
            co_return set;
        }
    }
    if (PQexitPipelineMode(connection_) != 1 || PQsendQuery(connection_, sql.c_str()) != 1) {
        co_return std::unexpected(lost());
    }
    auto done = co_await converse_script(deadline);
    if (broken_) co_return done;
    in_transaction_ = PQtransactionStatus(connection_) != PQTRANS_IDLE;
    if (PQenterPipelineMode(connection_) != 1) co_return std::unexpected(lost());
    if (!done) {
        co_await recover(deadline);
    } else if (wait_given_up_) {
        co_return fail(ErrorClass::Unknown, "commit_not_replicated",
                       "The server stopped waiting for its synchronous standby.");
    }
    co_return done;
}

/// Reads the answers of a script to their end; the first refusal counts, the server stops there.
Task<void> PgConnection::converse_script(Deadline deadline) {
    Result<void> answer{};
    for (;;) {
        const int unsent = PQflush(connection_);
        std::optional<Error> interruption;
        while (!PQisBusy(connection_)) {
            const QueryResult result(PQgetResult(connection_));
            if (!result.native()) co_return answer;
            const auto status = PQresultStatus(result.native());
            if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
                interruption = lost();
                break;
            }
            if (status != PGRES_FATAL_ERROR || !answer) continue;
            Error error = sql_error(result.native());
            if (error.sqlstate.empty())
                interruption = lost();
            else
                answer = std::unexpected(std::move(error));
        }
        if (!interruption) {
            auto waited = co_await wait_for_server(unsent == 1, deadline);
            if (!waited)
                interruption = waited.error();
            else if (PQconsumeInput(connection_) == 0)
                interruption = lost();
        }
        if (!interruption) continue;
        broken_ = in_flight_ = true;
        if (!answer) co_return answer;
        co_return fail(ErrorClass::Unknown, "commit_unknown",
                       fmt::format("The answer to a script was lost: {}", interruption->message));
    }
}

Error PgConnection::lost() {
    broken_ = true;
    let_go_of_closed_socket();
    const std::string why = connection_ ? one_line(PQerrorMessage(connection_)) : std::string{};
    return Error{.kind = ErrorClass::Unavailable,
                 .code = "connection_lost",
                 .message = why.empty() ? "The connection to the database is closed." : why,
                 .retryable = true};
}

/// run() finds out by itself, and must: what it was at decides what the loss means.
void PgConnection::sever() {
    if (connection_ && PQsocket(connection_) >= 0) ::shutdown(PQsocket(connection_), SHUT_RDWR);
    if (!busy_) broken_ = true;
}

Task<void> PgConnection::dispose(Deadline deadline) {
    Busy busy(busy_);
    const int descriptor = connection_ ? PQsocket(connection_) : -1;
    if (descriptor < 0 || !in_flight_) {
        close();
        co_return Result<void>{};
    }
    if (cancel_key_ && cancel_allowed_) {
        // It may fail like anything: then the session ends when its statement does.
        [[maybe_unused]] auto sent =
            co_await send_cancel(loop_, descriptor, *cancel_key_, deadline.capped(cancel_timeout));
    }
    ::shutdown(descriptor, SHUT_WR); // nothing that is still queued here goes out
    std::array<char, 16 * 1024> discarded;
    ssize_t got = 0;
    while ((got = ::recv(descriptor, discarded.data(), discarded.size(), 0)) != 0) {
        if (got > 0) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) break;
        CO_TRY(bool ready, co_await watch_.wait(Direction::Read, deadline));
        if (ready) continue;
        close();
        co_return fail(ErrorClass::Deadline, "backend_still_running",
                       "A session of the database did not end in time.");
    }
    close();
    co_return Result<void>{};
}

void PgConnection::close() {
    broken_ = true;
    watch_.release();
    if (!connection_) return;
    if (in_flight_ && PQsocket(connection_) >= 0) ::shutdown(PQsocket(connection_), SHUT_RDWR);
    PQfinish(connection_);
    connection_ = nullptr;
}

} // namespace holdfast::db
