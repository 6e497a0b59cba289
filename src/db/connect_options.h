#pragma once

// ConnectOptions: where the database is, who we are there, and the limits of a session.
//
//   TRY(auto options, ConnectOptions::parse("postgresql://app@db1,db2/holdfast?sslmode=require"));
//   options.role = "pay";                       // application_name=holdfast:pay
//   log(options.redacted());                    // the password is never printed
//
// The text is a libpq connection URL or keyword string (PostgreSQL documentation, 34.1.1); parsing
// and checking are libpq's. Passwords are taken out of it into a Secret. Unless the text says
// otherwise, every connection has: client_encoding UTF8, TCP keepalives 1/1/2 s and
// tcp_user_timeout 2 s (they cover different states of a dead peer: waiting for an answer, and
// waiting for an acknowledgement), gssencmode=disable (asks the credential cache: blocks).

#include "base/result.h"
#include "base/secret.h"
#include "db/pipeline.h"

#include <string>
#include <utility>
#include <vector>

namespace holdfast::db {

struct ConnectOptions {
    /// `text` is never part of an Error: it may hold a password.
    static Result<ConnectOptions> parse(SecretString text);

    /// Keyword and value, as libpq wants them; without the password.
    std::vector<std::pair<std::string, std::string>> keywords;
    SecretString password;

    /// What this process is: pay, background, migrate, test ... shown in pg_stat_activity.
    std::string role = "unknown";

    /// Session defaults, enforced by the server for every statement; a pipeline sends others with
    /// its transaction where it must. lock < statement.
    Timeouts timeouts{std::chrono::milliseconds{8'000}, std::chrono::milliseconds{2'000}};
    std::chrono::milliseconds idle_in_transaction_timeout{10'000};

    /// Upper limit of what one pipeline may answer; more breaks the connection.
    std::size_t max_result_bytes = 64 * 1024 * 1024;

    /// One for each host of the list, in its order, whatever that is now (primary or standby).
    std::vector<ConnectOptions> each_host() const;

    std::string_view value(std::string_view keyword) const; ///< empty when not set
    void set(std::string_view keyword, std::string value);

    /// A URL without the password: for logs and people.
    std::string redacted() const;
};

} // namespace holdfast::db
