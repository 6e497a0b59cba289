#include "db/pg_connection.h"
#include "db/sql_error.h"

#include "base/log.h"

#include <fmt/format.h>
#include <libpq-fe.h>

namespace holdfast::db {
namespace {

/// What the server applies to the session from its start; what the URL says comes last and wins.
std::string session_options(const ConnectOptions& options) {
    // A backend whose client is gone notices only when it writes; so it looks while it works.
    constexpr int client_connection_check_interval_ms = 1'000;
    return fmt::format(
        "-c statement_timeout={} -c lock_timeout={} "
        "-c idle_in_transaction_session_timeout={} "
        "-c client_connection_check_interval={} {}",
        options.timeouts.statement.count(), options.timeouts.lock.count(),
        options.idle_in_transaction_timeout.count(), client_connection_check_interval_ms,
        options.value("options"));
}

} // namespace

void PgConnection::start_connecting() {
    // The server's settings may differ from ours where the URL brings options of its own.
    if (options_.value("options").empty()) session_timeouts_ = options_.timeouts;
    options_.set("options", session_options(options_));
    options_.set("application_name", "holdfast:" + options_.role);

    std::vector<const char*> keywords, values;
    for (const auto& [keyword, value] : options_.keywords) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    if (!options_.password.reveal().empty()) {
        keywords.push_back("password");
        values.push_back(options_.password.reveal().c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_ = PQconnectStartParams(keywords.data(), values.data(), 0);
    options_.password = SecretString(); // libpq has it now
}

Task<void> PgConnection::open(Deadline deadline) {
    start_connecting();
    if (!connection_) co_return fail(ErrorClass::Overload, "out_of_memory", "libpq has no memory.");
    PQsetNoticeReceiver(connection_, &PgConnection::on_notice, this);
    PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE); // the one way to the SQLSTATE
    SessionKey session_key(connection_);
    CO_TRY_VOID(co_await poll_until_open(deadline));
    cancel_key_ = session_key.stop();
    PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    CO_TRY_VOID(watch_.watch(PQsocket(connection_)));
    if (PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) != 1) {
        co_return std::unexpected(lost());
    }
    broken_ = false;
    co_return Result<void>{};
}

Task<void> PgConnection::poll_until_open(Deadline deadline) {
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    if (PQstatus(connection_) == CONNECTION_BAD) wanted = PGRES_POLLING_FAILED;
    while (wanted != PGRES_POLLING_OK) {
        if (wanted == PGRES_POLLING_FAILED) {
            co_return fail(connect_error(PQerrorMessage(connection_)));
        }
        // libpq may have replaced the socket, and a closed one's number may have come back.
        CO_TRY_VOID(watch_.watch(PQsocket(connection_)));
        const auto direction =
            wanted == PGRES_POLLING_WRITING ? Direction::ReadOrWrite : Direction::Read;
        CO_TRY(bool ready, co_await watch_.wait(direction, deadline));
        watch_.release();
        if (!ready) {
            co_return fail(ErrorClass::Deadline, "deadline_passed",
                           fmt::format("No connection to {} in time.", options_.redacted()));
        }
        wanted = PQconnectPoll(connection_);
    }
    co_return Result<void>{};
}

void PgConnection::on_notice(void* self, const pg_result* notice) {
    auto& connection = *static_cast<PgConnection*>(self);
    const auto field = [notice](int code) {
        const char* text = PQresultErrorField(notice, code);
        return text ? std::string_view(text) : std::string_view{};
    };
    const std::string_view severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
    // The function's name, unlike the message, is in no language.
    if (severity == "WARNING" && field(PG_DIAG_SOURCE_FUNCTION) == "SyncRepWaitForLSN") {
        connection.exchange_.wait_given_up();
        connection.wait_given_up_ = true;
    }
    // What arrives between two runs is a farewell: shutdown, or a timeout of the idle session.
    if (severity == "FATAL" || severity == "PANIC") connection.broken_ = true;
    if (severity == "NOTICE" || severity == "INFO" || severity == "DEBUG") return;
    log::warn("database_notice", {{"severity", severity},
                                  {"sqlstate", field(PG_DIAG_SQLSTATE)},
                                  {"message", field(PG_DIAG_MESSAGE_PRIMARY)},
                                  {"backend_pid", PQbackendPID(connection.connection_)}});
}

} // namespace holdfast::db
